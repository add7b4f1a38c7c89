"""`Retry-After` in both of its forms, and in those that say nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from target_chartmogul.chartmogul.retry_after import instant_after, seconds_of

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 17 ", 17),
        ("31536000", 31536000),
        ("9" * 400, 999999999999),
        ("Tue, 24 Nov 2026 08:00:30 GMT", 30),
        ("Wed, 24 Nov 2027 08:00:00 GMT", 31536000),
        ("Tue, 24 Nov 2026 09:00:30 +0100", 30),
        ("Tue, 24 Nov 2026 07:00:00 GMT", -3600),
        *(
            (odd, None)
            for odd in (None, "", "²", "٣", "-1", "1.5", "1e3", "soon", "NaN", "Tue, 99 Nov 2026 08:00:00 GMT")
        ),
    ],
)
def test_seconds(header, seconds):
    assert seconds_of(header, None, NOW) == seconds


def test_a_date_is_compared_with_the_answers_own_clock():
    header = "Wed, 24 Nov 2027 08:00:00 GMT"
    assert seconds_of(header, "Wed, 24 Nov 2027 07:59:00 GMT", NOW) == 60
    assert seconds_of(header, "yesterday", NOW) == 31536000


def test_the_instant_for_a_message():
    assert instant_after(NOW, 3600) == "2026-11-24 09:00 UTC"
    assert instant_after(NOW, 999999999999) == "further notice"
