"""Carrying out a plan: plans first, a first load in bulk where that is worth it, then lane by lane."""

from __future__ import annotations

from pathlib import Path

from target_chartmogul.apply import Applier
from target_chartmogul.bulk import BulkLoader, loads_in_bulk
from target_chartmogul.change_store import PLANS_LANE, ChangeStore
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.json_imports import JsonImports
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.ledger import Ledger
from target_chartmogul.run_journal import RunJournal

_LAST_IMPORT = "last_import"


def finish_earlier_imports(client: ChartMogulClient, wire: Wire, ledger: Ledger) -> JsonImports:
    """Wait for bulk imports that an earlier run left under way; to be called before ChartMogul's content is read.

    Raises:
        chartmogul.errors.ChartMogulError: see `JsonImports.finish_earlier`.
    """
    imports = JsonImports(client, wire)
    known = imports.finish_earlier(int(ledger.get(_LAST_IMPORT) or 0))
    ledger.put(_LAST_IMPORT, str(known))
    return imports


def carry_out(
    store: ChangeStore,
    journal: RunJournal,
    ledger: Ledger,
    client: ChartMogulClient,
    wire: Wire,
    *,
    load_method: str,
    folder: Path,
) -> None:
    """Send all changes; returns early when `client.stop` is set.

    Args:
        store: the changes.
        journal: hears what becomes of each.
        ledger: knows earlier bulk imports.
        client: ChartMogul.
        wire: the form of the data source.
        load_method: setting: `auto`, `single` or `bulk`.
        folder: for scratch files.

    Raises:
        chartmogul.errors.ChartMogulError: see `Applier.apply_lanes` and `BulkLoader.load`.
    """
    applier = Applier(client, wire, journal)
    applier.apply_plans(store.lane(PLANS_LANE))
    if not loads_in_bulk(load_method, store.counts["create", "customer", False]):
        applier.apply_lanes(store.lanes(after=PLANS_LANE))
        return
    loader = BulkLoader(client, wire, journal, finish_earlier_imports(client, wire, ledger), folder / "bulk.sqlite")
    try:
        loader.load(store.lanes(after=PLANS_LANE))
        applier.apply_lanes(loader.leftovers(store.lane))
    finally:
        loader.close()
