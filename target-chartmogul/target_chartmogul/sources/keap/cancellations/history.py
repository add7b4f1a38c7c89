"""What becomes of cancellations that were written earlier (rule 6.5)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from target_chartmogul.sources.keap.cancellations.churn_date import ChurnDate
from target_chartmogul.sources.keap.cancellations.late_payment import late_paid_period
from target_chartmogul.sources.keap.cancellations.subscription_facts import SubscriptionFacts
from target_chartmogul.sources.keap.settings import MappingSettings

GRACE = timedelta(days=3)
"""A new order within three days of the period's end is a renewal, not a return (rule 6.5)."""


class Verdict(NamedTuple):
    """Whether an earlier cancellation stays, by which rule, and why in one word of the report."""

    stays: bool
    rule: str
    reason: str


WITHDRAWN = Verdict(stays=False, rule="6.5", reason="withdrawn")
UNTIL_NEW_ORDER = Verdict(stays=True, rule="6.5", reason="until_new_order")


def judge(
    day: date,
    source: str | None,
    churn: ChurnDate | None,
    facts: SubscriptionFacts,
    settings: MappingSettings,
) -> Verdict:
    """The first row of rule 6.5's table that fits a cancellation written earlier at `day`.

    Args:
        day: its date, D.
        source: where D came from, None if that is not known any more.
        churn: the subscription's churn date now, N, or None.
        facts: the subscription's periods.
        settings: `late_payment`.
    """
    if churn is not None and churn.day == day:
        return Verdict(stays=True, rule=churn.rule, reason="current")
    erases = settings.late_payment == "erase_cancellation"
    if erases and late_paid_period(facts, day, source) is not None:
        return Verdict(stays=False, rule="6.4", reason="late_payment")
    if came_back(facts, day, churn.at if churn else None):
        return Verdict(stays=True, rule="6.5", reason="came_back")
    if churn is not None:
        return Verdict(stays=False, rule="6.5", reason="moved")
    if erases:
        return WITHDRAWN
    return UNTIL_NEW_ORDER


def came_back(facts: SubscriptionFacts, day: date, before: datetime | None) -> bool:
    """Whether the customer left on `day` and came back later.

    The subscription's first order that starts after `day` (and before `before`) starts more than three days after the
    end of the period that covers `day`. Where none covers it, whatever ended before it ended by `day`, so `day` itself
    is counted from.

    "After `day`" compares days (rule 9.10); `before` is an instant, because a new end on the day of the return takes
    effect a second after that order (rule 6.2).
    """
    starts = (
        each.start_day for each in facts.periods if each.start_day > day and (before is None or each.start < before)
    )
    first = min(starts, default=None)
    if first is None:
        return False
    end = max((each.end_day for each in facts.periods if each.covers(day)), default=day)
    return first > end and first - end > GRACE
