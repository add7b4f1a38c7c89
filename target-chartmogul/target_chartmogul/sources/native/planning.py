"""From the inbox of ChartMogul-shaped rows to the plan, and from what became of it to what the next run must know."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from target_chartmogul.billing.decisions import Decision, Note, Reject, Waiting
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import Plan
from target_chartmogul.failures import StoppedError
from target_chartmogul.ledger.inbox import Row
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.ledger.settling import too_many_to_keep
from target_chartmogul.plan.change_file import PLANS_LANE, ChangeStore
from target_chartmogul.plan.difference import group_changes, plan_changes
from target_chartmogul.plan.planner import Listener, where
from target_chartmogul.plan.vanished import Vanished
from target_chartmogul.singer.state import StateKeeper
from target_chartmogul.sources.native.decide import ShapedGroup, decide
from target_chartmogul.sources.native.grouping import ShapedGroups
from target_chartmogul.sources.native.inbox import ShapedInbox, StoredRow
from target_chartmogul.sources.native.streams import CANCELLATIONS, CUSTOMERS, INVOICES, PLANS, TRANSACTIONS

logger = logging.getLogger(__name__)

_SHELVES: Final = {
    CUSTOMERS: "customers",
    INVOICES: "invoices",
    TRANSACTIONS: "transactions",
    CANCELLATIONS: "cancellations",
}


class Outcome(msgspec.Struct, frozen=True):
    """What planning a group came to."""

    group: int
    lane: int | None
    """Lane of its changes, None if it has none."""
    waits: frozenset[tuple[str, str]] = frozenset()
    """Stream and id of its rows that wait."""
    failed: bool = False


class ShapedPlanner:
    """Plans the groups of a run.

    Args:
        inbox: with all rows.
        ledger: what ChartMogul holds.
        groups: of the rows.
        store: takes the changes.
        listener: hears the rest.
        gone: streams whose missing objects are to be removed.
        now: the clock of the run.
    """

    def __init__(  # noqa: PLR0917
        self,
        inbox: ShapedInbox,
        ledger: Ledger,
        groups: ShapedGroups,
        store: ChangeStore,
        listener: Listener,
        gone: frozenset[str],
        now: datetime,
    ) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._groups = groups
        self._store = store
        self._listener = listener
        self._gone = gone
        self._now = now
        self._marks = ledger.marks()
        self._lane = PLANS_LANE
        self.vanished = Vanished()
        """Nothing is cancelled as vanished here."""

    def plan(self) -> Iterator[Outcome]:
        """Plan one group after the other, and the plans that arrived."""
        held = {plan.external_id: plan for plan in self._ledger.objects("plan")}
        arrived = {row.external_id: row for _, row in self._inbox.rows("stream = ?", PLANS) if isinstance(row, Plan)}
        self._store.add(PLANS_LANE, plan_changes(arrived, held))
        for group in self._groups:
            yield self._plan_group(group, held.keys() | arrived.keys())
        self._tell_orphans()

    def _plan_group(self, number: int, plans: set[str]) -> Outcome:
        owners = self._groups.owners(number)
        existing = self._ledger.existing(owners)
        group = ShapedGroup(
            existing=existing,
            refused_emails=self._ledger.remembered(owners).refused_emails,
            transactions_apart=TRANSACTIONS in self._inbox.origins,
        )
        for stored, row in self._inbox.rows("grp = ?", number):
            getattr(group, _SHELVES[stored.stream])[stored.key] = row
        try:
            decision = decide(group, plans, self._gone, self._now)
        except StoppedError:
            raise  # a signal may come at any moment
        except Exception as error:  # noqa: BLE001
            # A defect must not cost other customers (rule 1.5). Its text may hold data, its type does not.
            name = min([*group.customers, *existing.customers], default="(unknown)")
            logger.error("The rows of customer %s cannot be planned: %s", name, where(error))  # noqa: TRY400
            self._listener.reject(
                Reject(stream=CUSTOMERS, id=name, field="", reason=f"cannot be planned: {where(error)}")
            )
            return Outcome(number, None, failed=True)
        for note in decision.notes:
            self._listener.note(note)
        for held in decision.waiting:
            self._listener.held(held)
        return Outcome(
            group=number,
            lane=self._add(decision, existing),
            waits=frozenset((each.stream, each.id) for each in decision.waiting),
        )

    def _add(self, decision: Decision, existing: Any) -> int | None:
        changes = group_changes(decision, existing, self._marks)
        if not changes:
            return None
        for change in changes:
            if "edited" in self._marks.get((change.kind, change.external_id), ()) and not change.moved:
                detail = {"kind": change.kind, "action": change.action}
                self._listener.note(Note(kind="edits_overwritten", id=change.external_id, rule="6.8", detail=detail))
        self._lane += 1
        self._store.add(self._lane, changes)
        return self._lane

    def _tell_orphans(self) -> None:
        """Transactions whose invoice neither arrived nor is in ChartMogul (rule 1.8)."""
        for stored, _ in self._inbox.rows("stream = ? AND grp IS NULL", TRANSACTIONS):
            self._listener.held(
                Waiting(stream=TRANSACTIONS, id=stored.key, reason="its invoice has not arrived", rule="1.8")
            )


class ShapedSettling:
    """After apply: rows that wait or are not done are kept in a lasting ledger, else hold back the STATE (rule 1.5).

    Too many that are not done hold back the STATE as well, as `settling` says.

    Args:
        inbox: grouped.
        ledger: of the run.
        lasting: the ledger is there in the next run.
    """

    def __init__(self, inbox: ShapedInbox, ledger: Ledger, *, lasting: bool) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._lasting = lasting
        self._outcomes: list[Outcome] = []

    def take(self, outcome: Outcome) -> None:
        """Remember how a group was planned."""
        if outcome.lane is not None or outcome.failed or outcome.waits:
            self._outcomes.append(outcome)

    def settle(self, lanes_done: Iterable[int], state: StateKeeper) -> int:
        """Settle all rows; how many groups were left unfinished.

        Args:
            lanes_done: lanes whose every change was acknowledged.
            state: held back where the ledger does not last, or shall not keep that much.
        """
        done = set(lanes_done)
        unsent = {each.group for each in self._outcomes if each.lane is not None and each.lane not in done}
        failed = {each.group for each in self._outcomes if each.failed}
        if self._lasting:
            kept = set(self._ledger.kept())
            to_hold = unsent - failed if too_many_to_keep(self._inbox.count(unsent - failed)) else set()
            with self._ledger.transaction():
                self._ledger.release(kept)
                self._ledger.keep(self._to_keep(unsent | failed, to_hold, kept, state))
        else:
            for row, _ in self._left(unsent | failed):
                self._hold(row, state)
        return len(unsent | failed)

    def _to_keep(
        self, unfinished: set[int], to_hold: set[int], kept: set[tuple[str, int]], state: StateKeeper
    ) -> Iterator[Row]:
        """What is left, but for rows of groups that hold the STATE; of these, what an earlier run kept.

        The bookmarks have long passed such a row.
        """
        for row, group in self._left(unfinished):
            record = row.kept()
            if group in to_hold and (record.stream, record.id) not in kept:
                self._hold(row, state)
            else:
                yield record

    def _hold(self, row: StoredRow, state: StateKeeper) -> None:
        for origin in self._inbox.origins.get(row.stream, {row.stream}):
            # Behind a stream map the value may be another one's than the bookmark's.
            state.hold(origin, row.replication if origin == row.stream else None)

    def _left(self, unfinished: set[int]) -> Iterator[tuple[StoredRow, int | None]]:
        """Whole groups that are not done, single rows that wait, and plans that ChartMogul did not take.

        With the group that is not done, None for what else is left.
        """
        held = {plan.external_id: plan for plan in self._ledger.objects("plan")}
        for stored, row in self._inbox.rows("stream = ?", PLANS):
            if isinstance(row, Plan) and (row.external_id not in held or not same(row, held[row.external_id])):
                yield stored, None
        for outcome in self._outcomes:
            for stored, _ in self._inbox.rows("grp = ?", outcome.group):
                waits = (stored.stream, stored.key) in outcome.waits
                if waits or outcome.group in unfinished:
                    yield stored, None if waits else outcome.group
        for stored, _ in self._inbox.rows("stream = ? AND grp IS NULL", TRANSACTIONS):
            yield stored, None
