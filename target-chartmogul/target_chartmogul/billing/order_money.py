"""The money of an order: what it asks for, what came in, what went back (rules 6.1, 6.4, 9.10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from target_chartmogul.billing.calendar import day_of
from target_chartmogul.billing.objects import FAILED, PAYMENT, REFUND, SUCCESSFUL, Invoice, Transaction


class OrderMoney(NamedTuple):
    """The money of one order, over all its invoices (rule 4.8), in the units that are sent."""

    due: int
    """Total less credits: what cash has to reach (rule 9.9)."""
    cash: int
    refunds: int
    settled_on: date | None
    """The day of the successful payment with which cash reached `due`; None if it did not, or nothing was due."""
    failed_on: tuple[date, ...]
    """Days of failed attempts, earliest first."""

    @property
    def refunded_in_full(self) -> bool:
        """All cash was given back (rules 9.10, §8)."""
        return self.refunds > 0 and self.refunds >= self.cash

    @property
    def paid(self) -> bool:
        """Rule 9.10: cash and credits reach the total, and it is not refunded in full."""
        return self.cash >= self.due and not self.refunded_in_full


def order_money(parts: Sequence[Invoice], zone: ZoneInfo) -> OrderMoney:
    """The money of an order whose invoices are `parts`."""
    due = sum([line.amount_in_cents for invoice in parts for line in invoice.line_items])
    moves = [each for invoice in parts for each in invoice.transactions]
    if len(moves) > 1:
        moves.sort(key=lambda each: (each.date, each.external_id))
    cash = refunds = 0
    settled_on: date | None = None
    failed: list[date] = []
    for move in moves:
        if _is(move, PAYMENT, SUCCESSFUL):
            cash += move.amount_in_cents
            if settled_on is None and cash >= due > 0:
                settled_on = day_of(move.date, zone)
        elif _is(move, REFUND, SUCCESSFUL):
            refunds += move.amount_in_cents
        elif _is(move, PAYMENT, FAILED):
            failed.append(day_of(move.date, zone))
    return OrderMoney(due, cash, refunds, settled_on, tuple(failed))


def _is(move: Transaction, kind: str, result: str) -> bool:
    return move.type == kind and move.result == result
