"""Cancellations and scheduled cancellations of an account (§6): which events ChartMogul should hold, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType

import msgspec

from target_chartmogul.billing.decisions import Note, Reject
from target_chartmogul.billing.mrr import line_mrr
from target_chartmogul.billing.objects import (
    CANCELLATION_SCHEDULED,
    CANCELLED,
    Invoice,
    Plan,
    SubscriptionEvent,
)
from target_chartmogul.sources.keap.account import Account
from target_chartmogul.sources.keap.cancellations.churn_date import (
    FIRST_SEEN,
    ChurnDate,
    FirstWritten,
    decide_churn_date,
    decide_gone,
    decide_override,
)
from target_chartmogul.sources.keap.cancellations.events_decision import EventCollector, EventsDecision
from target_chartmogul.sources.keap.cancellations.history import UNTIL_NEW_ORDER, WITHDRAWN, Verdict, judge
from target_chartmogul.sources.keap.cancellations.late_payment import LATE_PAYMENT
from target_chartmogul.sources.keap.cancellations.plan_change import Follower, find_follower, product_groups, switched
from target_chartmogul.sources.keap.cancellations.subscription_facts import (
    SubscriptionFacts,
    facts_by_subscription,
)
from target_chartmogul.sources.keap.ids import cancellation_id, parse_event_id, scheduled_id
from target_chartmogul.sources.keap.records import Subscription
from target_chartmogul.sources.keap.settings import MappingSettings

FIRST_YEAR, LAST_YEAR = 1900, 9998
"""Calendar dates outside these years are typing errors, and have no midnight in every zone."""
_NO_PLANS: Mapping[str, Plan] = MappingProxyType({})
_DATES = ("end_date", "next_bill_date", "last_bill_date")


class _Earlier(msgspec.Struct, frozen=True):
    event: SubscriptionEvent
    day: date
    source: str | None


class Ended(msgspec.Struct, frozen=True):
    """The order whose full refund ends a subscription, with `full_refund: remove_mrr` (§8)."""

    order_id: str
    day: date
    """In `date_timezone`."""


class EventDecider:
    """§6 for one account.

    Args:
        account: its subscriptions, events and memories count here.
        owners: subscription id -> contact id that its cancellations belong to (§0 g).
        invoices: all invoices of the account as they are to be after this run, by external id.
        first_orders: subscription id -> when its first order was made, for rule 6.7.
        ended_by_refund: subscription id -> its latest order, where that one was refunded in full (§8).
        settings: `churn_fallback`, `late_payment`, `plan_change`, `cancellation_overrides`, `date_timezone`.
        now: the clock, aware.
        plans: by external id, for the MRR of overlaps (6.6).
    """

    def __init__(
        self,
        account: Account,
        owners: Mapping[str, str],
        invoices: Mapping[str, Invoice],
        *,
        first_orders: Mapping[str, datetime],
        ended_by_refund: Mapping[str, Ended],
        settings: MappingSettings,
        now: datetime,
        plans: Mapping[str, Plan] = _NO_PLANS,
    ) -> None:
        self.plans = plans
        self.account = account
        self.subscriptions = account.live_subscriptions()
        self.owners = owners
        self.existing = account.holdings.events
        self.memories = account.memories
        self.first_orders = first_orders
        self.ended_by_refund = ended_by_refund
        self.settings = settings
        self.now = now.astimezone(UTC)
        self.zone = settings.zone
        self.groups = product_groups(settings)
        self.facts = facts_by_subscription(invoices, self.subscriptions, self.zone)
        self.earlier: dict[str, list[_Earlier]] = {}
        for external_id, event in sorted(self.existing.items()):
            parsed = parse_event_id(external_id)
            if parsed is not None:
                source = self.memories.cancellation_sources.get(external_id)
                self.earlier.setdefault(parsed[0], []).append(_Earlier(event, parsed[2], source))
        self.out = EventCollector(self.existing)
        contacts: dict[str, list[tuple[Subscription, SubscriptionFacts]]] = {}
        for each, record in self.subscriptions.items():
            if each in self.facts and record.contact_id is not None:
                contacts.setdefault(str(record.contact_id), []).append((record, self.facts[each]))
        self.by_contact = contacts

    def decide(self) -> EventsDecision:
        """All cancellations that the account is to have."""
        for subscription in sorted(self.facts.keys() | self.earlier.keys()):
            facts = self.facts.get(subscription)
            if facts is None:
                for earlier in self.earlier[subscription]:
                    self.out.removed(earlier.event, Verdict(stays=False, rule="9.10", reason="no_lines"), None)
            else:
                self._decide_one(subscription, facts)
        return self.out.decision

    def _decide_one(self, subscription: str, facts: SubscriptionFacts) -> None:
        record = self.subscriptions.get(subscription)
        owner = self.owners.get(subscription) if record is not None else None
        owner = owner or facts.latest.customer
        override = self.settings.cancellation_overrides.get(subscription)
        if override is not None:
            churn = decide_override(override, self.zone)
            self._write(subscription, facts, record, owner, churn, history=False)
            return
        if record is None:
            if not self._is_gone(subscription):
                self._carry(subscription, owner)
                return
            self._vanished(subscription, facts, owner)
            return
        impossible = _impossible_date(record)
        if impossible is not None:
            self.out.decision.rejects.append(
                Reject(
                    stream="subscriptions",
                    id=subscription,
                    field=impossible,
                    reason=f"is outside the years {FIRST_YEAR} to {LAST_YEAR}",
                )
            )
            self._carry(subscription, owner)
            return
        self._write(subscription, facts, record, owner, self._churn_date(record, facts))

    def _vanished(self, subscription: str, facts: SubscriptionFacts, owner: str) -> None:
        churn = decide_gone(facts, self.zone)
        self._write(subscription, facts, None, owner, churn)
        detail = {"churn_date": churn.day.isoformat()}
        self.out.decision.notes.append(Note(kind="vanished_subscriptions", id=subscription, rule="6.7", detail=detail))

    def _is_gone(self, subscription: str) -> bool:
        """Rule 6.7: Keap had it once, or a complete read that is younger than its first order lacks it."""
        if subscription in self.account.gone_from("subscriptions"):
            return True
        if subscription in self.account.unreadable.get("subscriptions", ()):
            return False
        read_at, first = self.account.subscriptions_read_at, self.first_orders.get(subscription)
        return self.account.subscriptions_complete and (read_at is None or first is None or first < read_at)

    def _churn_date(self, record: Subscription, facts: SubscriptionFacts) -> ChurnDate | None:
        subscription = facts.subscription_id
        decision = decide_churn_date(
            record,
            facts,
            first_written=self._first_written(facts),
            refunded=self._refunded(facts),
            settings=self.settings,
            now=self.now,
        )
        if decision.stale_end_date is not None:
            replaced = decision.date.day.isoformat() if decision.date else None
            self.out.decision.notes.append(
                Note(
                    kind="stale_end_dates",
                    id=subscription,
                    rule="6.2",
                    detail={"end_date": decision.stale_end_date.isoformat(), "churn_date": replaced},
                )
            )
        churn = decision.date
        if churn is None:
            return None
        others = self.by_contact.get(str(record.contact_id), ())
        follower = find_follower(record, facts, churn, others, self.groups)
        if follower is None:
            return churn
        self._overlap(facts, follower, churn)
        return switched(follower, facts, self.settings) if self.settings.plan_change == "switch" else churn

    def _overlap(self, facts: SubscriptionFacts, follower: Follower, churn: ChurnDate) -> None:
        latest = facts.latest
        self.out.decision.notes.append(
            Note(
                kind="overlaps",
                id=facts.subscription_id,
                rule="6.6",
                detail={
                    "subscription": facts.subscription_id,
                    "followed_by": follower.subscription_id,
                    "mrr": line_mrr(latest.line, self.plans),
                    "currency": latest.currency,
                    "from": follower.start.isoformat(),
                    "until": churn.day.isoformat(),
                },
            )
        )

    def _first_written(self, facts: SubscriptionFacts) -> FirstWritten | None:
        """Rule 6.1: `modified` and the day of the run stay as first written until it has been active again.

        A new order says that it was; so does a memory of the source alone, which is then one of history (6.5).
        """
        found: FirstWritten | None = None
        seen = self.memories.first_seen.get(facts.subscription_id)
        for each in self.earlier.get(facts.subscription_id, ()):
            if each.day < facts.latest.start_day or each.source not in {None, LATE_PAYMENT} | FIRST_SEEN:
                continue
            if each.source in FIRST_SEEN and each.day.isoformat() != seen:
                continue
            if found is None or each.day > found.day:
                found = FirstWritten(each.day, each.source)
        return found

    def _refunded(self, facts: SubscriptionFacts) -> tuple[str, date] | None:
        """§8: the order whose full refund ended it."""
        ended = self.ended_by_refund.get(facts.subscription_id)
        return (ended.order_id, ended.day) if ended and ended.day >= facts.latest.start_day else None

    def _write(
        self,
        subscription: str,
        facts: SubscriptionFacts,
        record: Subscription | None,
        owner: str,
        churn: ChurnDate | None,
        *,
        history: bool = True,
    ) -> None:
        current: str | None = None
        if churn is not None:
            current = self._current(subscription, facts, record, owner, churn)
        for earlier in self.earlier.get(subscription, ()):
            event = earlier.event
            if event.external_id == current:
                continue
            verdict = (
                judge(earlier.day, earlier.source, churn, facts, self.settings)
                if history
                else Verdict(stays=False, rule="6.8", reason="override")
            )
            if event.event_type == CANCELLED and verdict.stays and verdict.reason != "current":
                self._stays(earlier, owner, verdict)
            elif self._fell_due(earlier, verdict):
                self._stays(_due(earlier), owner, verdict)
                self.out.removed(event, Verdict(stays=False, rule="6.3", reason="due"), None)
            else:
                if verdict == UNTIL_NEW_ORDER:
                    # That is for cancellations; one that was only scheduled goes with its date (6.3).
                    verdict = WITHDRAWN
                elif verdict.stays:
                    verdict = Verdict(stays=False, rule="6.3", reason="due")
                self.out.removed(event, verdict, current)

    def _current(
        self,
        subscription: str,
        facts: SubscriptionFacts,
        record: Subscription | None,
        owner: str,
        churn: ChurnDate,
    ) -> str:
        """Rule 6.3: the event of the churn date, cancelled if it is due and scheduled if it is not."""
        if churn.at <= self.now:
            external_id, kind = cancellation_id(subscription, churn.day), CANCELLED
            event_date = churn.at
        else:
            external_id, kind = scheduled_id(subscription, churn.day), CANCELLATION_SCHEDULED
            held = self.existing.get(external_id)
            modified = record.modification_time if record is not None else None
            # Keap's clock may be ahead of the run's, and an event may not come from the future.
            event_date = held.event_date if held is not None else min(modified or facts.latest.start, self.now)
            self.out.due_at(churn.at)
        event = SubscriptionEvent(
            external_id=external_id,
            event_type=kind,
            customer_external_id=owner,
            subscription_external_id=subscription,
            event_date=event_date,
            effective_date=churn.at,
        )
        self.out.add(event, churn.rule, churn.source)
        if churn.source is None or churn.source in FIRST_SEEN:
            self.out.decision.first_seen[subscription] = churn.day.isoformat()
        return external_id

    @staticmethod
    def _fell_due(earlier: _Earlier, verdict: Verdict) -> bool:
        """A scheduled cancellation whose day passed between two runs, and whose customer came back since."""
        return earlier.event.event_type == CANCELLATION_SCHEDULED and verdict.reason == "came_back"

    def _carry(self, subscription: str, owner: str) -> None:
        """Rule 1.8: nothing new is known of it; what is scheduled and now due becomes the cancellation (6.3)."""
        for earlier in self.earlier.get(subscription, ()):
            event = earlier.event
            if event.event_type == CANCELLATION_SCHEDULED:
                if event.effective_date <= self.now:
                    due = _due(earlier)
                    self.out.add(_owned(due.event, owner), "6.3", due.source)
                    self.out.removed(event, Verdict(stays=False, rule="6.3", reason="due"), None)
                    continue
                self.out.due_at(event.effective_date)
            self.out.add(_owned(event, owner), "1.8", earlier.source)
        if (seen := self.memories.first_seen.get(subscription)) is not None:
            self.out.decision.first_seen[subscription] = seen
        self.out.decision.notes.append(Note(kind="undecided_subscriptions", id=subscription, rule="1.8"))

    def _stays(self, earlier: _Earlier, owner: str, verdict: Verdict) -> None:
        self.out.add(_owned(earlier.event, owner), verdict.rule, earlier.source, verdict.reason)


def _impossible_date(record: Subscription) -> str | None:
    for field in _DATES:
        value: date | None = getattr(record, field)
        if value is not None and not FIRST_YEAR <= value.year <= LAST_YEAR:
            return field
    return None


def _owned(event: SubscriptionEvent, owner: str) -> SubscriptionEvent:
    if event.customer_external_id == owner:
        return event
    return msgspec.structs.replace(event, customer_external_id=owner)


def _due(earlier: _Earlier) -> _Earlier:
    """The cancellation that a scheduled one becomes when its day has come (rule 6.3)."""
    event = earlier.event
    return _Earlier(
        msgspec.structs.replace(
            event,
            external_id=cancellation_id(event.subscription_external_id, earlier.day),
            event_type=CANCELLED,
            event_date=event.effective_date,
        ),
        earlier.day,
        earlier.source,
    )
