"""Units of money (§4, introduction)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from target_chartmogul.billing.money import (
    UnknownCurrencyError,
    apportion,
    from_hundredths,
    half_up,
    has_no_minor_unit,
    minor_units,
    percent_of,
    to_hundredths,
    to_hundredths_together,
    to_smallest,
)


@pytest.mark.parametrize(
    ("code", "digits"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("CLP", 0), ("KWD", 3), ("CLF", 4), ("HRK", 2), ("LTL", 2), ("ITL", 0)],
)
def test_rule_4_1_minor_units_are_iso_4217s_also_of_currencies_that_are_history(code, digits):
    assert minor_units(code) == digits
    assert has_no_minor_unit(code) is (digits == 0)


@pytest.mark.parametrize("code", ["XAU", "ZZZ", "", "usd ", "DOLLAR" * 10])
def test_rule_1_5_a_code_without_amounts_is_refused_and_not_repeated_at_length(code):
    with pytest.raises(UnknownCurrencyError) as caught:
        minor_units(code)
    assert caught.value.code == code
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("smallest", "code", "setting", "sent"),
    [
        (4900, "USD", "hundredths", 4900),
        (5000, "JPY", "hundredths", 500000),
        (5000, "JPY", "units", 5000),
        (4900, "USD", "units", 4900),
        (12345, "KWD", "hundredths", 1234),
        (12355, "KWD", "units", 1236),
        (-12345, "KWD", "hundredths", -1234),
        (12346, "KWD", "hundredths", 1235),
        (150, "CLF", "hundredths", 2),
    ],
)
def test_rule_4_1_smallest_units_become_hundredths_half_even(smallest, code, setting, sent):
    assert to_hundredths(smallest, code, setting) == sent


@pytest.mark.parametrize(
    ("smallest", "sent"),
    [
        ([6172, 6173], [617, 617]),
        ([6177, 6178], [618, 618]),
        ([10005, 2350], [1001, 235]),
        ([10005, 2340], [1000, 234]),
        ([5, 5, 5], [1, 1, 0]),
        ([-5, 12345], [0, 1234]),
        ([], []),
    ],
)
def test_rule_4_6_amounts_that_belong_together_follow_their_rounded_sum(smallest, sent):
    assert to_hundredths_together(smallest, "KWD") == sent


@pytest.mark.parametrize(
    ("major", "code", "smallest"),
    [("49.0", "USD", 4900), ("0.1", "USD", 10), ("6.172", "KWD", 6172), ("5500", "JPY", 5500), ("1.005", "USD", 101)],
)
def test_rule_5_1_major_units_become_smallest_ones(major, code, smallest):
    assert to_smallest(Decimal(major), code) == smallest


def test_rule_1_5_what_is_no_number_is_no_amount():
    with pytest.raises(ValueError, match="finite"):
        to_smallest(Decimal("NaN"), "USD")


@pytest.mark.parametrize(("sent", "code", "smallest"), [(4900, "USD", 4900), (500000, "JPY", 5000), (617, "KWD", 6170)])
def test_what_was_sent_comes_back(sent, code, smallest):
    assert from_hundredths(sent, code) == smallest


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (1000, [3333, 3333, 3333], [334, 333, 333]),
        (725, [2999, 3000, 3000], [241, 242, 242]),
        (5, [0, 1, 0], [0, 5, 0]),
        (0, [0, 0], [0, 0]),
        (2, [1, 1, 1], [1, 1, 0]),
    ],
)
def test_rule_4_4_shares_by_largest_remainder_ties_to_the_earlier(total, weights, shares):
    assert apportion(total, weights) == shares


@pytest.mark.parametrize(("total", "weights"), [(1, []), (1, [0]), (-1, [1]), (1, [2, -1])])
def test_what_cannot_be_shared_is_refused(total, weights):
    with pytest.raises(ValueError, match=r"shar"):
        apportion(total, weights)


def test_rule_4_4_halves_go_up():
    assert [half_up(*each) for each in [(1, 2), (3, 2), (-1, 2), (1, 3), (2, 3), (5, -2)]] == [1, 2, -1, 0, 1, -3]
    assert percent_of(4990, Decimal(15)) == 749
    assert percent_of(10, Decimal(25)) == 3
