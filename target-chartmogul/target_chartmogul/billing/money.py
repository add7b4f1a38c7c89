"""Amounts: the currency's smallest unit, major units and hundredths, and how a sum is shared out (§4, introduction).

Three units meet here. Keap's `CurrencyValue` counts the currency's *smallest unit* (12345 = 12.345 KWD = ¥12,345),
Keap's payments are in *major units*, and ChartMogul takes *hundredths* of the major unit, whatever the currency.
Everything is int or `Decimal`; nothing passes through float.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from iso4217 import Currency

HUNDREDTHS = "hundredths"
UNITS = "units"


class UnknownCurrencyError(ValueError):
    """A currency code that ISO 4217 neither has nor had, or that has no minor unit (gold, test codes).

    Attributes:
        code: the code as it came.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"{code[:16]!r} is not a currency of ISO 4217 with amounts")
        self.code = code


@lru_cache(maxsize=512)
def minor_units(currency: str) -> int:
    """Number of decimals of a currency: 2 for USD, 0 for JPY, 3 for KWD (ISO 4217), 2 for HRK, which is history (CLDR).

    Raises:
        UnknownCurrencyError: no such code, or one without amounts.
    """
    try:
        digits = Currency(currency).exponent
    except ValueError as error:
        digits = _digits_of_old(currency)
        if digits is None:
            raise UnknownCurrencyError(currency) from error
        return digits
    if digits is None:
        raise UnknownCurrencyError(currency)
    return int(digits)


def _digits_of_old(currency: str) -> int | None:
    from babel.core import get_global  # noqa: PLC0415 - a run without old currencies does not need it
    from babel.numbers import get_currency_precision  # noqa: PLC0415

    return int(get_currency_precision(currency)) if currency in get_global("all_currencies") else None


@lru_cache(maxsize=1024)
def _ratio(currency: str, zero_decimal_amounts: str) -> tuple[int, int]:
    """What a smallest unit is in the unit that is sent: multiplier and divisor, one of which is 1."""
    digits = minor_units(currency)
    if digits == 0 and zero_decimal_amounts == UNITS:
        return 1, 1
    return (10 ** (2 - digits), 1) if digits <= 2 else (1, 10 ** (digits - 2))


def has_no_minor_unit(currency: str) -> bool:
    """Whether the run has to warn of the choice of `zero_decimal_amounts` (§4)."""
    return minor_units(currency) == 0


def to_hundredths(smallest: int, currency: str, zero_decimal_amounts: str = HUNDREDTHS) -> int:
    """One amount alone, from the currency's smallest unit to what is sent: half-even where a digit is lost (§4).

    Raises:
        UnknownCurrencyError: see `minor_units`.
    """
    multiplier, divisor = _ratio(currency, zero_decimal_amounts)
    return smallest * multiplier if divisor == 1 else _half_even(smallest, divisor)


def to_hundredths_together(smallest: Sequence[int], currency: str, zero_decimal_amounts: str = HUNDREDTHS) -> list[int]:
    """Amounts that belong together, from smallest units to what is sent.

    Their sum is rounded half-even, and they follow it by largest remainder, ties to the earlier (§4: the lines of a
    three-decimal order, its taxes, its discounts, its payments).

    Raises:
        UnknownCurrencyError: see `minor_units`.
    """
    if not smallest:
        return []
    multiplier, divisor = _ratio(currency, zero_decimal_amounts)
    if divisor == 1:
        return list(smallest) if multiplier == 1 else [amount * multiplier for amount in smallest]
    shares = [amount // divisor for amount in smallest]
    left = _half_even(sum(smallest), divisor) - sum(shares)
    by_remainder = sorted(range(len(shares)), key=lambda at: -(smallest[at] % divisor))
    for at in by_remainder[:left]:
        shares[at] += 1
    return shares


def from_hundredths(sent: int, currency: str, zero_decimal_amounts: str = HUNDREDTHS) -> int:
    """What was sent, back in the currency's smallest unit, as exactly as it still is.

    Raises:
        UnknownCurrencyError: see `minor_units`.
    """
    multiplier, divisor = _ratio(currency, zero_decimal_amounts)
    return sent * divisor if divisor != 1 else half_up(sent, multiplier)


def to_smallest(major: Decimal, currency: str) -> int:
    """A major-unit amount (49.0, 6.172) in the currency's smallest unit; finer digits are rounded half-up.

    Raises:
        UnknownCurrencyError: see `minor_units`.
        ValueError: not a finite number.
    """
    if not major.is_finite():
        raise ValueError("is not a finite number")
    return int(major.scaleb(minor_units(currency)).to_integral_value(ROUND_HALF_UP))


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Share out a total in proportion to weights, by largest remainder, ties to the earlier (rules 4.4, 4.5).

    The shares sum to the total exactly; none is negative, nor more than its exact share rounded up.

    Args:
        total: not negative.
        weights: none negative; one with weight 0 gets nothing.

    Raises:
        ValueError: a negative total or weight, or something to share and no weight to share it by.
    """
    whole = sum(weights)
    if total < 0 or any(weight < 0 for weight in weights):
        raise ValueError("a total or weight below zero cannot be shared out")
    if total == 0:
        return [0] * len(weights)
    if whole == 0:
        raise ValueError("there is nothing to share by")
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    by_remainder = sorted(range(len(shares)), key=lambda at: -(total * weights[at] % whole))
    for at in by_remainder[:left]:
        shares[at] += 1
    return shares


def half_up(numerator: int, denominator: int) -> int:
    """A quotient rounded to the nearest integer, halves away from zero.

    Raises:
        ZeroDivisionError: denominator 0.
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def percent_of(amount: int, percent: Decimal) -> int:
    """A percentage of an amount, in the amount's unit, halves away from zero (rule 4.4)."""
    return int((amount * percent / 100).to_integral_value(ROUND_HALF_UP))


def _half_even(amount: int, divisor: int) -> int:
    quotient, remainder = divmod(amount, divisor)
    if 2 * remainder > divisor or (2 * remainder == divisor and quotient % 2):
        quotient += 1
    return quotient
