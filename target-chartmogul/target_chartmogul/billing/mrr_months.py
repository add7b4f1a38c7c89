"""MRR of a whole data source by month, added up from the movements of its accounts (rules 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing.mrr import Move, UnpaidMrr, month_of, month_range

MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
UNPAID_AGES = ((30, "0-29"), (60, "30-59"), (90, "60-89"))
OLDEST_UNPAID = "90+"

Totals = Mapping[tuple[str, str, str], int]
"""Month (`YYYY-MM`), currency and the name of a figure (see `Move.figures`) -> the sum of its differences."""


class MonthFigures(msgspec.Struct, kw_only=True):
    """MRR of one currency at a month's end, and what moved it since the month before."""

    mrr: int = 0
    customers: int = 0
    new: int = 0
    expansion: int = 0
    contraction: int = 0
    churn: int = 0
    reactivation: int = 0


def month_figures(totals: Totals, now: datetime) -> dict[str, dict[str, MonthFigures]]:
    """Month -> currency -> figures, from the first month that has any to the running one.

    Args:
        totals: of all movements up to `now`: those to come must be left out.
        now: the running month is looked at then.
    """
    currencies = sorted({currency for _, currency, _ in totals})
    table: dict[str, dict[str, MonthFigures]] = {}
    before = dict.fromkeys(currencies, MonthFigures())
    for month in month_range(min((each[0] for each in totals), default=None), now):
        row: dict[str, MonthFigures] = {}
        for currency in currencies:
            figures = MonthFigures(
                **{name: totals.get((month, currency, name), 0) for name in MonthFigures.__struct_fields__}
            )
            figures.mrr += before[currency].mrr
            figures.customers += before[currency].customers
            row[currency] = figures
        before = table[month] = row
    return table


def add_moves(totals: dict[tuple[str, str, str], int], moves: Iterable[Move], now: datetime) -> None:
    """Add the movements of an account up to `now` to the sums by month."""
    for move in moves:
        if move.at <= now:
            month = month_of(move.at)
            for name, difference in move.figures():
                key = (month, move.currency, name)
                totals[key] = totals.get(key, 0) + difference


def unpaid_by_age(unpaid: Iterable[UnpaidMrr], now: datetime) -> dict[str, dict[str, int]]:
    """Currency -> age in days (`0-29`, `30-59`, `60-89`, `90+`) -> MRR that rests on an unpaid invoice."""
    found: dict[str, dict[str, int]] = {}
    for each in unpaid:
        ages = found.setdefault(each.currency, {})
        label = age_label((now - each.since).days)
        ages[label] = ages.get(label, 0) + each.mrr
    return dict(sorted(found.items()))


def age_label(days: int) -> str:
    """The age group of an unpaid invoice that was due so many days ago."""
    return next((label for limit, label in UNPAID_AGES if days < limit), OLDEST_UNPAID)
