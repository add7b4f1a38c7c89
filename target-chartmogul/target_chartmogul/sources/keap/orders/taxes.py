"""Tax items, spread over an order's lines (rule 4.5)."""

from __future__ import annotations

from collections.abc import Sequence

from target_chartmogul.billing import money
from target_chartmogul.sources.keap.orders.draft_line import DraftLine


def spread_tax(tax: int, lines: Sequence[DraftLine]) -> None:
    """Add an order's tax to its lines, pro rata to their discounted amounts.

    Args:
        tax: the sum of the TAX items, in the currency's smallest unit; negative where Keap corrects one.
        lines: the order's lines; `tax` is written. Only taxable ones take part, or all where none is; of these the
            positive ones, or the first alone where none is.
    """
    if not tax or not lines:
        return
    eligible = [line for line in lines if line.taxable] or lines
    positive = [line for line in eligible if line.net > 0]
    if not positive:
        eligible[0].tax += tax
        return
    sign = 1 if tax > 0 else -1
    shares = money.apportion(abs(tax), [line.net for line in positive])
    for line, share in zip(positive, shares, strict=True):
        line.tax += sign * share
