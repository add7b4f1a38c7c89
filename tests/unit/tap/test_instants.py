"""Instants: read from several spellings, written in one."""

from __future__ import annotations

import pytest

from tap_keap.instants import format_instant, parse_instant


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2024-01-10T08:00:00Z", "2024-01-10T08:00:00.000Z"),
        ("2024-11-20T18:34:12.000+0000", "2024-11-20T18:34:12.000Z"),
        ("2019-03-27T12:36:11.500-04:00", "2019-03-27T16:36:11.500Z"),
        ("2024-01-10", "2024-01-10T00:00:00.000Z"),
        ("2024-01-10T08:00:00.999999Z", "2024-01-10T08:00:00.999Z"),
    ],
)
def test_instants_have_one_spelling(text: str, normal: str) -> None:
    assert format_instant(parse_instant(text)) == normal
