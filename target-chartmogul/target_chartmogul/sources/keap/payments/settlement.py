"""What §5 is asked and what it answers: the orders to settle, and what settles each of their invoices."""

from __future__ import annotations

from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Note, Reject, Waiting
from target_chartmogul.billing.objects import LineItem, Transaction
from target_chartmogul.sources.keap.account import Attempt
from target_chartmogul.sources.keap.records import Order


class InvoiceShell(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice before credits and transactions: its id and the sum of its lines, in what is sent."""

    external_id: str
    total_in_cents: int


class OrderToSettle(msgspec.Struct, frozen=True, kw_only=True):
    """An order that arrived and is sent, or one that is sent in no part (§8): its payments still use money up."""

    order: Order
    date: datetime
    """The invoice's date (rule 4.1): several orders of one payment take their turns by it."""
    currency: str
    total_before_exclusion_in_cents: int
    """What Keap asks for: the sum of all lines, those of excluded products too (§8)."""
    total: int
    """The same in the currency's smallest unit: what settles an order is decided before anything is rounded (§4)."""
    invoices: tuple[InvoiceShell, ...]
    """In the order of rule 4.8; empty where every item is excluded."""


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """Money that is sent for an order: `key` is a payment id, or a row's digits where `from_row` says so."""

    key: str
    time: datetime
    amount_in_cents: int
    from_row: bool = False


class Settlement(msgspec.Struct, kw_only=True):
    """What one order's invoices get."""

    transactions: dict[str, tuple[Transaction, ...]]
    """By invoice external id, for every invoice of the order; sorted by date and id."""
    credit_lines: dict[str, tuple[LineItem, ...]]
    """By invoice external id, where there are any (rule 5.7)."""
    written_off: bool = False
    """Write-offs alone settle what is left (rules 5.7, 9.9)."""
    excess_in_cents: int = 0
    """Paid above the total and not refunded yet (rules 5.3, 5.4)."""
    cash_in_cents: int = 0
    """Successful cash of the order before any cap, refunds not taken off (rule 9.6: is anything paid?)."""


class Settlements(msgspec.Struct, kw_only=True):
    """What all orders of a group get, by order id, and what there is to say."""

    orders: dict[str, Settlement]
    notes: list[Note]
    rejects: list[Reject]
    waiting: list[Waiting]
    voided_payments: frozenset[str] = frozenset()
    """Payments known as void, to be remembered: the row that says so is not read again (rule 5.1)."""
    late_attempts: dict[str, list[Movement]] = {}
    """Failed attempts for orders that did not arrive, but that ChartMogul holds, by order id; see `late_rows`."""
    attempts: dict[str, list[Attempt]] = {}
    """All failed attempts that are known, by order id: to be remembered where the order has no invoice in the end."""
    next_due: datetime | None = None
    """The earliest date of what is held as future (rule 5.6)."""
