"""The words of `explain`: rules, sources of churn dates, remarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from target_chartmogul.billing.decisions import Note
from target_chartmogul.report.lists import words

RULES: dict[str, str] = {
    "1.8": "its record did not arrive, so it stays as it was",
    "6.1": "the churn date that Keap's record gives",
    "6.2": "the date fell on or before the day of the latest line, so the paid period or that line decides",
    "6.3": "scheduled before, and due now",
    "6.4": "the open order was paid after the date, so the date does not count and the paid period's end does",
    "6.5": "written earlier and kept as history: the customer left and came back, or only a new order reactivates",
    "6.6": "the contact changed plans: it ends when the other subscription's first order begins",
    "6.7": "Keap has the subscription no longer: it ends with its last paid period",
    "6.8": "`cancellation_overrides` says so",
    "8": "its latest order was refunded in full, and `full_refund: remove_mrr` ends it on that day",
    "unknown": "the rule is not known since the ledger was rebuilt; the next run that looks at it knows",
}
SOURCES: dict[str, str] = {
    "end_date": "the subscription's end date",
    "next_bill_date": "its next bill date",
    "paid_through": "the end of its last paid period",
    "last_bill_date": "its last bill date plus one interval",
    "modified": "the day its record was changed last, as first seen",
    "run_date": "the day of the run that saw it inactive first",
    "last_period": "the end of its last period, since none is paid",
    "last_line": "the start of its latest line, since no period is paid",
    "late_payment": "the end of the period that was paid late",
    "plan_change": "the first order of the subscription that followed",
    "full_refund": "the day of the refunded order",
    "override": "the setting",
    "unknown": "not known any more",
}


def money(amount: int, currency: str | None) -> str:
    """`-49.00 USD` from hundredths."""
    sign, size = "-" if amount < 0 else "", abs(amount)
    return f"{sign}{size // 100}.{size % 100:02}{' ' + currency if currency else ''}"


def remark_words(note: Note) -> str:
    """A remembered note as a sentence."""
    detail = note.detail
    match note.kind:
        case "discount_shares":
            return "discounts, in the currency's smallest unit: " + "; ".join(
                f"{'what the lines exceeded the total by' if name == 'rest' else f'item {name}'} took "
                + (", ".join(f"{amount} off item {line}" for line, amount in taken.items()) or "nothing")
                for name, taken in detail["in_smallest_unit"].items()
            )
        case "plan_sources":
            return f"item {detail['item']} has plan {detail['plan']}; its interval is from {detail['interval_from']}"
        case "inferred_links":
            return (
                f"item {detail['item']} names no subscription; {detail['subscription']} fits by contact, plan and date"
            )
        case _:
            return words(note.kind).title + _details(detail)


def _details(detail: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in detail.items() if value is not None)
    return f" ({shown})" if shown else ""
