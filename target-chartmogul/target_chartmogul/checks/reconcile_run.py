"""`target-chartmogul reconcile`: a run that reads Keap's records and ChartMogul's lists whole, and compares them."""

from __future__ import annotations

import click
import msgspec

from target_chartmogul import exit_codes
from target_chartmogul.billing.decisions import Decision
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.checks.reconcile import PENDING, Reconciliation
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.plan.change_file import ChangeStore
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.report.explain_words import money
from target_chartmogul.run import Run
from target_chartmogul.settings import Settings
from target_chartmogul.singer.intake import Intake
from target_chartmogul.singer.state import StateKeeper
from target_chartmogul.sources.keap.account import Group
from target_chartmogul.stopping import StopSwitch

SHOWN = 50
"""Differences on the terminal; the report has all."""


class ReconcileReport(ReportBuilder):
    """A report that compares each group when it is decided."""

    reconciliation: Reconciliation
    pending = 0

    def decided(self, group: Group, decision: Decision) -> None:
        """Compare a group, and list what differs."""
        for each in self.reconciliation.add(group, decision):
            self.pending += PENDING in each.because
            entry = {**msgspec.to_builtins(each), "difference": each.chartmogul - each.keap, "rule": "7.2"}
            self.entry("reconciliation_differences", entry)


class ReconcileRun(Run):
    """Nothing is written, whatever the settings say; the ledger is copied and listed anew."""

    def __init__(self, settings: Settings, intake: Intake, state: StateKeeper, stop: StopSwitch) -> None:
        mapping = msgspec.structs.replace(settings.mapping, only_contacts=())
        super().__init__(
            msgspec.structs.replace(settings, dry_run=True, force=True, mapping=mapping), intake, state, stop
        )
        self._report.close()
        self._comparison = ReconcileReport(
            started=self._report.started, now=self.now, dry_run=True, accepted=settings.accepted_rejects
        )
        self._comparison.reconciliation = Reconciliation(mapping, self.now)
        self._report = self._comparison

    def _begin(self) -> None:
        super()._begin()
        if self._source is None:
            raise ConfigurationError("there is no such data source in ChartMogul yet: nothing to compare with")
        if self._store.ledger is not None:
            self._store.ledger.put("complete", None)

    def _carry_out(self, ledger: Ledger, client: ChartMogulClient, store: ChangeStore, *, rebuilt: bool) -> int:
        del client
        if self._intake.shaped:
            raise ConfigurationError("reconcile compares Keap's records: streams of ChartMogul's objects have none")
        if "orders" not in self._intake.whole:
            raise ConfigurationError("reconcile needs all orders: run the tap without `--state` and without filters")
        self._plan(ledger, store, rebuilt=rebuilt)
        found = self._comparison.reconciliation
        rows = found.table()
        self._report.section(
            "reconciliation",
            {
                "as_of": self.now.isoformat(),
                "rows": rows,
                "differences": self._report.listed("reconciliation_differences"),
                "pending": self._comparison.pending,
                "unexplained": found.unexplained,
            },
        )
        self._show()
        is_even = not found.unexplained and not self._comparison.pending
        return exit_codes.OK if is_even else exit_codes.REJECTS

    def _show(self) -> None:
        click.echo(f"{'':10}{'month':9}{'currency':10}{'Keap':>16}{'ChartMogul':>16}{'difference':>16}")
        for row in self._comparison.reconciliation.table():
            amounts = "".join(f"{money(row[name], None):>16}" for name in ("keap", "chartmogul", "difference"))
            click.echo(f"{row['what']:10}{row['month']:9}{row['currency']:10}{amounts}")
        total = self._report.listed("reconciliation_differences")
        for each in self._report.first("reconciliation_differences", SHOWN):
            click.echo(
                f"{each['what']} {each['id']} (orders {', '.join(each['orders']) or 'none'}), {each['month']}:"
                f" Keap {money(each['keap'], each['currency'])}, ChartMogul"
                f" {money(each['chartmogul'], each['currency'])}: {'; '.join(each['because']) or 'no rule explains it'}"
            )
        if total > SHOWN:
            click.echo(f"and {total - SHOWN} more differences, in the report")
