"""What a report says of the whole account, read from the ledger one customer after the other (rules 7.2, 7.3)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.plan.change_file import ChangeStore
from target_chartmogul.report.account_figures import AccountFigures, churn_entries
from target_chartmogul.report.builder import ReportBuilder


def tell_account(ledger: Ledger, report: ReportBuilder, now: datetime) -> None:
    """MRR by month, totals and the list of cancellations, as ChartMogul holds them now."""
    figures = _figures_and_churn(ledger, report, now)
    report.mrr(figures.table)


def tell_rehearsal(ledger: Ledger, report: ReportBuilder, store: ChangeStore, now: datetime) -> None:
    """The same as it would be after a dry run's changes, and before them; itemises the changes.

    Args:
        ledger: a copy that nobody keeps: the changes are written into it as if ChartMogul had taken them.
        report: takes the figures.
        store: the changes, and what would be remembered.
        now: the clock of the run.
    """
    before = AccountFigures(now)
    for existing in ledger.accounts():
        before.add(existing)
    for _, changes in store.lanes():
        for change in changes:
            report.planned(change)
            ledger.acknowledged(change, {})
    for memory in store.memories():
        ledger.remember(memory.contacts, memory.facts, memory.due)
    report.mrr(_figures_and_churn(ledger, report, now).table, before=before.table)


def _figures_and_churn(ledger: Ledger, report: ReportBuilder, now: datetime) -> AccountFigures:
    figures = AccountFigures(now)
    remembered = ledger.cancellation_facts()
    for existing in ledger.accounts():
        steps = figures.add(existing)
        if existing.events:
            for entry in churn_entries(existing, remembered, steps):
                report.churn(entry)
    report.section("account", {"as_of": now.isoformat(), **msgspec.to_builtins(figures.totals)})
    return figures
