"""One account is decided: from the last versions of its records, or from those that were accepted before (rule 1.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from target_chartmogul.billing.decisions import Decision
from target_chartmogul.billing.objects import Plan
from target_chartmogul.sources.protocol import Context, Source, StoredMemory, StoredRecord
from target_chartmogul.store.accounts import Account
from target_chartmogul.store.records import Record
from target_chartmogul.store.store import Store


def read_catalogue(source: Source, store: Store, plans_held: Mapping[str, Plan]) -> Any:
    """What belongs to no account, as the source wants it for its decisions."""
    return source.catalogue([as_stored(each, use_previous=False) for each in store.records.catalogue()], plans_held)


def decide_account(source: Source, account: Account, catalogue: Any, context: Context) -> Decision:
    """What ChartMogul should hold; records that the rules reject are replaced by their last accepted version.

    Args:
        source: decides.
        account: all that the store has of it.
        catalogue: see `read_catalogue`.
        context: of the run.
    """
    rejected: set[tuple[str, str]] = set()
    first: Decision | None = None
    while True:
        records = [as_stored(each, use_previous=name_of(source, each) in rejected) for each in account.records]
        memories = [StoredMemory(*each) for each in account.memories]
        decision = source.decide(records, account.holdings, memories, catalogue, context)
        if first is None:
            first = decision
        else:
            decision.rejects = first.rejects + [each for each in decision.rejects if each not in first.rejects]
        more = {(each.stream, each.id) for each in decision.rejects} - rejected
        replaceable = {
            name_of(source, each) for each in account.records if each.previous is not None and each.invalid is None
        }
        if not more & replaceable:
            return decision
        rejected |= more


def name_of(source: Source, record: Record) -> tuple[str, str]:
    """Stream and id of a record, as rejects name it."""
    return source.streams[record.stream], record.id_text or str(record.number)


def as_stored(record: Record, *, use_previous: bool) -> StoredRecord:
    """The version of a record that counts; the previous one, if asked for, or if the last one cannot be read."""
    payload: bytes | None = record.payload
    if record.invalid is not None or (use_previous and record.previous is not None):
        payload = record.previous
    return StoredRecord(record.stream, record.number, payload, record.gone, record.id_text)
