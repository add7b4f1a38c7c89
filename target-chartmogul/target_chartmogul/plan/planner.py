"""From marked accounts to the plan: each is decided, and compared with what ChartMogul has."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.decisions import Decision, Note, Reject, Waiting
from target_chartmogul.billing.nodes import node, number_of
from target_chartmogul.billing.objects import Plan
from target_chartmogul.failures import TargetChartMogulError
from target_chartmogul.plan.account_decision import decide_account, name_of, read_catalogue
from target_chartmogul.plan.change_file import PLANS_LANE, ChangeFile, Outcome
from target_chartmogul.plan.difference import Held, account_changes, plan_changes
from target_chartmogul.plan.figures import account_figures, notes_with_mrr
from target_chartmogul.plan.removals import removed_invoices
from target_chartmogul.sources.protocol import Context, Source
from target_chartmogul.store.accounts import Account
from target_chartmogul.store.held import Holdings
from target_chartmogul.store.outcomes import Figure, Memory
from target_chartmogul.store.outcomes import Note as StoredNote
from target_chartmogul.store.store import Store

logger = logging.getLogger(__name__)

REJECTS: Final = "rejects"
WAITING: Final = "waiting"
REFUSALS: Final = "refusals"
SETTINGS: Final = "settings"
"""Why an account is marked that is to be decided with changed settings or rules (rule 1.10)."""
SETTINGS_AGAIN: Final = "settings again"
"""The same of one that was decided with them, and of which ChartMogul refused something."""
_CHANGE_NOTHING: Final = frozenset({SETTINGS, "listed"})
"""Reasons that stand for no change of the source's."""
ONLY_OF_THIS_RUN: Final = ("_added", "_removed", "_moved", "vanished_orders")
"""Endings of lists that say what a run did; all other lists say how the account is."""
UNDECIDED: Final = "undecided_subscriptions"
_NOW: Final = ""
"""Instant of a mark: from now on. The same in every run, so that one that changes nothing writes nothing."""
_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode


class Listener(Protocol):
    """Hears what a run does, for the report."""

    def note(self, note: Note) -> None:
        """An entry about this run alone."""

    def reject(self, reject: Reject) -> None:
        """An account that the rules could not decide."""


