"""ChartMogul's own objects as a source of billing: any tap's rows, straight or through a stream map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from target_chartmogul.billing.changes import Change, ChartMogulObject, Kind
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.emails import email_fingerprint
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, Customer, Invoice, Plan, SubscriptionEvent
from target_chartmogul.sources.native import streams
from target_chartmogul.sources.native.account import REFUSED_EMAIL, Catalogue, account_of, catalogue_of
from target_chartmogul.sources.native.cancellations import base_id
from target_chartmogul.sources.native.decide import decide
from target_chartmogul.sources.native.fields import InvalidFieldError
from target_chartmogul.sources.native.reading import read, read_key
from target_chartmogul.sources.native.rows import decoded, encoded, key_of, links_of
from target_chartmogul.sources.native.streams import (
    CANCELLATIONS,
    CUSTOMERS,
    INVOICES,
    SCHEDULED_ENDING,
    STREAMS,
    node_of,
)
from target_chartmogul.sources.protocol import (
    Context,
    Filled,
    InvalidRecordError,
    ReadRecord,
    StoredMemory,
    StoredRecord,
)

_decode = msgspec.json.Decoder().decode
DELETED_AT: Final = "_sdc_deleted_at"
"""Set in a row that says, often with nothing but its key, that its record was deleted (rule 1.8)."""


class NativeSource:
    """See `sources.protocol.Source`.

    Args:
        prefix: `external_id_prefix`, which counts into the length of ids.
    """

    name = "native"
    streams: Sequence[str] = STREAMS
    contact_stream = STREAMS.index(CUSTOMERS)
    allow_lists: Mapping[str, frozenset[str]] = MappingProxyType({})
    subscription_stream = STREAMS.index(CANCELLATIONS)
    settings_node: int | None = None
    holds_to_schema = False
    """A stream map can only guess types: a list is a text to it."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def check_settings(self, settings: Any) -> None:
        """Rule 1.4: the prefix alone says what is ours.

        Raises:
            ConfigurationError: naming the setting.
        """
        streams.check_settings(self._prefix, settings.only_contacts)

    def filled(self, settings: Any, payload: bytes) -> Filled:  # noqa: ARG002
        """No record has settings."""
        return Filled(settings)

    @staticmethod
    def takes(stream: str, schema: Mapping[str, Any]) -> bool:
        """Whether a stream holds ChartMogul's objects; its `transactions` have `invoice_external_id`."""
        return streams.takes(stream, schema)

    def read(self, stream: str, raw: bytes) -> ReadRecord:
        """A row.

        Raises:
            InvalidRecordError: it can never be accepted.
        """
        try:
            record = _decode(raw)
        except (msgspec.DecodeError, RecursionError):
            raise InvalidRecordError(stream, None, "", "is not valid JSON") from None
        if not isinstance(record, dict):
            raise InvalidRecordError(stream, None, "", "is not an object")
        try:
            if record.get(DELETED_AT):
                key = read_key(stream, record, self._prefix)
                return ReadRecord(streams.number(key), b"", (), key, gone=True)
            row = read(stream, record, self._prefix)
        except InvalidFieldError as error:
            raise InvalidRecordError(stream, self.name_of(record), error.field, error.reason) from None
        key = key_of(row)
        return ReadRecord(streams.number(key), encoded(row), tuple(links_of(row)), key)

    def id_of(self, stream: str, record: Mapping[str, Any]) -> tuple[int, str | None] | None:
        """Number and external id of a decoded row that `read` cannot take, None if it does not say whose it is."""
        try:
            key = read_key(stream, record, self._prefix)
        except InvalidFieldError:
            return None
        return streams.number(key), key

    @staticmethod
    def number_named(stream: str, record_id: str) -> int:  # noqa: ARG004
        """Every text is an id."""
        return streams.number(record_id)

    @staticmethod
    def name_of(record: Mapping[str, Any]) -> str | None:
        """The external id; a cancellation without one is named by its subscription."""
        found = record.get("external_id") or record.get("subscription_external_id")
        return str(found)[:64] if isinstance(found, str | int) and not isinstance(found, bool) else None

    @staticmethod
    def links_of(stream: int, payload: bytes) -> Iterable[int]:
        """Nodes that a stored row names."""
        return links_of(decoded(STREAMS[stream], payload))

    @staticmethod
    def owner_node(kind: Kind, thing: ChartMogulObject) -> int | None:  # noqa: ARG004 - the object says it
        """The node of the customer."""
        match thing:
            case Customer():
                return streams.node_of(CUSTOMERS, thing.external_id)
            case Invoice() | SubscriptionEvent():
                return streams.node_of(CUSTOMERS, thing.customer_external_id)
            case _:
                return None

    @staticmethod
    def subject_node(kind: Kind, thing: ChartMogulObject) -> int | None:  # noqa: ARG004 - the object says it
        """The node of the row that an invoice or event is made of."""
        match thing:
            case Invoice():
                return streams.node_of(INVOICES, thing.external_id)
            case SubscriptionEvent():
                return streams.node_of(CANCELLATIONS, base_id(thing))
            case _:
                return None

    @staticmethod
    def catalogue(records: Iterable[StoredRecord], plans_held: Mapping[str, Plan]) -> Catalogue:
        """All plans: of rows, gone ones too, and of ChartMogul."""
        return catalogue_of(records, plans_held)

    @staticmethod
    def decide(
        records: Sequence[StoredRecord],
        holdings: Holdings,
        memories: Sequence[StoredMemory],
        catalogue: Catalogue,
        context: Context,
    ) -> Decision:
        """What ChartMogul should hold of an account. Of the settings only `hard_delete` counts here."""
        account = account_of(records, holdings, memories)
        decision = decide(account, catalogue, hard_delete=context.settings.hard_delete, now=context.now)
        decision.memories = list(memories)
        return decision

    @staticmethod
    def email_refused(external_id: str, email: str) -> StoredMemory:
        """What to remember of an address that ChartMogul refused: a fingerprint, not the address (rule 9.9)."""
        return StoredMemory(
            node_of(CUSTOMERS, external_id), REFUSED_EMAIL, external_id, email_fingerprint(email).encode()
        )

    @staticmethod
    def plans_to_write(catalogue: Catalogue) -> Mapping[str, Plan]:
        """Plans that ChartMogul has, as their rows say (rule 3.7)."""
        return {key: each for key, each in catalogue.plans.items() if key in catalogue.plans_held}

    @staticmethod
    def is_ours(kind: Kind, external_id: str) -> bool:  # noqa: ARG004
        """Rule 1.4: ids have any form, so the prefix alone says what is ours."""
        return bool(external_id)

    @staticmethod
    def root_of(kind: Kind, external_id: str) -> str:
        """The id: an object's siblings are under the same one; a scheduled cancellation's is that of its row."""
        return external_id.removesuffix(SCHEDULED_ENDING) if kind == "event" else external_id

    @staticmethod
    def records_of(change: Change) -> list[str]:
        """The row that an object is made of, as `accepted_rejects` names it: `invoices:A-17`."""
        match change.kind:
            case "customer" | "plan" | "invoice" | "transaction":
                return [f"{change.kind}s:{change.external_id}"]
            case "line_item":
                return [f"{INVOICES}:{change.parent}"]
            case _:
                event = change.desired or change.held
                scheduled = isinstance(event, SubscriptionEvent) and event.event_type == CANCELLATION_SCHEDULED
                return [f"{CANCELLATIONS}:{change.external_id.removesuffix(SCHEDULED_ENDING if scheduled else '')}"]
