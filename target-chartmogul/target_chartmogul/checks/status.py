"""What a store holds, how old it is, and what is outstanding: `target-chartmogul status` (rule 7.4)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final

import msgspec

from target_chartmogul.apply.opening import DATA_SOURCE
from target_chartmogul.apply.relisting import LISTED_AT
from target_chartmogul.checks.from_store import Opened
from target_chartmogul.plan.planner import REFUSALS, REJECTS, WAITING
from target_chartmogul.report.builder import KINDS
from target_chartmogul.singer.receiving import complete_reads
from target_chartmogul.store.instants import instant
from target_chartmogul.store.meta import STALE

OUTSTANDING: Final = (REJECTS, REFUSALS, WAITING)


class StreamStatus(msgspec.Struct, kw_only=True):
    """What the store has of a stream."""

    records: int
    """Those that are not gone from their source."""
    read_up_to: str | None = None
    """Replication value of the last STATE that went out; None for streams that are read whole."""
    read_whole_at: datetime | None = None
    """When its last complete read began."""


class Outstanding(msgspec.Struct, kw_only=True):
    """One of the report's lists."""

    entries: int
    since: str
    """When the oldest entry was first found, in UTC."""


class Due(msgspec.Struct, kw_only=True):
    """Accounts that are to be decided again on a day."""

    day: str
    """`now`, or a day in UTC."""
    accounts: int


class Status(msgspec.Struct, kw_only=True):
    """See the module."""

    as_of: datetime
    store_path: str
    kind: str
    """`keap` or `native`."""
    data_source_uuid: str | None
    external_id_prefix: str
    first_read: str
    """`complete` or `unfinished`: while it is unfinished, nothing is decided (rule 1.8)."""
    streams_read: list[str]
    """Streams that a first read which is not complete yet has read to their end."""
    streams: dict[str, StreamStatus]
    chartmogul: dict[str, int]
    """Objects that ChartMogul is known to have, by kind in the plural."""
    listed_at: datetime | None
    """When ChartMogul's content was last listed (rule 1.11)."""
    is_outrun: bool
    """A run broke off, or another copy of the store has written since: the next run lists ChartMogul's content."""
    outstanding: dict[str, Outstanding]
    """Rejects, refusals and waiting records; only lists with entries."""
    lists: dict[str, Outstanding]
    """All other lists of the report."""
    due: list[Due]
    """By day, those that are due now first."""


def status(opened: Opened) -> Status:
    """Read it from the store; nothing is written."""
    source, store, now = opened.source, opened.store, opened.now
    get = store.meta.get
    lists = {kind: Outstanding(entries=count, since=since) for kind, (count, since) in store.outcomes.lists().items()}
    listed_at, held = get(LISTED_AT), store.holdings.counts()
    return Status(
        as_of=now,
        store_path=opened.settings.store_path or "",
        kind=source.name,
        data_source_uuid=get(DATA_SOURCE),
        external_id_prefix=opened.settings.external_id_prefix,
        first_read="complete" if store.records.first_read_done else "unfinished",
        streams_read=sorted(store.meta.streams_read()),
        streams=_streams(opened),
        chartmogul={plural: held[kind] for kind, plural in KINDS.items() if kind in held},
        listed_at=None if listed_at is None else datetime.fromisoformat(listed_at),
        is_outrun=store.unfinished or get(STALE) is not None or bool(store.holdings.intents()),
        outstanding={kind: lists[kind] for kind in OUTSTANDING if kind in lists},
        lists={kind: each for kind, each in lists.items() if kind not in OUTSTANDING},
        due=_due(opened, now),
    )


def _streams(opened: Opened) -> dict[str, StreamStatus]:
    store, streams = opened.store, opened.source.streams
    counts, whole = store.records.counts(), complete_reads(store, streams)
    return {
        stream: StreamStatus(
            records=counts.get(number, 0),
            read_up_to=_replication_value(store.meta.last_told(stream)),
            read_whole_at=whole.get(stream),
        )
        for number, stream in enumerate(streams)
        if stream
    }


def _replication_value(entry: bytes | None) -> str | None:
    found: Any = None if entry is None else msgspec.json.decode(entry)
    value = found.get("replication_key_value") if isinstance(found, dict) else None
    return None if value is None else str(value)


def _due(opened: Opened, now: datetime) -> list[Due]:
    moment = instant(now)
    due = {(node, "" if at <= moment else at[:10]) for node, at, _ in opened.store.outcomes.marks()}
    by_day = Counter(day for _, day in due)
    return [Due(day=day or "now", accounts=number) for day, number in sorted(by_day.items())]
