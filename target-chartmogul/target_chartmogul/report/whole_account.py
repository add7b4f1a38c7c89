"""What a report says of the whole account, from the store (rules 7.2, 7.3)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final

import msgspec

from target_chartmogul.billing.changes import Kind
from target_chartmogul.plan.change_file import ChangeFile
from target_chartmogul.plan.deciding import Plan
from target_chartmogul.plan.figures import UNPAID
from target_chartmogul.plan.planner import finish
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.report.months import Months, Totals, month_table, unpaid_ages
from target_chartmogul.store.store import Store

_CANCELLATIONS: Final = ("cancellations", "scheduled_cancellations")


def report_account(
    report: ReportBuilder,
    store: Store,
    plan: Plan,
    file: ChangeFile,
    now: datetime,
    *,
    rehearsed: bool,
    known_drift: frozenset[tuple[Kind, str, bool]],
) -> None:
    """Every list of the whole account, MRR by month, and totals.

    Args:
        report: takes them.
        store: after the run; of a rehearsal, one whose writes are taken back.
        plan: of the run; its figures tell what was before.
        file: the changes.
        now: the clock of the run.
        rehearsed: the changes were not carried out: they are itemised, and reported as if they had been.
        known_drift: what differed in ChartMogul before this run, see `HoldingJournal.differing`.
    """
    if rehearsed:
        _rehearse(report, store, file, now)
    totals = store.outcomes.totals(now)
    before = None
    if plan.moved_figures:
        moved = Counter(totals)
        moved.subtract({key: value for key, value in plan.moved_figures.items() if value})
        before = month_table(_until(moved, now), now)
    report.mrr(month_table(totals, now), unpaid_ages(store.outcomes.by_day(UNPAID), now), before=before)
    _lists(report, store, now)
    for kind, external_id, missing in store.holdings.differing():
        report.drift(kind, external_id, missing=missing, new=(kind, external_id, missing) not in known_drift)
    report.list_refusals()
    counts = store.holdings.counts()
    months = month_table(totals, now)
    report.section(
        "account",
        {
            "as_of": now.isoformat(),
            "customers": counts.get("customer", 0),
            "customers_with_mrr": _latest(months, "customers"),
            "subscriptions_with_mrr": _latest(months, "subscriptions"),
            "invoices": counts.get("invoice", 0),
            "cancellations": store.outcomes.note_counts().get("cancellations", 0),
            "scheduled_cancellations": store.outcomes.note_counts().get("scheduled_cancellations", 0),
        },
    )


def _rehearse(report: ReportBuilder, store: Store, file: ChangeFile, now: datetime) -> None:
    for _, changes in file.lanes():
        for change in changes:
            report.planned(change)
            store.holdings.acknowledged(change, {})
    with store.outcomes.together():
        for _, outcome in file.outcomes():
            finish(store, outcome, now)


def _lists(report: ReportBuilder, store: Store, now: datetime) -> None:
    today = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    for note in store.outcomes.notes():
        detail: dict[str, Any] = msgspec.json.decode(note.detail)
        entry = {"id": note.id.partition("\x1f")[0], "rule": note.rule, **detail}
        report.outstanding(note.kind, entry, since=note.since, new=note.since == today)
        if note.kind in _CANCELLATIONS:
            report.churn(entry)


def _latest(months: Months, name: str) -> int:
    return sum(each[name] for each in months[max(months)].values()) if months else 0


def _until(totals: Totals, now: datetime) -> Totals:
    running = f"{now:%Y-%m}"
    return {key: value for key, value in totals.items() if key[0] <= running and value}
