"""Keap's records as a source of billing: what the rest of the program asks of them (`sources.protocol`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from target_chartmogul.billing.changes import Change, ChartMogulObject, Kind
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.emails import email_fingerprint
from target_chartmogul.billing.nodes import NUMBERS, node
from target_chartmogul.billing.objects import Customer, Invoice, Plan, SubscriptionEvent
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.sources.keap import ids, stored
from target_chartmogul.sources.keap.account import Account, Catalogue, Memories
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.filled_settings import filled
from target_chartmogul.sources.keap.orders.plans import renamed
from target_chartmogul.sources.keap.records import STREAMS, id_of
from target_chartmogul.sources.keap.stored import ACCOUNT, CONTACTS, FREE_TRIALS, ORDERS, PLANS, PRODUCTS, SUBSCRIPTIONS
from target_chartmogul.sources.protocol import Context, Filled, ReadRecord, StoredMemory, StoredRecord

_SOURCE, _EMAIL, _SEEN = "cancellation_source", "refused_email", "first_seen"
_COUNT_WHEN_GONE: Final = frozenset({"contacts", "subscriptions", "orders"})
_encode: Final = msgspec.json.Encoder().encode
_decode_text: Final = msgspec.json.Decoder(str).decode


class KeapSource:
    """See `sources.protocol.Source`.

    Args:
        custom_fields: ids of the contacts' custom fields that are kept (rule 3.8).
    """

    name = "keap"
    streams: Sequence[str] = tuple(STREAMS)
    contact_stream = CONTACTS
    subscription_stream = SUBSCRIPTIONS
    settings_node: int | None = node(ACCOUNT, stored.THE_ACCOUNT[0])
    holds_to_schema = True

    def __init__(self, custom_fields: Iterable[str] = ()) -> None:
        self._custom_fields = frozenset(custom_fields)
        self.allow_lists: Mapping[str, frozenset[str]] = {"contacts": self._custom_fields}

    def check_settings(self, settings: Any) -> None:
        """All settings of the mapping are Keap's."""

    def takes(self, stream: str, schema: Mapping[str, Any]) -> bool:
        """Whether a Singer stream is one of Keap's.

        `transactions` that name an invoice are ChartMogul's; an `account` without currency and time zone may be of any
        tap, and has nothing to say.
        """
        properties = schema.get("properties")
        names = properties.keys() if isinstance(properties, dict) else frozenset[str]()
        if stream == "account":
            return not names.isdisjoint({"currency_code", "time_zone"})
        return stream in STREAMS and "invoice_external_id" not in names

    def read(self, stream: str, raw: bytes) -> ReadRecord:
        """A row.

        Raises:
            InvalidRecordError: it can never be accepted.
        """
        return stored.read(stream, raw, self._custom_fields)

    def id_of(self, stream: str, record: Mapping[str, Any]) -> tuple[int, str | None] | None:
        """Number of a row that `read` cannot take; None for transactions, which have no id, and for other ids."""
        if stream == "account":
            return stored.THE_ACCOUNT
        found = None if stream == "transactions" else id_of(record)
        return None if found is None else (found, None)

    def number_named(self, stream: str, record_id: str) -> int:
        """Keap's id; transactions have none there, and the store numbers them, in up to 18 digits.

        Raises:
            ConfigurationError: it is none.
        """
        of_store = stream == "transactions" and record_id.isdecimal() and record_id.isascii()
        if not ids.is_keap_id(record_id) and not (of_store and int(record_id) < NUMBERS):
            raise ConfigurationError(f"`{record_id[:64]}` is not a Keap id (a whole number above 0)")
        return int(record_id)

    def name_of(self, record: Mapping[str, Any]) -> str | None:
        """Keap's numeric id."""
        return None if (found := id_of(record)) is None else str(found)

    def links_of(self, stream: int, payload: bytes) -> Iterable[int]:
        """Nodes that a stored payload names."""
        return stored.links_of(stream, payload)

    def owner_node(self, kind: Kind, thing: ChartMogulObject) -> int | None:  # noqa: ARG002
        """The contact whose an object is."""
        match thing:
            case Customer():
                contact_id = thing.external_id
            case Invoice() | SubscriptionEvent():
                contact_id = thing.customer_external_id
            case _:
                return None
        return _node(CONTACTS, contact_id)

    def subject_node(self, kind: Kind, thing: ChartMogulObject) -> int | None:  # noqa: ARG002
        """The order or subscription that an invoice or event is made of."""
        match thing:
            case Invoice():
                return _node(ORDERS, self.root_of("invoice", thing.external_id))
            case SubscriptionEvent():
                return _node(SUBSCRIPTIONS, thing.subscription_external_id)
            case _:
                return None

    def filled(self, settings: Any, payload: bytes) -> Filled:
        """`currency` and `keap_timezone` from Keap's account, where they are not set (rules 3.5, 4.1)."""
        return filled(settings, stored.decode_stored(ACCOUNT, payload))

    def catalogue(self, records: Iterable[StoredRecord], plans_held: Mapping[str, Plan]) -> Catalogue:
        """Products, plans and free trials, those too that are gone (rule 1.8)."""
        found = Catalogue(plans_held=dict(plans_held))
        shelves: dict[int, dict[str, Any]] = {
            PRODUCTS: found.products,
            PLANS: found.plans,
            FREE_TRIALS: found.free_trials,
        }
        for each in records:
            if each.payload is not None:
                shelves[each.stream][str(each.number)] = stored.decode_stored(each.stream, each.payload)
        return found

    def decide(
        self,
        records: Sequence[StoredRecord],
        holdings: Holdings,
        memories: Sequence[StoredMemory],
        catalogue: Any,
        context: Context,
    ) -> Decision:
        """What ChartMogul should hold of an account; `Decision.memories` are `StoredMemory` rows."""
        account = account_of(records, holdings, memories, context)
        decision = decide(account, catalogue, context.settings, context.now, settings_changed=context.settings_changed)
        decision.memories = list(_memory_rows(decision.memories))
        return decision

    def email_refused(self, external_id: str, email: str) -> StoredMemory:
        """What to remember of an address that ChartMogul refused: a fingerprint, not the address (rule 9.9)."""
        return StoredMemory(node(CONTACTS, int(external_id)), _EMAIL, external_id, _encode(email_fingerprint(email)))

    def plans_to_write(self, catalogue: Any) -> Mapping[str, Plan]:
        """Plans that ChartMogul has and whose product is called otherwise now (rule 3.7)."""
        return renamed(catalogue)

    def is_ours(self, kind: Kind, external_id: str) -> bool:
        """Whether this target forms such ids of Keap's (§2)."""
        match kind:
            case "customer":
                return ids.is_keap_id(external_id)
            case "plan":
                return ids.parse_plan_id(external_id) is not None
            case "event":
                return ids.parse_event_id(external_id) is not None
            case _:
                return self.root_of(kind, external_id) != ""

    def root_of(self, kind: Kind, external_id: str) -> str:
        """The order of an invoice, a line or a transaction, the subscription of an event; empty if it is not ours.

        Of customers and plans the id itself.
        """
        match kind:
            case "invoice":
                invoice = ids.parse_invoice_id(external_id)
                return invoice[0] if invoice else ""
            case "event":
                event = ids.parse_event_id(external_id)
                return event[0] if event else ""
            case "line_item":
                return ids.order_of_line(external_id)
            case "transaction":
                return ids.order_of_transaction(external_id)
            case _:
                return external_id

    def records_of(self, change: Change) -> list[str]:
        """The record that an object is made of, as `accepted_rejects` names it: `orders:123`."""
        match change.kind:
            case "customer":
                return [f"contacts:{change.external_id}"]
            case "plan":
                plan = ids.parse_plan_id(change.external_id)
                return [f"products:{plan[0]}"] if plan else []
            case "event":
                return [f"subscriptions:{root}"] if (root := self.root_of("event", change.external_id)) else []
            case "invoice":
                root = self.root_of("invoice", change.external_id)
            case _:
                root = self.root_of("invoice", change.parent or "")
        return [f"orders:{root}"] if root else []


