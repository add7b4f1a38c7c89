"""The journal of a run: the ledger first, then the report."""

from __future__ import annotations

from contextlib import AbstractContextManager

from target_chartmogul.billing.changes import Change, Kind, Refusal
from target_chartmogul.billing.objects import SubscriptionEvent
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.progress import Progress
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.sources.keap import ids
from target_chartmogul.sources.native.streams import records_of as shaped_records_of


class RunJournal:
    """A `changes.Journal` that tells the ledger and the report. Methods may be called from several threads."""

    def __init__(self, ledger: Ledger, report: ReportBuilder, progress: Progress) -> None:
        self._ledger = ledger
        self._report = report
        self._progress = progress

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object."""
        return self._ledger.uuid(kind, external_id)

    def intend(self, change: Change) -> None:
        """A change begins."""
        self._ledger.intend(change)

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        """ChartMogul has it."""
        self._ledger.acknowledged(change, uuids)
        self._report.acknowledged(change)
        self._progress.advance()

    def together(self) -> AbstractContextManager[None]:
        """What is told within is kept as one."""
        return self._ledger.transaction()

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it."""
        self._ledger.refused(change, refusal)
        records = shaped_records_of(change) if self._ledger.shaped else records_of(change)
        self._report.refused(change, refusal, records)
        self._progress.advance()

    def email_refused(self, external_id: str, email: str) -> None:
        """ChartMogul does not take a customer's address."""
        self._ledger.email_refused(external_id, email)
        self._report.email_refused(external_id)

    def noticed(self, change: Change, what: str) -> None:
        """Something for the report."""
        self._report.noticed(change, what)

    def gone(self, kind: Kind, external_id: str) -> None:
        """ChartMogul does not have it any more."""
        self._ledger.gone(kind, external_id)

    def lane_done(self, lane: int, *, complete: bool) -> None:
        """A lane is through."""
        self._ledger.lane_done(lane, complete=complete)


def records_of(change: Change) -> list[str]:
    """The Keap record that an object is made from, as `accepted_rejects` names it: `orders:123`."""
    match change.kind:
        case "customer":
            return [f"contacts:{change.external_id}"]
        case "plan":
            plan = ids.parse_plan_id(change.external_id)
            return [f"products:{plan[0]}"] if plan else []
        case "event":
            event = change.desired or change.held
            return [f"subscriptions:{event.subscription_external_id}"] if isinstance(event, SubscriptionEvent) else []
        case "invoice":
            invoice = ids.parse_invoice_id(change.external_id)
        case _:
            invoice = ids.parse_invoice_id(change.parent or "")
    return [f"orders:{invoice[0]}"] if invoice else []
