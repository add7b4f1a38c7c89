"""From the inbox to the plan: group by group, records are decoded, decided, and compared with what ChartMogul holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.decisions import Decision, Holdings, Note, Reject, Waiting
from target_chartmogul.failures import StoppedError
from target_chartmogul.ledger.grouping import Groups
from target_chartmogul.ledger.inbox import CATALOG_STREAMS, Inbox
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.plan.change_file import PLANS_LANE, ChangeStore, Memory
from target_chartmogul.plan.difference import group_changes, plan_changes
from target_chartmogul.plan.vanished import Vanished
from target_chartmogul.sources.keap.account import Arrived, Catalog, Group, Remembered
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.orders.plans import UsedPlans, renamed
from target_chartmogul.sources.keap.records import InvalidRecordError, decode
from target_chartmogul.sources.keap.settings import MappingSettings

logger = logging.getLogger(__name__)

_NOTHING = Remembered()


class Listener(Protocol):
    """Hears what planning finds, for the report."""

    def note(self, note: Note) -> None:
        """An entry of the report."""

    def reject(self, reject: Reject) -> None:
        """A record that can never be accepted."""

    def held(self, held: Waiting) -> None:
        """A record that waits."""

    def decided(self, group: Group, decision: Decision) -> None:
        """A group: its records with what ChartMogul holds of it, and what it should hold."""


class Outcome(msgspec.Struct, frozen=True):
    """What planning a group came to."""

    group: int
    lane: int | None
    """Lane of its changes, None if it has none."""
    rejected: frozenset[tuple[str, int]] = frozenset()
    """Stream and id of its invalid records."""
    held: frozenset[tuple[str, int]] = frozenset()
    """Stream and id of its records that wait."""
    unsettled: bool = False
    """Some wait for more than their day, or something was taken away: the next run looks at it again."""
    failed: bool = False
    """The mapping itself failed: nothing was decided."""


class Planner:
    """Plans all marked groups of a run.

    Args:
        inbox: settled.
        ledger: what ChartMogul holds.
        groups: marked and gathered.
        store: takes the changes.
        listener: hears the rest.
        settings: those of the mapping.
        arrived: what holds for the whole run.
        now: the clock of the run.
    """

    def __init__(  # noqa: PLR0917
        self,
        inbox: Inbox,
        ledger: Ledger,
        groups: Groups,
        store: ChangeStore,
        listener: Listener,
        settings: MappingSettings,
        arrived: Arrived,
        now: datetime,
    ) -> None:
        self._inbox = inbox
        self._ledger = ledger
        self._groups = groups
        self._store = store
        self._listener = listener
        self._settings = settings
        self._arrived = arrived
        self._now = now
        self._marks = ledger.marks()
        self._plans = UsedPlans()
        self._lane = PLANS_LANE
        self._dues = ledger.dues()
        self.vanished = Vanished()
        self.catalog = self._catalog()

    def plan(self) -> Iterator[Outcome]:
        """Plan one group after the other; after the last one, the plans that their lines use, and those renamed."""
        for group in self._groups:
            yield self._plan_group(group)
        wanted = renamed(self.catalog) | self._plans.plans
        self._store.add(PLANS_LANE, plan_changes(wanted, self.catalog.plans_held))

    def _catalog(self) -> Catalog:
        catalog = Catalog(plans_held={plan.external_id: plan for plan in self._ledger.objects("plan")})
        shelves: tuple[dict[str, Any], ...] = (catalog.products, catalog.plans, catalog.free_trials)
        for stream, shelf in zip(CATALOG_STREAMS, shelves, strict=True):
            for row in self._inbox.rows(stream):
                try:
                    record = decode(stream, row.raw)
                except InvalidRecordError as error:
                    self._listener.reject(_reject(error, row.id))
                else:
                    shelf[record.id] = record
        return catalog

    def _plan_group(self, number: int) -> Outcome:
        contacts = self._groups.contacts(number)
        existing = self._ledger.existing(contacts)
        group, rejected = self._group(number, existing, self._ledger.remembered(contacts))
        try:
            decision = decide(group, self.catalog, self._arrived, self._settings, self._now)
        except StoppedError:
            raise  # a signal may come at any moment
        except Exception as error:  # noqa: BLE001
            # A defect must not cost other accounts (rule 1.5). Its text may hold data, its type does not.
            logger.error("The mapping failed for contact %d: %s", number, where(error))  # noqa: TRY400
            self._listener.reject(
                Reject(stream="contacts", id=str(abs(number)), field="", reason=f"the mapping failed: {where(error)}")
            )
            return Outcome(number, None, frozenset(rejected), unsettled=True, failed=True)
        self._tell(group, decision)
        for each in decision.rejects:
            rejected.add((each.stream, int(each.id) if each.id.isdecimal() else 0))
        changes = group_changes(decision, existing, self._marks)
        for change in changes:
            if "edited" in self._marks.get((change.kind, change.external_id), ()) and not change.moved:
                detail = {"kind": change.kind, "action": change.action}
                self._listener.note(Note(kind="edits_overwritten", id=change.external_id, rule="6.8", detail=detail))
        self.vanished = self.vanished.and_of(group, decision, changes)
        self._plans.add_all(decision.plans, decision.plans_since)
        lane = self._add(changes) if changes else None
        self._remember(contacts, group.remembered, decision, lane)
        return Outcome(
            group=number,
            lane=lane,
            rejected=frozenset(rejected),
            held=frozenset((each.stream, int(each.id)) for each in decision.waiting if each.id.isdecimal()),
            unsettled=any(each.due is None for each in decision.waiting) or _takes_away(changes),
        )

    def _add(self, changes: list[Change]) -> int:
        self._lane += 1
        self._store.add(self._lane, changes)
        return self._lane

    def _tell(self, group: Group, decision: Decision) -> None:
        for note in decision.notes:
            self._listener.note(note)
        for reject in decision.rejects:
            self._listener.reject(reject)
        for held in decision.waiting:
            self._listener.held(held)
        self._listener.decided(group, decision)

    def _remember(self, contacts: list[int], before: Remembered, decision: Decision, lane: int | None) -> None:
        due = None if decision.next_due is None else instant_text(decision.next_due)
        due_before = min((self._dues[each] for each in contacts if each in self._dues), default=None)
        if decision.remembered != before or due != due_before:
            nothing_before = before == _NOTHING and due_before is None
            memory = Memory(contacts, decision.remembered, due, lane=None if nothing_before else lane)
            self._store.add_memory(memory)

    def _group(self, number: int, existing: Holdings, remembered: Remembered) -> tuple[Group, set[tuple[str, int]]]:
        group = Group(existing=existing, remembered=remembered)
        shelves: dict[str, Any] = {
            "contacts": group.contacts,
            "subscriptions": group.subscriptions,
            "orders": group.orders,
            "payments": group.payments,
        }
        rejected: set[tuple[str, int]] = set()
        unreadable: dict[str, set[str]] = {}
        for stream, record_id, raw in self._groups.records(number):
            try:
                record = decode(stream, raw)
            except InvalidRecordError as error:
                rejected.add((stream, record_id))
                unreadable.setdefault(stream, set()).add(str(record_id))
                self._listener.reject(_reject(error, record_id))
                continue
            if stream == "transactions":
                group.transactions.append(record)
            elif stream == "order_payments":
                group.order_payments.append(record)
            else:
                shelves[stream][record.id] = record
        for stream, record_id in self._groups.unreadable(number):
            unreadable.setdefault(stream, set()).add(str(record_id))
        group.unreadable = {stream: frozenset(each) for stream, each in unreadable.items()}
        return group, rejected


def _takes_away(changes: list[Change]) -> bool:
    """Whether a plan removes or alters anything of a group.

    A tap that dies on its way leaves orders without the payments that came with them before. When these arrive again
    they are no news by themselves.
    """
    return any(change.action != "create" and not change.moved for change in changes)


def instant_text(moment: datetime) -> str:
    """Instants as texts that sort as they do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _reject(error: InvalidRecordError, number: int) -> Reject:
    record = error.record_id or (str(number) if error.stream != "transactions" else "(no id)")
    return Reject(stream=error.stream, id=record, field=error.field, reason=error.reason)


def where(error: BaseException) -> str:
    """Kind and place of a defect, without its text."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
