"""What both kinds of limits have in common, and ChartMogul's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from starlette.responses import JSONResponse, Response
from starlette.types import Scope

Headers: TypeAlias = list[tuple[bytes, bytes]]
Window = Literal["second", "minute", "day"]

OVERRIDES = frozenset({"per_second", "per_minute", "per_day", "spike", "parallel", "enabled", "headers"})
HEADERS = ("sent", "absent", "odd")


@dataclass(slots=True)
class Admission:
    """The gateway's word on one request: a refusal or None, and headers for the answer either way."""

    refusal: Response | None = None
    headers: Headers = field(default_factory=list)


class Limits(Protocol):
    """Limits of one API."""

    def admit(self, scope: Scope, running: int, now: float) -> Admission:
        """Judge a request; ``running`` counts it too, ``now`` is monotonic seconds."""

    def throttled(self, scope: Scope, window: Window, now: float) -> Admission:
        """Return the refusal that an exhausted quota would give, for a fault that was asked for."""

    def unauthorized(self) -> Response:
        """Return the API's 401."""

    def configure(self, overrides: dict[str, Any]) -> None:
        """Override the numbers; an absent or null one is the default."""

    def assume(self, overrides: dict[str, Any]) -> None:
        """Set what holds where it is not overridden."""

    def reset(self) -> None:
        """Forget what was counted, what was assumed, and the overrides."""


def checked(overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides that are not null.

    Raises:
        ValueError: an unknown one.
    """
    if unknown := set(overrides) - OVERRIDES:
        raise ValueError(f"unknown limits: {', '.join(sorted(unknown))}")
    if overrides.get("headers") not in (None, *HEADERS):
        raise ValueError(f"headers is one of {', '.join(HEADERS)}")
    return {name: value for name, value in overrides.items() if value is not None}


class SlidingWindow:
    """Counts what happened in the last ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()

    def count(self, now: float) -> int:
        """Return how many were added in the window that ends at ``now``."""
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        return len(self._times)

    def add(self, now: float) -> None:
        """Add one at ``now``."""
        self._times.append(now)


def _quota(shown: str, limit: int, left: int) -> Headers:
    if shown == "absent":
        return []
    odd = shown == "odd"
    values = {"limit": "many" if odd else limit, "remaining": -1 if odd else left, "reset": "" if odd else 1}
    return [(f"x-ratelimit-{name}".encode(), str(value).encode()) for name, value in values.items()]


class ChartMogulLimits:
    """40 requests in any second, else 429; more than 20 at a time, 503. No headers tell of either unless asked for."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._overrides: dict[str, Any] = {}
        self._assumed: dict[str, Any] = {}
        self._second = SlidingWindow(1.0)

    def configure(self, overrides: dict[str, Any]) -> None:
        self._overrides = {**self._assumed, **checked(overrides)}

    def assume(self, overrides: dict[str, Any]) -> None:
        self._assumed = checked(overrides)
        self._overrides = dict(self._assumed)

    def admit(self, scope: Scope, running: int, now: float) -> Admission:
        limit = self._overrides.get("per_second", 40)
        left = max(0, limit - self._second.count(now) - 1)
        headers = _quota(self._overrides.get("headers", "absent"), limit, left)
        if not self._overrides.get("enabled", True):
            return Admission(headers=headers)
        if running > self._overrides.get("parallel", 20):
            return Admission(JSONResponse({"error": "Too many concurrent requests."}, 503), headers)
        if self._second.count(now) >= limit:
            return Admission(self.throttled(scope, "second", now).refusal, headers)
        self._second.add(now)
        return Admission(headers=headers)

    def throttled(self, scope: Scope, window: Window, now: float) -> Admission:
        return Admission(JSONResponse({"error": "You have exceeded your request rate limit."}, 429))

    def unauthorized(self) -> Response:
        body = {"code": 401, "message": "No valid API key provided", "param": None}
        return JSONResponse(body, 401)
