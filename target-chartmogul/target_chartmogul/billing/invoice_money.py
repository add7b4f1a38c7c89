"""What was paid of some invoices and what was given back, from their own lines and transactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from target_chartmogul.billing.objects import PAYMENT, REFUND, SUCCESSFUL, Invoice


class InvoiceMoney(NamedTuple):
    """Amounts in the units that are sent."""

    due: int
    """The sum of all lines: a credit is a line below 0, so this is what cash has to reach (rule 9.9)."""
    cash: int
    refunds: int

    @property
    def refunded_in_full(self) -> bool:
        """All cash was given back (rules 9.10, §8)."""
        return self.refunds > 0 and self.refunds >= self.cash

    @property
    def paid(self) -> bool:
        """Rule 9.10: cash and credits reach the total, and it is not refunded in full."""
        return self.cash >= self.due and not self.refunded_in_full


def invoice_money(invoices: Iterable[Invoice]) -> InvoiceMoney:
    """The money of one or more invoices; failed transactions do not count."""
    due = cash = refunds = 0
    for invoice in invoices:
        due += sum(line.amount_in_cents for line in invoice.line_items)
        for move in invoice.transactions:
            if move.result != SUCCESSFUL:
                continue
            cash += move.amount_in_cents if move.type == PAYMENT else 0
            refunds += move.amount_in_cents if move.type == REFUND else 0
    return InvoiceMoney(due, cash, refunds)
