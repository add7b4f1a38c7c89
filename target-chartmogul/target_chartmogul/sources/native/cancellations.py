"""Cancellations, those to come as scheduled ones until their day (rule 6.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Decision, Note, Waiting
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, CANCELLED, SubscriptionEvent
from target_chartmogul.sources.native.account import Account
from target_chartmogul.sources.native.rows import CancellationRow
from target_chartmogul.sources.native.streams import CANCELLATIONS, SCHEDULED_ENDING


def decide_cancellations(
    account: Account, rows: Mapping[str, CancellationRow], decision: Decision, now: datetime
) -> list[datetime]:
    """Put all events into the decision.

    Args:
        account: what ChartMogul holds, and which cancellations have a row.
        rows: those that count.
        decision: has the customers already.
        now: the clock of the run.

    Returns:
        When scheduled ones are due.
    """
    held = account.holdings.events
    found = [each for each in held.values() if base_id(each) not in account.cancellations]
    for external_id, row in rows.items():
        if row.effective_date is None:
            continue
        scheduled = held.get(external_id + SCHEDULED_ENDING)
        if row.customer_external_id not in decision.customers:
            reason = f"its customer {row.customer_external_id} has not arrived"
            decision.waiting.append(Waiting(stream=CANCELLATIONS, id=external_id, reason=reason, rule="1.8"))
            found += [each for each in (held.get(external_id), scheduled) if each is not None]
            continue
        found.append(_event(row, row.effective_date, scheduled, now))
    events = [_due(each, now) for each in found]
    decision.events = {each.external_id: each for each in events}
    return [each.effective_date for each in events if _is_scheduled(each)]


def cancellation_notes(held: Mapping[str, SubscriptionEvent], decision: Decision) -> Iterator[Note]:
    """Every cancellation, done or to come, and which are new or removed.

    Args:
        held: what ChartMogul holds.
        decision: with all events.
    """
    for external_id, event in sorted(decision.events.items()):
        detail = {
            "subscription": event.subscription_external_id,
            "customer": event.customer_external_id,
            "source": "row",
            "effective_date": event.effective_date.isoformat(),
            "event_type": event.event_type,
            "reason": "current",
        }
        yield Note(kind=_list_of(event), id=external_id, rule="6.3", detail=detail)
        if external_id not in held:
            yield Note(kind=f"{_list_of(event)}_added", id=external_id, rule="6.3", detail=detail)
    for external_id, event in sorted(held.items()):
        if external_id not in decision.events:
            due = _is_scheduled(event) and base_id(event) in decision.events
            detail = {"subscription": event.subscription_external_id, "reason": "due" if due else "withdrawn"}
            yield Note(kind=f"{_list_of(event)}_removed", id=external_id, rule="6.3" if due else "1.1", detail=detail)


def _list_of(event: SubscriptionEvent) -> str:
    return "scheduled_cancellations" if _is_scheduled(event) else "cancellations"


def _is_scheduled(event: SubscriptionEvent) -> bool:
    return event.event_type == CANCELLATION_SCHEDULED


def base_id(event: SubscriptionEvent) -> str:
    """The id of the row that an event is made of."""
    return event.external_id.removesuffix(SCHEDULED_ENDING) if _is_scheduled(event) else event.external_id


def _event(
    row: CancellationRow, effective: datetime, scheduled: SubscriptionEvent | None, now: datetime
) -> SubscriptionEvent:
    """The event of a row. One to come is dated at the run that first saw it (rule 6.1)."""
    later = effective > now
    seen = scheduled.event_date if scheduled is not None else now.replace(microsecond=0)
    return SubscriptionEvent(
        external_id=row.external_id + (SCHEDULED_ENDING if later else ""),
        event_type=CANCELLATION_SCHEDULED if later else CANCELLED,
        customer_external_id=row.customer_external_id,
        subscription_external_id=row.subscription_external_id,
        event_date=seen if later else effective,
        effective_date=effective,
    )


def _due(event: SubscriptionEvent, now: datetime) -> SubscriptionEvent:
    """The cancellation that a scheduled one becomes when its day has come."""
    if not _is_scheduled(event) or event.effective_date > now:
        return event
    return msgspec.structs.replace(
        event, external_id=base_id(event), event_type=CANCELLED, event_date=event.effective_date
    )
