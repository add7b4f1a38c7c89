"""The cancellations that an account is to have, and what the report says of each (rules 6.9, 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Note, Reject
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, SubscriptionEvent
from target_chartmogul.sources.keap.cancellations.history import Verdict


class EventsDecision(msgspec.Struct, kw_only=True):
    """All cancellations of an account as they are to be after the run.

    `sources` are those of the events whose source is known, and `first_seen` the dates that stay, for `Memories`.
    """

    events: dict[str, SubscriptionEvent] = {}
    notes: list[Note] = []
    rejects: list[Reject] = []
    sources: dict[str, str] = {}
    first_seen: dict[str, str] = {}
    next_due: datetime | None = None


class EventCollector:
    """Builds an `EventsDecision`, with the notes that say what is new, what went and where it moved.

    Args:
        existing: what ChartMogul holds, by external id.
    """

    def __init__(self, existing: Mapping[str, SubscriptionEvent]) -> None:
        self._existing = existing
        self.decision = EventsDecision()

    def due_at(self, moment: datetime) -> None:
        """The same records decide otherwise from this instant on."""
        due = self.decision.next_due
        if due is None or moment < due:
            self.decision.next_due = moment

    def add(self, event: SubscriptionEvent, rule: str, source: str | None, reason: str = "current") -> None:
        """An event that is to be there.

        Args:
            event: as it is to be.
            rule: that decided it in this run.
            source: of its date, None if that is not known any more.
            reason: one word: `current`, or why an earlier one stays.
        """
        decision = self.decision
        decision.events[event.external_id] = event
        if source is not None:
            decision.sources[event.external_id] = source
        detail = {
            "subscription": event.subscription_external_id,
            "customer": event.customer_external_id,
            "source": source or "unknown",
            "effective_date": event.effective_date.isoformat(),
            "event_type": event.event_type,
            "reason": reason,
        }
        kind = _list_of(event)
        decision.notes.append(Note(kind=kind, id=event.external_id, rule=rule, detail=detail))
        if event.external_id not in self._existing:
            decision.notes.append(Note(kind=f"{kind}_added", id=event.external_id, rule=rule, detail=detail))

    def removed(self, event: SubscriptionEvent, verdict: Verdict, current: str | None) -> None:
        """An earlier event that is to go; `current` is the one in its place, if there is any."""
        kind = _list_of(event)
        detail = {"subscription": event.subscription_external_id, "reason": verdict.reason}
        notes = self.decision.notes
        notes.append(Note(kind=f"{kind}_removed", id=event.external_id, rule=verdict.rule, detail=detail))
        if current is not None and verdict.reason != "due":
            moved = {**detail, "to": current}
            notes.append(Note(kind=f"{kind}_moved", id=event.external_id, rule=verdict.rule, detail=moved))


def _list_of(event: SubscriptionEvent) -> str:
    return "scheduled_cancellations" if event.event_type == CANCELLATION_SCHEDULED else "cancellations"
