"""Intervals of metrics series."""

from __future__ import annotations

from datetime import date

import pytest

from sandbox.chartmogul.intervals import end_of, last_days
from sandbox.chartmogul.timestamps import parse


@pytest.mark.parametrize(
    ("start", "end", "interval", "expected"),
    [
        ("2022-04-10", "2022-06-10", "month", ["2022-04-30", "2022-05-31", "2022-06-10"]),
        ("2023-11-30", "2024-03-01", "month", ["2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29", "2024-03-01"]),
        ("2022-02-01", "2022-12-31", "quarter", ["2022-03-31", "2022-06-30", "2022-09-30", "2022-12-31"]),
        ("2021-12-31", "2022-12-31", "year", ["2021-12-31", "2022-12-31"]),
        ("2026-06-15", "2026-06-28", "week", ["2026-06-21", "2026-06-28"]),
        ("2026-06-15", "2026-06-16", "day", ["2026-06-15", "2026-06-16"]),
        ("2026-06-15", "2026-06-14", "day", []),
    ],
)  # fmt: skip
def test_last_days(start: str, end: str, interval: str, expected: list[str]) -> None:
    _, found = last_days({"start-date": start, "end-date": end, "interval": interval}, "monday")
    assert [day.isoformat() for day in found] == expected


def test_weeks_that_start_on_sunday() -> None:
    query = {"start-date": "2026-06-15", "end-date": "2026-06-28", "interval": "week"}
    assert last_days(query, "sunday")[1] == [date(2026, 6, 20), date(2026, 6, 27), date(2026, 6, 28)]


def test_a_day_ends_with_its_last_millisecond() -> None:
    assert end_of(date(2026, 2, 28)) == parse("2026-03-01") - 1
