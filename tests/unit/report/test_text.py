"""Tables and amounts for the terminal."""

from __future__ import annotations

import pytest

from target_chartmogul.report.text import money, table


@pytest.mark.parametrize(
    ("hundredths", "currency", "sign", "text"),
    [
        (0, None, True, "0.00"),
        (5, "USD", False, "0.05 USD"),
        (-5, None, True, "-0.05"),
        (123_456_789, "JPY", True, "+1,234,567.89 JPY"),
        (-100_000, "USD", False, "-1,000.00 USD"),
    ],
)
def test_money(hundredths: int, currency: str | None, sign: bool, text: str) -> None:
    assert money(hundredths, currency, sign=sign) == text


def test_a_table_aligns_words_left_and_numbers_right() -> None:
    rows = [("orders", "1.00"), ("x", "1,000.00")]
    assert list(table(("what", "sum"), rows)) == [
        "  what         sum",
        "  orders      1.00",
        "  x       1,000.00",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert list(table(("a", "b"), [])) == ["  a  b"]
