"""Amounts, in one form everywhere, and tables for the terminal."""

from __future__ import annotations

import pytest

from target_chartmogul.report.text import money, table


@pytest.mark.parametrize(
    ("hundredths", "currency", "shown"),
    [
        (124900, "USD", "1,249.00 USD"),
        (-5, "EUR", "-0.05 EUR"),
        (490000, "JPY", "4,900 JPY"),
        (490050, "JPY", "4,900.50 JPY"),  # `zero_decimal_amounts: units` sends ¥490,050 so
        (12340, "KWD", "123.400 KWD"),
        (12345, "HRK", "123.45 HRK"),
        (12345, "LTL", "123.45 LTL"),
        (12345, "BGN", "123.45 BGN"),
        (12345, "no currency", "123.45 no currency"),
        (12345, None, "123.45"),
        (10**14, "USD", "1,000,000,000,000.00 USD"),
    ],
)
def test_money(hundredths: int, currency: str | None, shown: str) -> None:
    assert money(hundredths, currency) == shown


def test_sign_and_code_can_be_chosen() -> None:
    assert money(500, "USD", sign=True) == "+5.00 USD"
    assert money(0, "USD", sign=True) == "0.00 USD"
    assert money(500, "JPY", sign=True, code=False) == "+5"


def test_a_table_aligns_words_left_and_numbers_right() -> None:
    rows = [("orders", "1.00"), ("x", "1,000.00")]
    assert list(table(("what", "sum"), rows)) == [
        "  what         sum",
        "  orders      1.00",
        "  x       1,000.00",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert list(table(("a", "b"), [])) == ["  a  b"]
