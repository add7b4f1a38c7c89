"""Keap's quotas, and the headers that tell of them.

Numbers from Keap's page on throttles and quotas: OAuth clients 1,500 a minute and 150,000 a day; service keys
and personal access tokens 10 a second, 240 a minute, 30,000 a day; a tenant 10,000 a minute and 250,000 a day,
whatever the credential; spike arrest 25 a second. Days end at 00:00 UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from sandbox.clock import Clock
from sandbox.credentials import KEAP_TENANT
from sandbox.keap.auth import Caller, Gateway
from sandbox.keap.errors import fault
from sandbox.limits import Admission, Headers, SlidingWindow, Window, checked

_DEFAULTS = {
    "service": {"per_second": 10, "per_minute": 240, "per_day": 30_000},
    "oauth": {"per_second": 25, "per_minute": 1_500, "per_day": 150_000},
}
_SPIKE = 25
_TENANT_MINUTE = 10_000
_TENANT_DAY = 250_000
_NAMES = (
    "x-keap-product-quota-limit",
    "x-keap-product-quota-time-unit",
    "x-keap-product-quota-interval",
    "x-keap-product-quota-available",
    "x-keap-product-quota-used",
    "x-keap-product-quota-expiry-time",
    "x-keap-product-throttle-limit",
    "x-keap-product-throttle-time-unit",
    "x-keap-product-throttle-interval",
    "x-keap-product-throttle-available",
    "x-keap-product-throttle-used",
    "x-keap-tenant-id",
    "x-keap-tenant-throttle-limit",
    "x-keap-tenant-throttle-time-unit",
    "x-keap-tenant-throttle-interval",
    "x-keap-tenant-throttle-available",
    "x-keap-tenant-throttle-used",
)
# No number, or no instant that can be.
_ODD = (
    "many", "day", "1", "NaN", "-1", "99999999999999999999", "-1", "minute", "", "1e400", "none",
    "|", "a|b", "|", "1|", "|||", "-1|-1",
)  # fmt: skip
_BLANK: Headers = [(name.encode(), b"|" if name.startswith("x-keap-tenant-throttle") else b"") for name in _NAMES]


class _Counter:
    """Counts one quota: a minute of the machine, and a day of the clock."""

    def __init__(self) -> None:
        self.minute_began = float("-inf")
        self.in_minute = 0
        self.day: date | None = None
        self.in_day = 0

    def turn(self, now: float, today: date) -> None:
        if now - self.minute_began >= 60.0:
            self.minute_began = now
            self.in_minute = 0
        if today != self.day:
            self.day = today
            self.in_day = 0

    def add(self) -> None:
        self.in_minute += 1
        self.in_day += 1


class KeapLimits:
    """The limits of one tenant and its callers."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        self._overrides: dict[str, Any] = {}
        self._assumed: dict[str, Any] = {}
        self._products: dict[str, _Counter] = {}
        self._tenant = _Counter()
        self._spikes: dict[str, SlidingWindow] = {}

    def configure(self, overrides: dict[str, Any]) -> None:
        self._overrides = {**self._assumed, **checked(overrides)}

    def assume(self, overrides: dict[str, Any]) -> None:
        self._assumed = checked(overrides)
        self._overrides = dict(self._assumed)

    def unauthorized(self) -> Response:
        return fault(401, "Invalid access token", "oauth.v2.InvalidAccessToken")

    def admit(self, scope: Scope, running: int, now: float) -> Admission:
        if not scope["path"].startswith("/keap/crm/"):
            return Admission()  # the pages of OAuth stand outside the quotas
        caller = self._gateway.identify(scope)
        if isinstance(caller, Response):
            return Admission(caller, _BLANK)
        product, tenant = self._counters(caller, now)
        if not self._overrides.get("enabled", True):
            product.in_minute = product.in_day = tenant.in_minute = tenant.in_day = 0
            product.add()
            tenant.add()
            return Admission(headers=self._headers(caller))
        refusal = self._refusal(caller, product, tenant, running, now)
        if refusal is None:
            product.add()
            tenant.add()
        return Admission(refusal, self._headers(caller))

    def throttled(self, scope: Scope, window: Window, now: float) -> Admission:
        caller = self._gateway.identify(scope)
        if isinstance(caller, Response):
            return Admission(caller, _BLANK)
        product, _ = self._counters(caller, now)
        if window == "second":
            return Admission(_spike_arrest(self._number(caller, "per_second")), self._headers(caller))
        used = product.in_minute, product.in_day
        if window == "minute":
            product.in_minute = self._number(caller, "per_minute")
        else:
            product.in_day = self._number(caller, "per_day")
        headers = self._headers(caller)
        product.in_minute, product.in_day = used  # the fault spends nothing: its script says how often it happens
        return Admission(_quota_violation(caller.credential[:6]) if window == "minute" else _quota_exceeded(), headers)

    def _counters(self, caller: Caller, now: float) -> tuple[_Counter, _Counter]:
        product = self._products.setdefault(caller.kind, _Counter())  # keys of one tenant share their quota
        today = self._clock.now().date()
        product.turn(now, today)
        self._tenant.turn(now, today)
        return product, self._tenant

    def _refusal(
        self, caller: Caller, product: _Counter, tenant: _Counter, running: int, now: float
    ) -> Response | None:
        spikes = self._spikes.setdefault(caller.credential, SlidingWindow(1.0))
        allowed = min(self._number(caller, "per_second"), self._overrides.get("spike", _SPIKE))
        if "per_second" in self._overrides and "spike" not in self._overrides:
            allowed = self._overrides["per_second"]
        if spikes.count(now) >= allowed or running > self._overrides.get("parallel", running):
            return _spike_arrest(allowed)
        if product.in_day >= self._number(caller, "per_day"):
            return _quota_exceeded()
        if product.in_minute >= self._number(caller, "per_minute"):
            return _quota_violation(caller.credential[:6])
        if tenant.in_day >= _TENANT_DAY or tenant.in_minute >= self._tenant_minute():
            return _quota_violation(KEAP_TENANT)
        spikes.add(now)
        return None

    def _number(self, caller: Caller, name: str) -> int:
        return int(self._overrides.get(name, _DEFAULTS[caller.kind][name]))

    def _tenant_minute(self) -> int:
        return max(_TENANT_MINUTE, int(self._overrides.get("per_minute", 0)))

    def _headers(self, caller: Caller) -> Headers:
        match self._overrides.get("headers", "sent"):
            case "absent":
                return []
            case "odd":
                return [(name.encode(), value.encode()) for name, value in zip(_NAMES, _ODD, strict=True)]
        product, tenant = self._products[caller.kind], self._tenant
        per_day, per_minute = self._number(caller, "per_day"), self._number(caller, "per_minute")
        midnight = datetime.combine(self._clock.now().date() + timedelta(days=1), time(0), UTC)
        minute = self._tenant_minute()
        values = (
            per_day, "day", 1, max(0, per_day - product.in_day), product.in_day,
            int(midnight.timestamp()) * 1000,
            per_minute, "minute", 1, max(0, per_minute - product.in_minute), product.in_minute,
            f"{KEAP_TENANT}.infusionsoft.com",
            f"{minute}|{_TENANT_DAY}", "minute|day", "1|1",
            f"{max(0, minute - tenant.in_minute)}|{max(0, _TENANT_DAY - tenant.in_day)}",
            f"{tenant.in_minute}|{tenant.in_day}",
        )  # fmt: skip
        return [(name.encode(), str(value).encode()) for name, value in zip(_NAMES, values, strict=True)]


def _spike_arrest(per_second: int) -> Response:
    rate = f"MessageRate{{messagesPerPeriod={per_second}, periodInMicroseconds=1000000, maxBurstMessageCount=1.0}}"
    return fault(429, f"Spike arrest violation. Allowed rate : {rate}", "policies.ratelimit.SpikeArrestViolation")


def _quota_violation(identifier: str) -> Response:
    message = f"Rate limit quota violation. Quota limit  exceeded. Identifier : {identifier}"
    return fault(429, message, "policies.ratelimit.QuotaViolation")


def _quota_exceeded() -> Response:
    return JSONResponse(
        {"code": "429", "message": "Quota Exceeded", "status": "Request Throttled", "details": None}, 429
    )
