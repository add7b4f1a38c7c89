"""Before a plan: what the store must learn of ChartMogul first; after it: what became of it there (1.5, 1.6, 1.11)."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Protocol

import msgspec

from target_chartmogul.apply.applying import IMPORTING, IMPORTS
from target_chartmogul.apply.journal import RunJournal
from target_chartmogul.apply.lanes import Applier
from target_chartmogul.apply.late_validation import ask, ask_after_load, changes_again
from target_chartmogul.apply.relisting import (
    KINDS,
    LISTED_AS,
    LISTED_AT,
    LISTED_FOR,
    PROCESSED,
    list_everything,
    look_up_open,
    why_list,
)
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import DataSource, processing
from target_chartmogul.chartmogul.errors import ChartMogulError
from target_chartmogul.chartmogul.json_imports import JsonImports
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.settings import Settings
from target_chartmogul.sources.protocol import Source
from target_chartmogul.store.holdings import Relisted
from target_chartmogul.store.meta import STALE
from target_chartmogul.store.store import Store

logger = logging.getLogger("target-chartmogul")


class Listener(Protocol):
    """The report."""

    def section(self, name: str, content: object) -> None:
        """A part of the document."""


def bring_up_to_date(
    store: Store,
    client: ChartMogulClient,
    wire: Wire,
    source: Source,
    data_source: DataSource,
    settings: Settings,
    now: datetime,
) -> Relisted | None:
    """Make the store hold what ChartMogul has; what a trusted listing showed, or None.

    Args:
        store: of the run.
        client: ChartMogul.
        wire: the form of the data source.
        source: whose objects they are.
        data_source: as it was found.
        settings: of the run.
        now: its clock.
    """
    reason = why_list(
        store,
        data_source=data_source.uuid,
        prefix=settings.external_id_prefix,
        resend=settings.mapping.resend,
        only_some=bool(settings.mapping.only_contacts),
        processed=processing(client, data_source.uuid).total,
        now=now,
        days=settings.relist_days,
    )
    if (reason is not None and not reason.trusted) or store.meta.get(IMPORTING):
        # What an earlier run left under way must have landed before ChartMogul's content is read.
        last = JsonImports(client, wire).finish_earlier(int(store.meta.get(IMPORTS) or 0))
        store.meta.put(IMPORTS, str(last))
        store.meta.put(IMPORTING, None)
    listing = Listing(client, wire)
    if reason is None or reason.trusted:
        # First: what a killed run created is not what another copy of the store has written.
        look_up_open(store, listing)
    if reason is None:
        return None
    was_new = store.meta.get(LISTED_FOR) is None
    found = list_everything(store, listing, source, reason, now)
    store.meta.put(LISTED_FOR, data_source.uuid)
    store.meta.put(LISTED_AS, settings.external_id_prefix)
    if reason.trusted and not found.unknown:
        return found
    if reason.trusted:
        logger.warning(
            "ChartMogul has %d objects that this store does not know of; it is believed.", len(found.unknown)
        )
        store.holdings.believe_listing()
    if not was_new or found.count:
        store.accounts.mark_all("listed")
    return None


def begin_anew(store: Store) -> None:
    """The data source that the store knows is not there: everything is to be written from the store (rule 1.7)."""
    if store.meta.get(LISTED_FOR) is None:
        return
    store.holdings.relist(KINDS, (), trusted=False)
    store.holdings.clear_intents()
    store.accounts.mark_all("listed")
    store.meta.put(LISTED_FOR, None)


def created(store: Store, data_source: DataSource, settings: Settings, now: datetime) -> None:
    """A data source that was just created has nothing that the store does not know."""
    store.meta.put(LISTED_FOR, data_source.uuid)
    store.meta.put(LISTED_AS, settings.external_id_prefix)
    store.meta.put(LISTED_AT, now.isoformat())
    store.meta.put(STALE, None)


def send_failed_again(
    store: Store, client: ChartMogulClient, wire: Wire, source: Source, report: Listener, journal: RunJournal
) -> None:
    """What ChartMogul found invalid after it had taken it is sent once more, and named; what it refuses is a refusal.

    Raises:
        ChartMogulError: what ended the work.
    """
    found = ask_after_load(client, wire) if journal.loads_in_bulk else ask(client, wire)
    ours = [each for each in found.failed if source.is_ours(each.kind, each.external_id)]
    again = list(changes_again(ours, store.holdings.get))
    for failed, change in again:
        logger.warning(
            "ChartMogul took %s %s, but found it invalid later (%s); %s",
            failed.kind,
            failed.external_id,
            "; ".join(f"{field}: {reason}" for field, reason in failed.reasons.items()),
            "it is sent again" if change is not None else "delete it there, or set `resend`",
        )
    report.section("validation", {"processing": found.processing, "failed": ours})
    if again:
        lanes = enumerate([change] for _, change in again if change is not None)
        Applier(client, wire, journal, source.root_of).apply_lanes(lanes)


def remember_processed(
    store: Store, client: ChartMogulClient, data_source: DataSource, report: Listener, journal: RunJournal
) -> None:
    """After a run: how many records ChartMogul has processed, which the next run compares."""
    if journal.adopted:
        # It had what this store did not know of: another copy has written since.
        store.meta.put(STALE, "1")
    if not journal.wrote:
        return
    try:
        status = processing(client, data_source.uuid)
    except ChartMogulError:
        store.meta.put(PROCESSED, None)
        return
    report.section("processing", msgspec.to_builtins(status))
    if status.total is not None:
        store.meta.put(PROCESSED, str(status.total))