class Planner:
    """Plans accounts one after the other.

    Args:
        source: decides.
        store: what is known, and what ChartMogul has.
        file: takes the changes.
        listener: hears what is of this run alone.
        context: of the run.
        counts_figures: fill `moved_figures`, for changed settings and rehearsals (rules 1.7, 1.10, 7.3).
        believes_listing: what people changed in ChartMogul is written again (`resend` with `only_contacts`, 1.11).
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        file: ChangeFile,
        listener: Listener,
        context: Context,
        *,
        counts_figures: bool = False,
        believes_listing: bool = False,
    ) -> None:
        self._source = source
        self._store = store
        self._file = file
        self._listener = listener
        self._context = context
        self._other_context = msgspec.structs.replace(context, settings_changed=frozenset())
        self._counts_figures = counts_figures
        self._believes_listing = believes_listing
        self._held_plans: dict[str, Plan] = {plan.external_id: plan for plan in store.holdings.objects("plan")}
        self._lane = PLANS_LANE
        self._plans: dict[str, Plan] = {}
        self._since: dict[str, tuple[datetime, int]] = {}
        self.catalogue = read_catalogue(source, store, self._held_plans)
        self.vanished = 0
        """Subscriptions that the plan cancels because they are gone (rules 1.7, 6.7)."""
        self.moved_figures: Counter[tuple[str, str, str]] = Counter()
        """Month, currency and figure -> by how much the plan changes it."""
        self.moved_by_settings: Counter[tuple[str, str, str]] = Counter()
        """The same of accounts that are decided again for changed settings alone (rule 1.7)."""

    def plan(self, accounts: Iterable[Account]) -> Iterator[None]:
        """Plan each account, yielding after each; after the last one, the plans that lines use, and those renamed."""
        for account in accounts:
            self._plan_account(account)
            yield
        wanted = {**self._source.plans_to_write(self.catalogue), **self._plans}
        self._file.add(PLANS_LANE, plan_changes(wanted, self._held_plans))

    def _plan_account(self, account: Account) -> None:
        if self._believes_listing:
            account = _as_listed(account)
        try:
            decision, changes, outcome = self._decide(account)
        except (TargetChartMogulError, sqlite3.Error):
            raise  # a signal may come at any moment, and the store fail
        except Exception as error:  # noqa: BLE001
            # A defect must not cost other accounts (rule 1.5). Its text may hold data, its type does not.
            self._fail(account, error)
            return
        for change in changes:
            if "edited" in account.person_marks.get((change.kind, change.external_id), ()) and not change.moved:
                detail = {"kind": change.kind, "action": change.action}
                self._listener.note(Note(kind="edits_overwritten", id=change.external_id, rule="6.8", detail=detail))
        self._count_vanished(decision, changes)
        for external_id, plan in decision.plans.items():
            self._use_plan(external_id, plan, decision.plans_since.get(external_id))
        for note in decision.notes:
            if note.kind.endswith(ONLY_OF_THIS_RUN):
                self._listener.note(note)
        for note in removed_invoices(changes, decision, self._source.root_of):
            self._listener.note(note)
        if changes:
            self._lane += 1
            self._file.add(self._lane, changes)
            self._file.add_outcome(self._lane, outcome)
            self._store.outcomes.remember([Memory(*each) for each in outcome.memories])
        else:
            finish(self._store, outcome, self._context.now)

    def _decide(self, account: Account) -> tuple[Decision, list[Change], Outcome]:
        context, reasons = self._context, frozenset[str]()
        if context.settings_changed:
            reasons = self._store.accounts.reasons(account.nodes, context.now)
            if reasons.isdisjoint((SETTINGS, SETTINGS_AGAIN)):
                context = self._other_context
        decision = decide_account(self._source, account, self.catalogue, context)
        decision.notes = notes_with_mrr(decision, {**self._held_plans, **decision.plans})
        held = Held(account.holdings, account.missing, account.person_marks)
        changes = account_changes(decision, held, self._source.root_of, _rules_of_removals(decision.notes))
        return decision, changes, self._outcome(account, decision, reasons)

    def _outcome(self, account: Account, decision: Decision, reasons: frozenset[str]) -> Outcome:
        home = account.home
        notes = [
            *(_note_row(home, note) for note in decision.notes if not note.kind.endswith(ONLY_OF_THIS_RUN)),
            *(_reject_row(home, each) for each in self._rejects(account, decision)),
            *(_waiting_row(home, each) for each in decision.waiting),
        ]
        rejected = {(each.stream, each.id) for each in decision.rejects}
        due = [] if decision.next_due is None else [(home, _instant(decision.next_due), "due")]
        if any(note.kind == UNDECIDED for note in decision.notes):
            due.append((home, _NOW, UNDECIDED))
        return Outcome(
            nodes=account.nodes,
            due=due,
            notes=_named_apart(notes),
            figures=self._figures(account, decision, by_settings=SETTINGS in reasons and reasons <= _CHANGE_NOTHING),
            memories=[tuple(each) for each in decision.memories or ()],
            accepted=[
                node(each.stream, each.number)
                for each in account.records
                if each.previous is not None and each.invalid is None and name_of(self._source, each) not in rejected
            ],
            retry=REFUSALS if reasons.isdisjoint((SETTINGS, SETTINGS_AGAIN)) else SETTINGS_AGAIN,
        )

    def _rejects(self, account: Account, decision: Decision) -> list[Reject]:
        unreadable = []
        for each in account.records:
            if each.invalid is not None:
                about = msgspec.json.decode(each.invalid)
                stream, record_id = name_of(self._source, each)
                unreadable.append(Reject(stream=stream, id=record_id, field=about["field"], reason=about["reason"]))
        return [*unreadable, *decision.rejects]

    def _figures(
        self, account: Account, decision: Decision, *, by_settings: bool
    ) -> list[tuple[int, list[tuple[str, str, str, int]]]]:
        plans = {**self._held_plans, **decision.plans} if decision.plans else self._held_plans
        found = account_figures(
            decision.invoices.values(),
            decision.events.values(),
            plans,
            self._source.owner_node,
            self._context.now,
        )
        if self._counts_figures:
            moved: Counter[tuple[str, str, str]] = Counter()
            for each in account.nodes:
                for at, currency, name, delta in self._store.outcomes.figures(each):
                    moved[at[:7], currency, name] -= delta
            for _, steps in found:
                for at, currency, name, delta in steps:
                    moved[at[:7], currency, name] += delta
            for counted in (self.moved_figures, self.moved_by_settings) if by_settings else (self.moved_figures,):
                for key, delta in moved.items():
                    counted[key] += delta
        return found

    def _count_vanished(self, decision: Decision, changes: list[Change]) -> None:
        gone = {note.id for note in decision.notes if note.kind == "vanished_subscriptions"}
        self.vanished += sum(
            change.action == "create"
            and change.kind == "event"
            and getattr(change.desired, "subscription_external_id", None) in gone
            for change in changes
        )

    def _use_plan(self, external_id: str, plan: Plan, since: tuple[datetime, int] | None) -> None:
        """The earliest order names a plan whose product is gone (rule 3.7), in whatever order accounts come."""
        known = self._since.get(external_id)
        if external_id not in self._plans or (since is not None and (known is None or since < known)):
            self._plans[external_id] = plan
            if since is not None:
                self._since[external_id] = since

    def _fail(self, account: Account, error: Exception) -> None:
        """Its mark stays: the next run tries again."""
        stream = self._source.streams[self._source.contact_stream]
        logger.error("The rules failed for account %d: %s", number_of(account.home), where(error))
        reject = Reject(
            stream=stream, id=str(number_of(account.home)), field="", reason=f"the rules failed: {where(error)}"
        )
        self._listener.reject(reject)


def finish(
    store: Store,
    outcome: Outcome,
    now: datetime,
    *,
    notes: Iterable[tuple[int, str, str, str, bytes]] = (),
    due: Iterable[tuple[int, str, str]] = (),
) -> None:
    """The account was decided, and ChartMogul has what that asked for, but for what `notes` and `due` say."""
    store.outcomes.finish(
        outcome.nodes,
        now=now,
        due=[*outcome.due, *due],
        notes=[StoredNote(*each) for each in (*outcome.notes, *notes)],
        figures={owner: [Figure(*each) for each in steps] for owner, steps in outcome.figures},
        memories=[Memory(*each) for each in outcome.memories],
        accepted=outcome.accepted,
    )


def where(error: BaseException) -> str:
    """Kind and place of a defect, without its text."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rules_of_removals(notes: Iterable[Note]) -> dict[str, str]:
    return {note.id: note.rule for note in notes if note.kind.endswith("_removed")}


