"""The subcommands of `target-chartmogul`: `explain` and `reconcile`. Both take the settings as a run does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from typing_extensions import override

from target_chartmogul.checks.reconcile_run import ReconcileRun
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.ledger.place import LedgerStore
from target_chartmogul.report.explain import Subject, explain, parse_subject
from target_chartmogul.run import Run
from target_chartmogul.settings import Settings
from target_chartmogul.sources.keap.account import Remembered
from target_chartmogul.target import TargetChartMogul


class ExplainingTarget(TargetChartMogul):
    """`target-chartmogul explain order:9071 --config …`: reads the ledger, and neither Keap nor ChartMogul."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.params.append(click.Argument(["subject"]))
        command.help = "What was sent of an order, a subscription or a contact, and by which rules."
        return command

    @classmethod
    @override
    def invoke(cls, **arguments: Any) -> None:
        """Print what is known of the subject.

        Raises:
            ConfigurationError: it is none, there is no ledger, or nothing is known of it.
            LedgerInUseError: a run holds the ledger.
        """
        subject = parse_subject(arguments["subject"])
        given = arguments["config"]
        target = cls(config=given.config, parse_env_config=given.parse_env)
        try:
            lines = _explained(subject, target.settings)
        finally:
            target.close()
        if not lines:
            raise ConfigurationError(f"the ledger knows nothing of {subject}")
        for line in lines:
            click.echo(line)


class ReconcilingTarget(TargetChartMogul):
    """`tap-keap … | target-chartmogul reconcile --config …`: reads both sides whole, and writes nothing."""

    @override
    def _new_run(self) -> Run:
        return ReconcileRun(self.settings, self.intake, self.tap_state, self.stop)


COMMANDS: dict[str, type[TargetChartMogul]] = {"explain": ExplainingTarget, "reconcile": ReconcilingTarget}


def _explained(subject: Subject, settings: Settings) -> list[str]:
    if settings.ledger_path is None:
        raise ConfigurationError("explain reads the ledger: set `ledger_path` as the runs have it")
    store = LedgerStore(settings.ledger_path, dry_run=True)
    ledger = store.open()
    try:
        existing = ledger.existing(_contacts(ledger, subject))
        facts = ledger.cancellation_facts()
        remembered = Remembered(
            cancellation_rules=facts.cancellation_rules,
            cancellation_sources=facts.cancellation_sources,
            remarks=ledger.remarks(),
        )
        lines = explain(subject, existing, remembered, settings.now or datetime.now(UTC))
        if (f"{subject.kind}s", int(subject.id)) in ledger.kept():
            lines.append(
                "  1.5  Keap's record is kept: it waits for its day or was refused, and every run tries it again"
            )
        return lines
    finally:
        store.close()


def _contacts(ledger: Ledger, subject: Subject) -> list[int]:
    """Whose invoices have to do with it: a subscription that moved has been of several contacts."""
    number = int(subject.id)
    if subject.kind == "order":
        return ledger.contacts_of_order(number)
    if subject.kind == "subscription":
        return ledger.contacts_of_subscription(number)
    own = ledger.existing([number])
    subscriptions = {
        int(line.subscription_external_id)
        for invoice in own.invoices.values()
        for line in invoice.line_items
        if line.subscription_external_id is not None
    }
    return sorted({number, *(each for found in subscriptions for each in ledger.contacts_of_subscription(found))})
