"""The plan is carried out, and what follows is remembered (rules 1.3, 1.5, 1.6)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from target_chartmogul.apply.bulk import BulkLoader, loads_in_bulk
from target_chartmogul.apply.journal import RunJournal
from target_chartmogul.apply.lanes import Applier, Lane
from target_chartmogul.billing.changes import Change, Refusal
from target_chartmogul.billing.differences import header_differs
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import Invoice, LineItem, Plan, Transaction
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.json_imports import JsonImports
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.plan.change_file import PLANS_LANE, ChangeFile
from target_chartmogul.plan.figures import Steps, account_figures
from target_chartmogul.plan.planner import REFUSALS, finish
from target_chartmogul.sources.protocol import Source
from target_chartmogul.store.store import Store

logger = logging.getLogger(__name__)

IMPORTING: Final = "importing"
"""Fact of a store: a bulk import may be under way."""
IMPORTS: Final = "imports"
"""Fact of a store: the number of the last bulk import."""
_ONCE_A_DAY: Final = timedelta(hours=23)
"""What was refused is tried again after it (rule 1.5): a daily schedule that starts a little early counts as a day."""


def apply_plan(
    client: ChartMogulClient,
    wire: Wire,
    source: Source,
    store: Store,
    file: ChangeFile,
    journal: RunJournal,
    *,
    load_method: str,
    scratch: Path,
    save: Callable[[], None],
) -> None:
    """Carry out all changes.

    Args:
        client: ChartMogul; its `stop` ends the work after the changes that have begun.
        wire: the form of the data source.
        source: whose objects they are.
        store: remembers imports.
        file: the changes.
        journal: hears what becomes of them.
        load_method: `auto`, `single` or `bulk`.
        scratch: a folder.
        save: brings the store home before the first write.

    Raises:
        ChartMogulError: what ended the work early.
    """
    bulk = loads_in_bulk(load_method, file.counts["create", "customer", False])
    journal.loads_in_bulk = bulk
    store.meta.put(IMPORTING, "1" if bulk else None)
    save()
    applier = Applier(client, wire, journal, source.root_of)
    lanes: Iterable[Lane] = file.lanes(after=PLANS_LANE)
    applier.apply_plans(file.lane(PLANS_LANE))
    if not bulk:
        applier.apply_lanes(lanes)
        return
    imports = JsonImports(client, wire, after=int(store.meta.get(IMPORTS) or 0))
    with BulkLoader(client, wire, journal, imports, scratch / "bulk.sqlite") as loader:
        loader.load(lanes)
        store.meta.put(IMPORTS, str(imports.last))
        store.meta.put(IMPORTING, None)
        applier.apply_lanes(loader.leftovers(file.lane))


def remember(source: Source, store: Store, file: ChangeFile, journal: RunJournal, now: datetime) -> int:
    """Accounts whose changes ChartMogul has, or has refused, are done; how many are left for the next run."""
    unsent = 0
    again = (now + _ONCE_A_DAY).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with store.outcomes.together():
        for lane, outcome in file.outcomes():
            learned = journal.learned(outcome.nodes)
            if learned:
                outcome = outcome._replace(memories=[*outcome.memories, *learned])  # noqa: PLW2901
            if journal.is_done(lane):
                finish(store, outcome, now)
                continue
            refused = _refused(store, file.lane(lane), journal)
            if refused is None:
                unsent += 1
                continue
            home = outcome.nodes[0]
            notes = [_refusal_row(home, source, change, refusal) for change, refusal in refused]
            outcome = outcome._replace(figures=_figures_held(source, store, home, now))  # noqa: PLW2901
            finish(store, outcome, now, notes=notes, due=[(home, again, outcome.retry)])
    return unsent


def _refused(store: Store, changes: list[Change], journal: RunJournal) -> list[tuple[Change, Refusal]] | None:
    """What ChartMogul refused of a lane for its content; None if something of it has no answer, or was not sent."""
    found = []
    for change in changes:
        refusal = journal.refusals.get((change.kind, change.external_id))
        if refusal is not None:
            if refusal.uncertain:
                return None
            found.append((change, refusal))
        elif not _is_made(store, change):
            return None
    return found or None


def _figures_held(source: Source, store: Store, home: int, now: datetime) -> list[tuple[int, Steps]]:
    """Those of what ChartMogul has of an account of which it refused something (rule 7.2)."""
    held = store.accounts.account(home).holdings
    plans: dict[str, Plan] = {each.external_id: each for each in store.holdings.objects("plan")}
    return account_figures(held.invoices.values(), held.events.values(), plans, source.owner_node, now)


def _is_made(store: Store, change: Change) -> bool:
    """Whether the store has what a change asked for."""
    parent = change.parent or ""
    if isinstance(change.desired or change.held, LineItem | Transaction):
        invoice = store.holdings.get("invoice", parent)
        parts = () if invoice is None else (*invoice.line_items, *invoice.transactions)
        has = next((each for each in parts if each.external_id == change.external_id), None)
    else:
        has = store.holdings.get(change.kind, change.external_id)
    if change.action == "delete" or change.desired is None:
        return has is None
    if isinstance(has, Invoice) and isinstance(change.desired, Invoice) and change.action == "update":
        return not header_differs(has, change.desired)
    return has is not None and same(change.desired, has)


def _refusal_row(home: int, source: Source, change: Change, refusal: Refusal) -> tuple[int, str, str, str, bytes]:
    detail = {
        "kind": change.kind,
        "action": change.action,
        "records": sorted(source.records_of(refusal.because_of or change)),
        "status": refusal.status,
        "field": refusal.field,
        "reason": refusal.reason,
    }
    return (home, REFUSALS, f"{change.kind}:{change.external_id}", "1.5", msgspec.json.encode(detail))
