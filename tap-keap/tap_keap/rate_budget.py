"""How fast, and how much, the tap may ask: one budget for all threads of a run.

Keap limits a key per second (spike arrest), per minute and per day, and the whole tenant per minute and per day; it
reports the windows in `x-keap-*` headers, which may be blank, missing, or two windows joined by `|`
(developer.infusionsoft.com, API token quota and usage measurements).
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tap_keap.errors import QuotaSpentError

MINUTE = 60.0
LONGEST_WINDOW = timedelta(days=2)
"""A day's quota that is said to begin again later than this is a mistake of the header."""


@dataclass(frozen=True)
class KeapLimits:
    """Limits that hold until Keap's headers say otherwise.

    Attributes:
        per_second: Requests a second; Keap smooths them, so they are spaced evenly.
        per_minute: Requests in any 60 seconds.
    """

    per_second: float
    per_minute: int


SERVICE_KEY_LIMITS = KeapLimits(per_second=10, per_minute=240)
OAUTH_LIMITS = KeapLimits(per_second=25, per_minute=1500)


def header_numbers(headers: Mapping[str, str], name: str) -> list[int | None]:
    """The windows of one header: `10000|250000` is [10000, 250000]; blank, non-numeric and absurd parts are None."""
    text = headers.get(name)
    if text is None:
        return []
    return [int(part) if re.fullmatch(r"\s*[0-9]{1,15}\s*", part) else None for part in text.split("|")]


def header_number(headers: Mapping[str, str], name: str) -> int | None:
    """The first window of one header."""
    return (header_numbers(headers, name) or [None])[0]


class RateBudget:
    """Shared by all threads. `acquire` waits for a slot; `observe` learns from an answer.

    Args:
        limits: What to start with.
        sleep: Waits so many seconds; raises to end the wait early.
        daily_reserve: Requests of the day's quota to leave for others.
    """

    def __init__(
        self, limits: KeapLimits, *, sleep: Callable[[float], None], daily_reserve: int = 0, fixed: bool = False
    ) -> None:
        self._interval = 1.05 / limits.per_second  # a little slower: requests do not arrive as evenly as they leave
        self._per_minute = limits.per_minute
        self._fixed = fixed
        self._sleep = sleep
        self._daily_reserve = daily_reserve
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._sent: deque[float] = deque()
        self._spent_until: datetime | None = None
        self._spent_reason = ""
        self.day_available: int | None = None

    def acquire(self) -> None:
        """Wait until one more request is allowed.

        Raises:
            QuotaSpentError: if the day's quota is spent or down to the reserve.
        """
        with self._lock:
            if self._spent_until is not None:
                raise QuotaSpentError(f"{self._spent_reason} Come back after {self._spent_until:%Y-%m-%dT%H:%M:%SZ}.")
            now = time.monotonic()
            slot = max(now, self._next_slot)
            while self._sent and self._sent[0] <= slot - MINUTE:
                self._sent.popleft()
            if len(self._sent) >= self._per_minute:
                slot = max(slot, self._sent[len(self._sent) - self._per_minute] + MINUTE)
            self._next_slot = slot + self._interval
            self._sent.append(slot)
        if slot > now:
            self._sleep(slot - now)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Learn limits and what is left of them from the headers of an answer."""
        minute_limit = header_number(headers, "x-keap-product-throttle-limit")
        minute_left = header_number(headers, "x-keap-product-throttle-available")
        tenant_left = header_numbers(headers, "x-keap-tenant-throttle-available")
        tenant_unit = headers.get("x-keap-tenant-throttle-time-unit", "").split("|")
        day_left = header_number(headers, "x-keap-product-quota-available")
        with self._lock:
            if minute_limit and not self._fixed:
                self._per_minute = minute_limit
            if minute_left == 0 or self._window(tenant_left, tenant_unit, "minute") == 0:
                # The window's end is not reported: it is at most a minute from the oldest request that we made in it.
                oldest = self._sent[0] if self._sent else time.monotonic()
                self._next_slot = max(self._next_slot, oldest + MINUTE)
            for left, whose in ((day_left, "the key"), (self._window(tenant_left, tenant_unit, "day"), "the account")):
                if left is None:
                    continue
                if whose == "the key":
                    self.day_available = left
                if left <= self._daily_reserve:
                    self._mark_spent(headers, f"Keap's daily quota of {whose} is down to {left} requests.")

    def day_is_spent(self, headers: Mapping[str, str]) -> None:
        """Note that Keap refused a request because the day is spent."""
        with self._lock:
            self._mark_spent(headers, "Keap's daily quota is spent.")

    def slow_down(self) -> None:
        """Lower the pace after a 429: the limit is tighter than we thought."""
        with self._lock:
            self._interval = min(self._interval * 1.5, 1.0)

    def _mark_spent(self, headers: Mapping[str, str], reason: str) -> None:
        expiry = (header_number(headers, "x-keap-product-quota-expiry-time") or 0) / 1000
        now = datetime.now(UTC)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        sensible = now.timestamp() < expiry < (now + LONGEST_WINDOW).timestamp()
        self._spent_until = datetime.fromtimestamp(expiry, UTC) if sensible else midnight
        self._spent_reason = reason

    @staticmethod
    def _window(values: list[int | None], units: list[str], unit: str) -> int | None:
        if unit in units and len(values) == len(units):
            return values[units.index(unit)]
        if len(values) == 2:  # measured: two values, minute first, under a single unit
            return values[0 if unit == "minute" else 1]
        return None
