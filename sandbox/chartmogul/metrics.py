"""Metrics series (fact sheet §8), in the account's currency and in UTC days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sandbox.chartmogul import errors, intervals
from sandbox.chartmogul.http import Answer, Call
from sandbox.chartmogul.movements import Movement, Movements
from sandbox.chartmogul.state import State

NAMES = ("mrr", "arr", "arpa", "asp", "customers", "customer-churn-rate", "mrr-churn-rate", "ltv")
_MRR_PARTS = {
    "new_biz": "mrr-new-business",
    "expansion": "mrr-expansion",
    "contraction": "mrr-contraction",
    "churn": "mrr-churn",
    "reactivation": "mrr-reactivation",
}


@dataclass
class Interval:
    """One entry: state at its end, movements within it, state at its start."""

    day: date
    mrr: int = 0
    customers: int = 0
    mrr_before: int = 0
    customers_before: int = 0
    new_customers: int = 0
    churned_customers: int = 0
    parts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_MRR_PARTS, 0))

    def value(self, name: str) -> float:
        """A metric by its API name; money in hundredths, rates in percent with two decimals."""
        computed: dict[str, Callable[[], float]] = {
            "mrr": lambda: self.mrr,
            "arr": lambda: self.mrr * 12,
            "arpa": lambda: _ratio(self.mrr, self.customers, 0),
            "asp": lambda: _ratio(self.parts["new_biz"], self.new_customers, 0),
            "customers": lambda: self.customers,
            "customer-churn-rate": lambda: _ratio(self.churned_customers * 100, self.customers_before, 2),
            "mrr-churn-rate": self._mrr_churn_rate,
            "ltv": self._ltv,
        }
        return computed[name]()

    def _mrr_churn_rate(self) -> float:
        lost = -sum(self.parts[kind] for kind in ("churn", "contraction", "expansion", "reactivation"))
        return _ratio(lost * 100, self.mrr_before, 2)

    def _ltv(self) -> float:
        return _ratio(self.value("arpa") * 100, self.value("customer-churn-rate"), 0)


class Metrics:
    def __init__(self, state: State, movements: Movements) -> None:
        self._state = state
        self._movements = movements

    def all(self, call: Call) -> Answer:
        series = self._series(call)
        entries: list[dict[str, Any]] = []
        for index, interval in enumerate(series):
            entry: dict[str, Any] = {"date": interval.day.isoformat()}
            for name in NAMES:
                entry[name] = interval.value(name)
                entry[f"{name}-percentage-change"] = _change(series, index, name)
            entries.append(entry)
        summary: dict[str, Any] = {}
        for name in NAMES:
            current, previous = _last_two(series, name)
            summary |= {
                f"current-{name}": current,
                f"previous-{name}": previous,
                f"{name}-percentage-change": _percentage(previous, current),
            }
        return Answer({"entries": entries, "summary": summary})

    def one(self, name: str) -> Callable[[Call], Answer]:
        """The handler of one metric; MRR's entries have its parts too."""

        def handler(call: Call) -> Answer:
            series = self._series(call)
            entries = []
            for index, interval in enumerate(series):
                entry = {"date": interval.day.isoformat(), name: interval.value(name)}
                entry["percentage-change"] = _change(series, index, name)
                if name == "mrr":
                    entry |= {_MRR_PARTS[kind]: change for kind, change in interval.parts.items()}
                entries.append(entry)
            current, previous = _last_two(series, name)
            change = _percentage(previous, current)
            summary = {"current": current, "previous": previous, "percentage-change": change}
            return Answer({"entries": entries, "summary": summary})

        return handler

    def _series(self, call: Call) -> list[Interval]:
        for name in ("plans", "filters"):
            if call.query.get(name):
                raise errors.coded(501, f'The sandbox does not compute metrics with "{name}"', name)
        first, last_days = intervals.last_days(call.query, self._state.settings.account["week_start_on"])
        geo = call.query.get("geo")
        countries = geo.split(",") if geo else None
        moves = [
            m
            for m in self._movements.all()
            if m.at <= call.now and (countries is None or m.customer.country in countries)
        ]
        before = Interval(first - timedelta(days=1))
        position = _advance(before, moves, 0)
        series: list[Interval] = []
        for day in last_days:
            entry = Interval(day, before.mrr, before.customers, before.mrr, before.customers)
            position = _advance(entry, moves, position)
            series.append(entry)
            before = entry
        return series


def _advance(interval: Interval, moves: list[Movement], position: int) -> int:
    """Apply the movements up to the interval's end; returns the position of the next one."""
    end = intervals.end_of(interval.day)
    while position < len(moves) and moves[position].at <= end:
        move = moves[position]
        interval.mrr += move.change
        interval.parts[move.kind] += move.change
        before = move.total - move.change
        if before <= 0 < move.total:
            interval.customers += 1
            interval.new_customers += move.kind == "new_biz"
        elif move.total <= 0 < before:
            interval.customers -= 1
            interval.churned_customers += 1
        position += 1
    return position


def _ratio(above: float, below: float, digits: int) -> float:
    if not below:
        return 0
    return round(above / below) if digits == 0 else round(above / below, digits)


def _percentage(previous: float, current: float) -> float:
    return _ratio((current - previous) * 100, previous, 2)


def _change(series: list[Interval], index: int, name: str) -> float:
    return _percentage(series[index - 1].value(name), series[index].value(name)) if index else 0.0


def _last_two(series: list[Interval], name: str) -> tuple[float, float]:
    values = [interval.value(name) for interval in series[-2:]]
    return (values[-1] if values else 0, values[-2] if len(values) > 1 else 0)
