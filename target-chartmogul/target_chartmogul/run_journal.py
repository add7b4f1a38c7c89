"""The journal of a run: the ledger first, then the record of the run."""

from __future__ import annotations

from target_chartmogul.changes import Change, Kind, Refusal
from target_chartmogul.ledger import Ledger
from target_chartmogul.run_record import RunRecord


class RunJournal:
    """A `changes.Journal` that tells the ledger and the record. Methods may be called from several threads."""

    def __init__(self, ledger: Ledger, record: RunRecord) -> None:
        self._ledger = ledger
        self._record = record

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object."""
        return self._ledger.uuid(kind, external_id)

    def intend(self, change: Change) -> None:
        """A change begins."""
        self._ledger.intend(change)

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        """ChartMogul has it."""
        self._ledger.acknowledged(change, uuids)
        self._record.acknowledged(change)

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it."""
        self._ledger.refused(change, refusal)
        self._record.refused(change, refusal)

    def email_refused(self, external_id: str, email: str) -> None:
        """ChartMogul does not take a customer's address."""
        self._ledger.email_refused(external_id, email)

    def noticed(self, change: Change, what: str) -> None:
        """Something for the report."""
        self._record.noticed(change, what)

    def gone(self, kind: Kind, external_id: str) -> None:
        """ChartMogul does not have it any more."""
        self._ledger.gone(kind, external_id)

    def lane_done(self, lane: int, *, complete: bool) -> None:
        """A lane is through."""
        self._ledger.lane_done(lane, complete=complete)
