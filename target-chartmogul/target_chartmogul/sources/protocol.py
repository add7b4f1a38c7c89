"""What the rest of the program asks of a source of billing: Keap's records, or rows that are ChartMogul's own objects.

Nobody else reads a source's records, forms or parses its external ids, or compares its statuses. A source is the
folder of its name, with `source`, `wording` (for `explain`) and `amounts` (for `verify`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from target_chartmogul.billing.changes import Change, ChartMogulObject, Kind
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.objects import Plan


class InvalidRecordError(ValueError):
    """A record whose content can never be accepted (rule 1.5): it costs itself alone.

    Attributes:
        stream: the Singer stream.
        record_id: the record's id, or None if it has none.
        field: dotted path of the offending field, empty if it is the record itself.
        reason: what is wrong, without the value.
    """

    def __init__(self, stream: str, record_id: str | None, field: str, reason: str) -> None:
        super().__init__(f"{stream} {record_id or '(no id)'}: {field or 'record'}: {reason}")
        self.stream = stream
        self.record_id = record_id
        self.field = field
        self.reason = reason


class ReadRecord(NamedTuple):
    """A row as the store keeps it."""

    number: int
    """Its own within its stream, see `billing.nodes`."""
    payload: bytes
    """What the source needs of it; equal content, equal bytes."""
    links: tuple[int, ...]
    """Nodes that it names, those of the catalogue too."""
    id_text: str | None = None
    """The id that `number` was made of, where ids are texts."""
    gone: bool = False
    """The row says that its record was deleted (`_sdc_deleted_at`); nothing else of it counts."""


class StoredRecord(NamedTuple):
    """A record of an account, in the version that counts."""

    stream: int
    """Number of its stream."""
    number: int
    payload: bytes | None
    """None: it exists, but no version of it was ever valid."""
    gone: bool
    id_text: str | None


class StoredMemory(NamedTuple):
    """A fact that neither a record nor ChartMogul tells; lost with the store (rule 1.2)."""

    node: int
    """What it is about: it stays with this record when accounts part."""
    kind: str
    key: str
    value: bytes


class Filled(msgspec.Struct, frozen=True):
    """Settings of the mapping, where they are not set filled from what the source says of itself."""

    settings: Any
    taken: Mapping[str, str] = {}
    """Name of a setting -> its value, of those that were filled."""
    ignored: Mapping[str, str] = {}
    """Name of a setting that is left as it is -> the value that does not fit it."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a whole run."""

    settings: Any
    """Those of the mapping."""
    now: datetime
    settings_changed: frozenset[str] = frozenset()
    """Mapping settings that changed since the account was decided last (rule 1.10)."""
    complete_reads: Mapping[str, datetime] = {}
    """Stream -> when its last complete read began, of those that were ever read completely (rule 6.7)."""


class Source(Protocol):
    """One kind of source. A store belongs to one (rule 1.6)."""

    name: str
    """That of its folder."""
    streams: Sequence[str]
    """By stream number; an empty text where a number is not used. Those below 3 are the catalogue."""
    contact_stream: int
    allow_lists: Mapping[str, frozenset[str]]
    """Stream -> ids of fields that its records are reduced to by a setting: a longer list needs a new read (1.10)."""
    subscription_stream: int
    settings_node: int | None
    """The record that `filled` reads; None if the source has none. It is of no account."""
    holds_to_schema: bool
    """Rows are held against their stream's SCHEMA; else each field that is used is checked by itself."""

    def check_settings(self, settings: Any) -> None:
        """Whether a run of this source can have these settings of the mapping. Raises ConfigurationError."""
        ...

    def filled(self, settings: Any, payload: bytes) -> Filled:
        """The mapping's settings as the record at `settings_node` completes them. Pure."""
        ...

    def takes(self, stream: str, schema: Mapping[str, Any]) -> bool:
        """Whether a Singer stream of this name (after stream maps) and schema is one of this source's."""
        ...

    def read(self, stream: str, raw: bytes) -> ReadRecord:
        """A row. Raises InvalidRecordError."""
        ...

    def id_of(self, stream: str, record: Mapping[str, Any]) -> tuple[int, str | None] | None:
        """Number and id text of a decoded row that `read` cannot take, None if it does not say which record it is."""
        ...

    def number_named(self, stream: str, record_id: str) -> int:
        """The number of a record within its stream, by the id that a person writes.

        Raises ConfigurationError: no record of this source has such an id.
        """
        ...

    def name_of(self, record: Mapping[str, Any]) -> str | None:
        """The id by which a report may name a row that cannot be taken; a text that is not an id may be a name."""
        ...

    def links_of(self, stream: int, payload: bytes) -> Iterable[int]:
        """Nodes that a stored payload names."""
        ...

    def owner_node(self, kind: Kind, thing: ChartMogulObject) -> int | None:
        """Whose an object is: node of the contact (native: customer); None for plans."""
        ...

    def subject_node(self, kind: Kind, thing: ChartMogulObject) -> int | None:
        """The order or subscription that an invoice or event is made of; None for all else."""
        ...

    def catalogue(self, records: Iterable[StoredRecord], plans_held: Mapping[str, Plan]) -> Any:
        """Products, plans and free trials of the store (gone ones count too), with the plans that ChartMogul has."""
        ...

    def decide(
        self,
        records: Sequence[StoredRecord],
        holdings: Holdings,
        memories: Sequence[StoredMemory],
        catalogue: Any,
        context: Context,
    ) -> Decision:
        """What ChartMogul should hold of an account, from all that is known of it. Pure.

        `Decision.memories` are all `StoredMemory` to keep; `Decision.rejects` name records whose content the rules
        cannot take: the caller decides again with their last accepted version, if there is one.
        """
        ...

    def email_refused(self, external_id: str, email: str) -> StoredMemory:
        """What to remember of a customer's address that ChartMogul refused: a fingerprint, not the address (9.9)."""
        ...

    def plans_to_write(self, catalogue: Any) -> Mapping[str, Plan]:
        """Plans to be there or to be renamed (rule 3.7), besides those that decided accounts use."""
        ...

    def is_ours(self, kind: Kind, external_id: str) -> bool:
        """Whether this source forms such ids (rule 1.4)."""
        ...

    def root_of(self, kind: Kind, external_id: str) -> str:
        """What an invoice's id and those of its siblings under other owners share (rule 2.1); of others the id."""
        ...

    def records_of(self, change: Change) -> list[str]:
        """The records that an object is made of, as `accepted_rejects` names them: `orders:123`."""
        ...
