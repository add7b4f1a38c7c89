"""Amounts and tables as people read them: the one form of an amount in log, page, tables and answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from target_chartmogul.billing.money import UnknownCurrencyError, minor_units


def money(hundredths: int, currency: str | None = None, *, sign: bool = False, code: bool = True) -> str:
    """`-1,249.00 USD` or `4,900 JPY` from hundredths, with as many decimals as the currency has.

    Args:
        hundredths: of the major unit, as ChartMogul takes them, whatever the currency.
        currency: ISO code; without one, or with one that nobody knows, there are two decimals.
        sign: what is more than 0 gets a plus.
        code: the currency's code follows.
    """
    before = "-" if hundredths < 0 else "+" if sign and hundredths else ""
    digits = _decimals(currency)
    if digits < 2 and hundredths % 10 ** (2 - digits):
        digits = 2  # finer than the currency's unit, so shown as it is and not rounded
    size = Decimal(abs(hundredths)).scaleb(-2)
    return f"{before}{size:,.{digits}f}{' ' + currency if currency and code else ''}"


def _decimals(currency: str | None) -> int:
    try:
        return 2 if currency is None else minor_units(currency)
    except UnknownCurrencyError:
        return 2


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[int] = (0,)) -> Iterator[str]:
    """Lines with aligned columns, indented by two; those in `left` begin at the left, the others end at the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield ("  " + "  ".join(cells)).rstrip()
