"""Late payment (§0 h, rule 6.4): a subscription that ended for want of money, and then the open order was paid."""

from __future__ import annotations

from datetime import date

from target_chartmogul.sources.keap.cancellations.subscription_facts import Period, SubscriptionFacts

END_DATE = "end_date"
LATE_PAYMENT = "late_payment"


def late_paid_period(facts: SubscriptionFacts, day: date, source: str | None) -> Period | None:
    """The period whose late payment takes the churn date `day` away, None if none does (rule 6.4).

    It covers `day`, its order has no refund, and a successful payment dated after `day` is the one with which cash
    reached the order's total. Where the date came from `end_date`, or nobody knows any more, the order must also have
    a failed attempt at or before `day`: else the customer left of their own will and paid a last invoice late.
    All are compared as days in `date_timezone`. Of several, the one that ends last.

    Args:
        facts: the subscription's periods.
        day: the churn date.
        source: where it came from (rule 6.1), None if that is not known any more.
    """
    found: Period | None = None
    voluntary_unless_failed = source in {None, END_DATE, LATE_PAYMENT}
    for period in facts.periods:
        money = period.money
        if not period.covers(day) or money.settled_on is None or money.refunds:
            continue
        if money.settled_on <= day:
            continue
        if voluntary_unless_failed and not any(failed <= day for failed in money.failed_on):
            continue
        if found is None or period.end_day > found.end_day:
            found = period
    return found
