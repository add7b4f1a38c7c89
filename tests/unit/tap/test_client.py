"""Requests: page sizes that shrink, and what Retry-After may say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tap_keap.client import PageRequest, retry_after

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
