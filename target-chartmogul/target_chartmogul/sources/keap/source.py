"""Keap's records as a source of billing: what the rest of the program asks of them (`sources.protocol`)."""

from __future__ import annotations

import re
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
from target_chartmogul.sources.keap.orders.plans import renamed
from target_chartmogul.sources.keap.records import STREAMS, id_of
from target_chartmogul.sources.keap.stored import CONTACTS, FREE_TRIALS, ORDERS, PLANS, PRODUCTS, SUBSCRIPTIONS
from target_chartmogul.sources.protocol import Context, ReadRecord, StoredMemory, StoredRecord

_LINE: Final = re.compile(r"(?P<order>\d+)(?:-c\d+)?-(?:\d+|adjustment|credit-\d+)\Z")
_ATTEMPT: Final = re.compile(r"(?P<order>\d+)(?:-c\d+)?-(?:failed|refund)-[0-9a-f]{12}\Z")
_PAYMENT: Final = re.compile(r"\d+-(?P<order>\d+)(?:-c\d+)?\Z")
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
    holds_to_schema = True

    def __init__(self, custom_fields: Iterable[str] = ()) -> None:
        self._custom_fields = frozenset(custom_fields)
        self.allow_lists: Mapping[str, frozenset[str]] = {"contacts": self._custom_fields}

    def check_settings(self, settings: Any) -> None:
        """All settings of the mapping are Keap's."""

    def takes(self, stream: str, schema: Mapping[str, Any]) -> bool:
        """Whether a Singer stream is one of Keap's; `transactions` that name an invoice are ChartMogul's."""
        properties = schema.get("properties")
        return stream in STREAMS and not (isinstance(properties, dict) and "invoice_external_id" in properties)

    def read(self, stream: str, raw: bytes) -> ReadRecord:
        """A row.

        Raises:
            InvalidRecordError: it can never be accepted.
        """
        return stored.read(stream, raw, self._custom_fields)

    def id_of(self, stream: str, record: Mapping[str, Any]) -> tuple[int, str | None] | None:
        """Number of a row that `read` cannot take; None for transactions, which have no id, and for other ids."""
        found = None if stream == "transactions" else id_of(record)
        return None if found is None else (found, None)

    def number_named(self, record_id: str) -> int:
        """Keap's id.

        Raises:
            ConfigurationError: it is none.
        """
        if not record_id.isdecimal() or not record_id.isascii() or not 0 < int(record_id) < NUMBERS:
            raise ConfigurationError(f"`{record_id[:64]}` is not a Keap id (a whole number above 0)")
        return int(record_id)

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
                return external_id.isdecimal()
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
                line = _LINE.match(external_id)
                return line["order"] if line else ""
            case "transaction":
                row = _ATTEMPT.match(external_id) or _PAYMENT.match(external_id)
                return row["order"] if row else ""
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
    return node(stream, int(record_id)) if record_id.isdecimal() else None


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
