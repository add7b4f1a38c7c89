"""MRR by month and currency, from the figures of all accounts added up (rules 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from target_chartmogul.billing.mrr import month_range

MOVEMENTS: Final = ("new", "expansion", "contraction", "churn", "reactivation")
LEVELS: Final = ("mrr", "customers", "subscriptions")
"""Figures that carry on into the next month; movements do not."""
UNPAID_AGES: Final = ((30, "0-29"), (60, "30-59"), (90, "60-89"))
OLDEST_UNPAID: Final = "90+"

Totals = Mapping[tuple[str, str, str], int]
"""Month, currency and figure -> what came in that month."""
Months = dict[str, dict[str, dict[str, int]]]
"""Month -> currency -> figure -> its value at the month's end, in the running month now; of movements, within it."""


def month_table(totals: Totals, now: datetime) -> Months:
    """From the month of the first figure to the running one; none if there are no figures."""
    relevant = {key: value for key, value in totals.items() if key[2] in LEVELS or key[2] in MOVEMENTS}
    if not relevant:
        return {}
    currencies = sorted({currency for _, currency, _ in relevant})
    running = {currency: dict.fromkeys(LEVELS, 0) for currency in currencies}
    table: Months = {}
    for month in month_range(min(month for month, _, _ in relevant), now):
        row = table.setdefault(month, {})
        for currency in currencies:
            levels = running[currency]
            for name in LEVELS:
                levels[name] += relevant.get((month, currency, name), 0)
            row[currency] = {
                **levels,
                **{name: relevant.get((month, currency, name), 0) for name in MOVEMENTS},
            }
    return table


def unpaid_ages(steps: Mapping[tuple[str, str], int], now: datetime) -> dict[str, dict[str, int]]:
    """Currency -> age in days (`0-29`, `30-59`, `60-89`, `90+`) -> MRR that rests on an unpaid order.

    Args:
        steps: day (`YYYY-MM-DD`) since which an order is due, and currency -> MRR.
        now: the clock of the run.
    """
    found: dict[str, dict[str, int]] = {}
    for (day, currency), mrr in sorted(steps.items()):
        label = next(
            (name for limit, name in UNPAID_AGES if day > f"{(now - timedelta(days=limit)).date()}"), OLDEST_UNPAID
        )
        ages = found.setdefault(currency, {})
        ages[label] = ages.get(label, 0) + mrr
    return {currency: {label: mrr for label, mrr in ages.items() if mrr} for currency, ages in found.items()}
