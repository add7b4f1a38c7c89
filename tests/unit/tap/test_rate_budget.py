"""The budget: pace, windows, quotas, headers as Keap writes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tap_keap.errors import QuotaSpentError
from tap_keap.rate_budget import KeapLimits, RateBudget, header_numbers


class Clock:
    """A monotonic clock that sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def sent(budget: RateBudget, clock: Clock, count: int) -> list[float]:
    times = []
    for _ in range(count):
        budget.acquire()
        times.append(clock.now - 1000)
    return times


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("150000", [150000]), ("10000|250000", [10000, 250000]), ("", [None]), ("|", [None, None]), ("x|3", [None, 3])],
)
def test_headers_as_keap_writes_them(text: str, numbers: list[int | None]) -> None:
    assert header_numbers({"h": text}, "h") == numbers
    assert header_numbers({}, "h") == []


def test_requests_are_spaced_and_never_over_a_minutes_limit(clock: Clock) -> None:
    budget = RateBudget(KeapLimits(per_second=10, per_minute=30), sleep=clock.sleep)
    times = sent(budget, clock, 100)
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.0999
    for start in times:
        assert sum(start <= moment < start + 60 for moment in times) <= 30
    assert times[-1] < 60 * 3 + 6, "and no slower than the limit asks for"


def test_the_limit_is_learnt_from_headers_unless_the_user_set_one(clock: Clock) -> None:
    learnt = RateBudget(KeapLimits(1000, 240), sleep=clock.sleep)
    learnt.observe({"x-keap-product-throttle-limit": "5"})
    assert sent(learnt, clock, 6)[-1] >= 60
    clock.now = 1000.0
    fixed = RateBudget(KeapLimits(1000, 240), sleep=clock.sleep, fixed=True)
    fixed.observe({"x-keap-product-throttle-limit": "5"})
    assert sent(fixed, clock, 6)[-1] < 1


@pytest.mark.parametrize(
    "headers",
    [
        {"x-keap-product-throttle-available": "0"},
        {"x-keap-tenant-throttle-available": "0|249999", "x-keap-tenant-throttle-time-unit": "minute|day"},
        {"x-keap-tenant-throttle-available": "0|249999", "x-keap-tenant-throttle-time-unit": "minute"},
    ],
)
def test_an_empty_minute_is_waited_for(clock: Clock, headers: dict[str, str]) -> None:
    budget = RateBudget(KeapLimits(1000, 240), sleep=clock.sleep)
    budget.acquire()
    budget.observe(headers)
    assert 59 <= sent(budget, clock, 1)[0] <= 61


@pytest.mark.parametrize(
    ("headers", "whose"),
    [
        ({"x-keap-product-quota-available": "0"}, "the key"),
        (
            {"x-keap-tenant-throttle-available": "9999|0", "x-keap-tenant-throttle-time-unit": "minute|day"},
            "the account",
        ),
        ({"x-keap-tenant-throttle-available": "9999|0", "x-keap-tenant-throttle-time-unit": "minute"}, "the account"),
    ],
)
def test_a_spent_day_ends_the_run_with_the_time_to_come_back(clock: Clock, headers: dict[str, str], whose: str) -> None:
    budget = RateBudget(KeapLimits(1000, 240), sleep=clock.sleep)
    budget.observe(headers)
    midnight = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    with pytest.raises(QuotaSpentError, match=f"{whose} is down to 0 requests. Come back after {midnight}"):
        budget.acquire()


def test_the_reset_is_taken_from_keap_where_it_makes_sense(clock: Clock) -> None:
    budget = RateBudget(KeapLimits(1000, 240), sleep=clock.sleep, daily_reserve=10)
    reset = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    expiry = str(int(reset.timestamp() * 1000))
    budget.observe({"x-keap-product-quota-available": "10", "x-keap-product-quota-expiry-time": expiry})
    with pytest.raises(QuotaSpentError, match=f"{reset:%Y-%m-%dT%H:%M:%SZ}"):
        budget.acquire()
    senseless = RateBudget(KeapLimits(1000, 240), sleep=clock.sleep)
    senseless.observe({"x-keap-product-quota-available": "0", "x-keap-product-quota-expiry-time": "158663200"})
    with pytest.raises(QuotaSpentError, match="T00:00:00Z"):
        senseless.acquire()


def test_blank_headers_say_nothing(clock: Clock) -> None:
    budget = RateBudget(KeapLimits(1000, 240), sleep=clock.sleep)
    names = ("product-quota-available", "product-throttle-available", "product-throttle-limit")
    budget.observe({**{f"x-keap-{name}": "" for name in names}, "x-keap-tenant-throttle-available": "|"})
    assert sent(budget, clock, 3)[-1] < 1


def test_a_spike_arrest_lowers_the_pace(clock: Clock) -> None:
    budget = RateBudget(KeapLimits(10, 240), sleep=clock.sleep)
    before = sent(budget, clock, 3)
    budget.slow_down()
    after = sent(budget, clock, 3)
    assert after[2] - after[1] > (before[2] - before[1]) * 1.4