def account_of(
    records: Iterable[StoredRecord], holdings: Holdings, memories: Iterable[StoredMemory], context: Context
) -> Account:
    """An account as the mapping takes it."""
    account = Account(holdings=holdings, memories=_memories_of(memories))
    shelves: dict[str, Any] = {
        "contacts": account.contacts,
        "subscriptions": account.subscriptions,
        "orders": account.orders,
        "payments": account.payments,
    }
    marked: dict[str, dict[str, set[str]]] = {"gone": {}, "unreadable": {}}
    for each in records:
        stream, record_id = KeapSource.streams[each.stream], str(each.number)
        shelf = shelves.get(stream)
        if each.gone:
            marked["gone"].setdefault(stream, set()).add(record_id)
            if stream not in _COUNT_WHEN_GONE:
                continue
        if each.payload is None:
            if not each.gone:
                marked["unreadable"].setdefault(stream, set()).add(record_id)
            continue
        record = stored.decode_stored(each.stream, each.payload)
        if shelf is not None:
            shelf[record_id] = record
        elif stream == "transactions":
            account.transactions.append(record)
        elif stream == "order_payments":
            account.order_payments.append(record)
    account.gone = {stream: frozenset(each) for stream, each in marked["gone"].items()}
    account.unreadable = {stream: frozenset(each) for stream, each in marked["unreadable"].items()}
    account.subscriptions_read_at = context.complete_reads.get("subscriptions")
    account.subscriptions_complete = account.subscriptions_read_at is not None
    return account


def _node(stream: int, record_id: str) -> int | None:
    return node(stream, int(record_id)) if ids.is_keap_id(record_id) else None


def _memories_of(rows: Iterable[StoredMemory]) -> Memories:
    found = Memories()
    shelves = {_SOURCE: found.cancellation_sources, _EMAIL: found.refused_emails, _SEEN: found.first_seen}
    for row in rows:
        shelves[row.kind][row.key] = _decode_text(row.value)
    return found


def _memory_rows(memories: Memories) -> Iterator[StoredMemory]:
    for kind, stream, values in (
        (_SOURCE, SUBSCRIPTIONS, memories.cancellation_sources),
        (_EMAIL, CONTACTS, memories.refused_emails),
        (_SEEN, SUBSCRIPTIONS, memories.first_seen),
    ):
        for key, value in sorted(values.items()):
            yield StoredMemory(node(stream, int(key.partition("-")[0])), kind, key, _encode(value))