def _note_row(home: int, note: Note) -> tuple[int, str, str, str, bytes]:
    return (home, note.kind, note.id, note.rule, _ENCODE(note.detail))


def _reject_row(home: int, each: Reject) -> tuple[int, str, str, str, bytes]:
    detail = {"stream": each.stream, "record": each.id, "field": each.field, "reason": each.reason}
    return (home, REJECTS, f"{each.stream}:{each.id}:{each.field}", "1.5", _ENCODE(detail))


def _waiting_row(home: int, each: Waiting) -> tuple[int, str, str, str, bytes]:
    due = None if each.due is None else _instant(each.due)
    detail = {"stream": each.stream, "record": each.id, "reason": each.reason, "due": due}
    return (home, WAITING, f"{each.stream}:{each.id}", each.rule, _ENCODE(detail))


def _named_apart(rows: list[tuple[int, str, str, str, bytes]]) -> list[tuple[int, str, str, str, bytes]]:
    """Several entries of one list about one record get numbers behind its id; equal ones become one."""
    found: dict[tuple[str, str], tuple[int, str, str, str, bytes]] = {}
    for row in rows:
        key, count = (row[1], row[2]), 1
        while key in found and found[key][3:] != row[3:]:
            count += 1
            key = (row[1], f"{row[2]}\x1f{count}")
        found[key] = (row[0], *key, *row[3:])
    return list(found.values())


def _as_listed(account: Account) -> Account:
    """What ChartMogul listed in place of what was sent, where they differ."""
    holdings, listed = account.holdings, account.listed

    def there(kind: str, sent: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        return {key: theirs.get(key, mine) for key, mine in sent.items() if (kind, key) not in account.missing}

    found = Holdings(
        customers=there("customer", holdings.customers, listed.customers),
        invoices=there("invoice", holdings.invoices, listed.invoices),
        events=there("event", holdings.events, listed.events),
    )
    return msgspec.structs.replace(account, holdings=found, missing=frozenset())
