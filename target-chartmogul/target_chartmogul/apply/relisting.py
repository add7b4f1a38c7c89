"""Bringing the store up to what ChartMogul has: whole where it cannot know, or what a crash left open (1.6, 1.11)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

import msgspec

from target_chartmogul.billing.changes import Kind
from target_chartmogul.chartmogul.errors import NotUnderstoodError
from target_chartmogul.chartmogul.listing import Listed, Listing
from target_chartmogul.sources.protocol import Source
from target_chartmogul.store.holdings import Listed as StoredListed
from target_chartmogul.store.holdings import Relisted
from target_chartmogul.store.meta import STALE
from target_chartmogul.store.store import Store

logger = logging.getLogger("target-chartmogul")

MOST_LOOKUPS: Final = 200
"""With more changes open than this, reading the whole source is cheaper than looking each one up."""
KINDS: Final[tuple[Kind, ...]] = ("plan", "customer", "invoice", "event")
LISTED_AT: Final = "listed_at"
LISTED_FOR: Final = "listed_for"
LISTED_AS: Final = "listed_as"
PROCESSED: Final = "processed"


class Reason(msgspec.Struct, frozen=True):
    """Why everything is listed; `trusted`: what was sent is known, so differences are a person's."""

    text: str
    trusted: bool


def why_list(
    store: Store,
    *,
    data_source: str,
    prefix: str,
    resend: bool,
    only_some: bool,
    processed: int | None,
    now: datetime,
    days: float,
) -> Reason | None:
    """Whether ChartMogul's content must be listed before anything is planned; None if the store knows it.

    Args:
        store: of the run.
        data_source: uuid.
        prefix: `external_id_prefix`.
        resend: the setting.
        only_some: `only_contacts` is set: of all others people's edits stay (rule 6.8).
        processed: how many records ChartMogul says that it has processed; None if it does not say.
        now: the clock of the run.
        days: `relist_days`.
    """
    get = store.meta.get
    if get(LISTED_FOR) != data_source or get(LISTED_AS) != prefix:
        return Reason("this store has not listed it yet", trusted=False)
    if store.unfinished or get(STALE) is not None:
        return Reason("an earlier run broke off", trusted=False)
    if resend:
        return Reason("`resend` is set", trusted=only_some)
    if len(store.holdings.intents()) > MOST_LOOKUPS:
        return Reason("an earlier run was killed", trusted=False)
    known = get(PROCESSED)
    if known is not None and processed is not None and int(known) != processed:
        return Reason("it has another number of records than after the last run", trusted=True)
    listed_at = get(LISTED_AT)
    if listed_at is None or now - datetime.fromisoformat(listed_at) > timedelta(days=days):
        return Reason("the last listing is old (`relist_days`)", trusted=True)
    return None


def list_everything(store: Store, listing: Listing, source: Source, reason: Reason, now: datetime) -> Relisted:
    """List the data source, and keep what is ours.

    A trusted listing that shows objects which this store does not know is not one of a store that knows all: another
    copy of it has written since. Then what ChartMogul says replaces what was sent.
    """
    found = store.holdings.relist(KINDS, everything_of(store, listing, source), trusted=reason.trusted)
    logger.info("Listed ChartMogul's content, since %s: %d objects", reason.text, found.count)
    store.holdings.clear_intents()
    store.meta.put(LISTED_AT, now.isoformat())
    store.meta.put(STALE, None)
    return found


def look_up_open(store: Store, listing: Listing) -> None:
    """Take what ChartMogul says of each object that a change was under way for when a run was killed."""
    opened = store.holdings.intents()
    if not opened:
        return
    logger.info("Looking up %d changes that an earlier run left open", len(opened))
    wanted: dict[tuple[Kind, str], None] = {}
    for kind, external_id, parent in opened:
        if kind in {"line_item", "transaction"}:
            if parent is not None:
                wanted["invoice", parent] = None
        else:
            wanted[kind, external_id] = None
    for kind, external_id in wanted:
        try:
            found = listing.find(kind, external_id)
        except NotUnderstoodError as odd:
            logger.warning("%s; the store keeps what it knows of it", odd)
            continue
        store.holdings.found(kind, external_id, None if found is None else _stored(found))
    store.holdings.clear_intents()


def everything_of(store: Store, listing: Listing, source: Source) -> Iterator[StoredListed]:
    """What ChartMogul lists of what this source formed the ids of (rule 1.4), as the store takes it."""
    listed = (_stored(each) for each in listing.everything() if source.is_ours(each.kind, each.content.external_id))
    return chain(listed, _unread(store, listing))


def _unread(store: Store, listing: Listing) -> Iterator[StoredListed]:
    """What is there, but could not be read, is as the store has it: neither missing nor different."""
    for each in listing.odd:
        if (known := store.holdings.get(each.kind, each.external_id)) is not None:
            yield each.kind, known, {}, frozenset()


def _stored(found: Listed) -> StoredListed:
    return found.kind, found.content, found.uuids, frozenset(found.marks)
