"""Requests: page sizes that shrink, what Retry-After may say, and a pace that learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tap_keap.client import KeapClient, PageRequest, retry_after
from tap_keap.credentials.auth import KeyAuthenticator
from tap_keap.rate_budget import KeapLimits, RateBudget
from tap_keap.stopping import StopWatch
from tests.support.scripted_keap import Reply, scripted

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("31536000", 31_536_000),
        ("Fri, 27 Nov 2026 08:01:00 GMT", 60),
        ("Fri, 27 Nov 2026 07:00:00 GMT", 0),
        ("9" * 500, 315_360_000),
        ("\u00b2", 0),
        ("\u0667", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("Fri, 99 Nov 99999 08:01:00 GMT", 0),
        ("", 0),
    ],
)
def test_retry_after(text: str, seconds: float) -> None:
    assert retry_after({"Retry-After": text}, NOW) == seconds
    assert retry_after({}, NOW) == 0


def test_pages_are_halved_down_to_fifty() -> None:
    page = PageRequest("orders", "orders", {"page_size": "1000"})
    sizes = []
    while page.shrink():
        sizes.append(page.params["page_size"])
    assert sizes == ["500", "250", "125", "62", "50"]
    assert not PageRequest("orders", "orders/model", {}).shrink()
    assert not PageRequest("orders", "orders", {"page_size": "25"}).shrink()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (
            {},
            {
                "fault": {
                    "faultstring": "Spike arrest violation",
                    "detail": {"errorcode": "policies.ratelimit.SpikeArrest"},
                }
            },
        ),
        ({}, b""),
        ({"x-keap-product-throttle-available": "0", "Retry-After": "1"}, {"message": "Too Many Requests"}),
        ({"Retry-After": "\u00b2"}, b"<html>429</html>"),
    ],
)
def test_every_form_of_429_lowers_the_pace(headers: dict[str, str], body: Any) -> None:
    waited: list[float] = []
    budget = RateBudget(KeapLimits(10, 240), sleep=waited.append)
    stop = StopWatch()
    with patched_sleep(stop, waited), scripted(once((429, body, headers), (200, {"orders": []}))) as keap:
        client = KeapClient(keap.api_url, KeyAuthenticator("key", "authorization"), budget, stop, timeout=5)
        before = budget._interval
        assert client.fetch(PageRequest("orders", "orders", {}), json.loads) == {"orders": []}
    assert budget._interval == pytest.approx(before * 1.5)
    assert max(waited) > 0


def once(first: Reply, rest: Reply) -> Callable[[str], Reply]:
    answers = [first]
    return lambda path: answers.pop() if answers else rest


@contextmanager
def patched_sleep(stop: StopWatch, waited: list[float]) -> Iterator[None]:
    """Waits take no time, and are noted."""
    stop.sleep = waited.append  # type: ignore[method-assign]
    yield
