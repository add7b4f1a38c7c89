"""What the streams of one run share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property

from tap_keap.client import KeapClient
from tap_keap.credentials.auth import authenticator_for
from tap_keap.progress import ProgressLine
from tap_keap.rate_budget import KeapLimits, RateBudget
from tap_keap.settings import Settings
from tap_keap.shared_orders import SharedOrders
from tap_keap.stopping import StopWatch


class Session:
    """Client, clock, stop and progress of a run, and the little that one stream learns for another.

    Args:
        settings: Of the tap.
        version: Number that names this run's whole reads: milliseconds since 1970.
        flush: Hands everything written so far to the reader of the output.
    """

    def __init__(self, settings: Settings, version: int, flush: Callable[[], None]) -> None:
        self.settings = settings
        self.version = version
        self.flush = flush
        self.now = settings.now or datetime.now(UTC)
        self.stop = StopWatch(settings.max_run_minutes)
        self.product_of_plan: dict[str, str | None] = {}
        self.shared_orders = SharedOrders()
        self.address_answers = False
        """Keap has answered one listing: what it answers 404 to is not a matter of `api_url`."""

    @cached_property
    def client(self) -> KeapClient:
        """Made when the first request is due, so that --discover needs no credentials.

        Raises:
            ConfigurationError: if the credentials are incomplete.
        """
        settings = self.settings
        authenticator = authenticator_for(settings, self.stop.sleep)
        limits, own = authenticator.limits, settings.requests_per_minute
        if own:
            limits = KeapLimits(max(limits.per_second, own / 60), own)
        budget = RateBudget(limits, sleep=self.stop.sleep, daily_reserve=settings.daily_quota_reserve, fixed=bool(own))
        return KeapClient(
            settings.api_url,
            authenticator,
            budget,
            self.stop,
            timeout=settings.request_timeout,
            user_agent=settings.user_agent,
        )

    @cached_property
    def progress(self) -> ProgressLine:
        """On a terminal."""
        return ProgressLine(lambda: self.client.budget.day_available)
