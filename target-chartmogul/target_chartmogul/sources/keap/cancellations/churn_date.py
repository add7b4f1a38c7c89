"""The date on which a subscription ends (rules 6.1, 6.2, 6.7, 6.8, and §8's `remove_mrr`)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from target_chartmogul.billing.calendar import Interval, day_of, midnight, plus
from target_chartmogul.sources.keap.cancellations.late_payment import END_DATE, LATE_PAYMENT, late_paid_period
from target_chartmogul.sources.keap.cancellations.subscription_facts import SubscriptionFacts
from target_chartmogul.sources.keap.records import Subscription
from target_chartmogul.sources.keap.settings import MappingSettings

NEXT_BILL_DATE = "next_bill_date"
PAID_THROUGH = "paid_through"
LAST_BILL_DATE = "last_bill_date"
MODIFIED = "modified"
RUN_DATE = "run_date"
LAST_PERIOD = "last_period"
LAST_LINE = "last_line"
FULL_REFUND = "full_refund"
OVERRIDE = "override"
FALLBACKS = (NEXT_BILL_DATE, PAID_THROUGH, LAST_BILL_DATE, MODIFIED)
"""Rule 6.1's list, in its order; it does not start over (rule 9.10)."""
FIRST_SEEN = frozenset({MODIFIED, RUN_DATE})
"""Sources whose dates stay as first written (rule 6.1)."""
ONE_SECOND = timedelta(seconds=1)


class ChurnDate(NamedTuple):
    """A churn date and the instant at which it takes effect (rules 6.1, 6.2)."""

    day: date
    """In `date_timezone`; it stands in the event's id (rule 2.3)."""
    at: datetime
    rule: str
    source: str | None
    """`end_date`, `next_bill_date`, … ; None: written earlier, from a source that is not known any more."""


_Day = date
"""The type, where a field is called `date`."""


class ChurnDecision(NamedTuple):
    """The churn date, if any, and what is to be said about it."""

    date: ChurnDate | None
    stale_end_date: _Day | None = None
    """An `end_date` before the day of the latest line (rule 6.2)."""


class FirstWritten(NamedTuple):
    """A date that this target wrote earlier and that may stand for `modified` or the day of the run (rule 6.1)."""

    day: date
    source: str | None


def decide_churn_date(
    record: Subscription,
    facts: SubscriptionFacts,
    *,
    first_written: FirstWritten | None,
    refunded: tuple[str, date] | None,
    settings: MappingSettings,
    now: datetime,
) -> ChurnDecision:
    """Rules 6.1, 6.2, 6.4 and §8's `remove_mrr`, in the order in which they build on each other.

    Args:
        record: the subscription as it arrived.
        facts: its periods.
        first_written: what `modified` and the date of the run stay at.
        refunded: order id and day of its latest order, where `remove_mrr` made that order one-time.
        settings: `churn_fallback`, `date_timezone`, `full_refund`, `late_payment`.
        now: the clock.
    """
    zone = settings.zone
    inactive = record.active is False
    if inactive and refunded is not None and refunded[1] >= facts.latest.start_day:
        return ChurnDecision(_on_lines(refunded[1], "8", FULL_REFUND, facts, zone))
    source: str | None
    if record.end_date is not None:
        day, source, rule = record.end_date, END_DATE, "6.1"
    elif inactive:
        found = _fallback(record, facts, first_written, settings, now)
        day, rule = found.day, "6.4" if found.source == LATE_PAYMENT else "6.1"
        source = found.source
    else:
        return ChurnDecision(None)
    if day < facts.latest.start_day:
        stale = day if source == END_DATE else None
        return ChurnDecision(_after_last_paid(facts, zone) if inactive else None, stale)
    if settings.late_payment == "erase_cancellation" and source != LATE_PAYMENT:
        period = late_paid_period(facts, day, source)
        if period is not None:
            return ChurnDecision(_on_lines(period.end_day, "6.4", LATE_PAYMENT, facts, zone) if inactive else None)
    return ChurnDecision(_on_lines(day, rule, source, facts, zone))


def decide_gone(facts: SubscriptionFacts, zone: ZoneInfo) -> ChurnDate:
    """Rule 6.7: a subscription that Keap no longer has ends with its last paid period, or its last one."""
    paid = facts.paid_through
    if paid is None:
        return _on_lines(max(each.end_day for each in facts.periods), "6.7", LAST_PERIOD, facts, zone)
    return _on_lines(max(paid, facts.latest.start_day), "6.7", PAID_THROUGH, facts, zone)


def decide_override(value: str, zone: ZoneInfo) -> ChurnDate | None:
    """Rule 6.8: `none`, or a date whose midnight it is, whatever the lines say (rule 9.9).

    Raises:
        ValueError: neither.
    """
    if value == "none":
        return None
    day = date.fromisoformat(value)
    return ChurnDate(day, midnight(day, zone), "6.8", OVERRIDE)


def _fallback(
    record: Subscription,
    facts: SubscriptionFacts,
    first_written: FirstWritten | None,
    settings: MappingSettings,
    now: datetime,
) -> FirstWritten:
    """Rule 6.1 for an inactive subscription without end date: the chosen source, else the next one in the list."""
    for source in FALLBACKS[FALLBACKS.index(settings.churn_fallback) :]:
        day = _fallback_day(source, record, facts, settings.zone)
        if day is not None:
            return first_written if source == MODIFIED and first_written else FirstWritten(day, source)
    return first_written or FirstWritten(day_of(now, settings.zone), RUN_DATE)


def _fallback_day(source: str, record: Subscription, facts: SubscriptionFacts, zone: ZoneInfo) -> date | None:
    if source == NEXT_BILL_DATE:
        due, last = record.next_bill_date, record.last_bill_date
        return None if due is None or (last is not None and due < last) else due
    if source == PAID_THROUGH:
        return facts.paid_through
    if source == LAST_BILL_DATE:
        return _one_later(record.last_bill_date, facts.interval)
    return day_of(record.modification_time, zone) if record.modification_time else None


def _one_later(day: date | None, interval: Interval | None) -> date | None:
    if day is None or interval is None:
        return None
    try:
        return plus(day, interval)
    except OverflowError:
        return None


def _on_lines(day: date, rule: str, source: str | None, facts: SubscriptionFacts, zone: ZoneInfo) -> ChurnDate:
    """Rule 6.2: midnight; on the day of the latest line one second after it began, so that it ends that line too."""
    latest = facts.latest
    if day == latest.start_day:
        return ChurnDate(day, latest.start + ONE_SECOND, "6.2", source)
    return ChurnDate(day, midnight(day, zone), rule, source)


def _after_last_paid(facts: SubscriptionFacts, zone: ZoneInfo) -> ChurnDate:
    """Rule 6.2 for an inactive subscription: the end of the last paid period, never before its latest line."""
    latest, paid = facts.latest, facts.paid_through
    if paid is not None and paid > latest.start_day:
        return ChurnDate(paid, midnight(paid, zone), "6.2", PAID_THROUGH)
    return ChurnDate(latest.start_day, latest.start + ONE_SECOND, "6.2", LAST_LINE if paid is None else PAID_THROUGH)
