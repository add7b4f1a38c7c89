"""The words of `explain`: rules of cancellations, sources of their dates, notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from target_chartmogul.billing.decisions import Note
from target_chartmogul.report.lists import words
from target_chartmogul.report.text import money

EVENT_RULES: Final[dict[str, str]] = {
    "1.4": "what ChartMogul has without a record stays as it is",
    "1.8": "its record did not arrive, so it stays as it was",
    "6.1": "the churn date that Keap's record gives",
    "6.2": "the date falls on or before the day of the latest line, so the paid period or that line decides",
    "6.3": "it was scheduled before, and is due now",
    "6.4": "the open order was paid after the date, so the date does not count and the paid period's end does",
    "6.5": "written earlier and kept as history: the customer left and came back, or only a new order reactivates",
    "6.6": "the contact changed plans: it ends when the other subscription's first order begins",
    "6.7": "the subscription is gone from Keap: it ends with its last paid period",
    "6.8": "`cancellation_overrides` says so",
    "8": "its latest order was refunded in full, and `full_refund: remove_mrr` ends it on that day",
}
SOURCES: Final[dict[str, str]] = {
    "end_date": "the subscription's end date",
    "next_bill_date": "its next bill date",
    "paid_through": "the end of its last paid period",
    "last_bill_date": "its last bill date plus one interval",
    "modified": "the day its record was last changed, as first seen",
    "run_date": "the day of the run that first saw it inactive",
    "last_period": "the end of its last period, since none is paid",
    "last_line": "the start of its latest line, since no period is paid",
    "late_payment": "the end of the period that was paid late",
    "plan_change": "the first order of the subscription that followed",
    "full_refund": "the day of the refunded order",
    "override": "the one that the setting gives",
    "unknown": "no longer known",
}


def note_words(note: Note) -> str:
    """A note as a sentence."""
    if note.kind == "inferred_links":
        item, subscription = note.detail.get("item"), note.detail.get("subscription")
        return f"item {item} names no subscription; {subscription} fits by contact, plan and date"
    if note.kind == "plan_sources":
        item, plan = note.detail["item"], note.detail["plan"]
        return f"item {item} has plan {plan}; its interval is {note.detail['interval_from']}"
    if note.kind == "discount_shares":
        shares = note.detail["in_smallest_unit"].items()
        return "discounts, in the currency's smallest unit: " + "; ".join(
            f"{'what the lines exceeded the total by' if item == 'rest' else f'item {item}'}: {_taken(taken)}"
            for item, taken in shares
        )
    return words(note.kind).title + _details(note.detail)


def _taken(by_line: Mapping[str, int]) -> str:
    return ", ".join(f"{amount} off item {line}" for line, amount in by_line.items()) or "nothing"


def _details(detail: Mapping[str, Any]) -> str:
    given = dict(detail)
    if "amount_in_cents" in given:
        given["amount"] = money(given.pop("amount_in_cents"), given.pop("currency", None))
    shown = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in given.items() if value is not None)
    return f" ({shown})" if shown else ""


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
