"""What §5 is asked and what it answers: the orders to settle, and what settles each of their invoices."""

from __future__ import annotations

from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Note, Reject, Waiting
from target_chartmogul.billing.objects import LineItem, Transaction
from target_chartmogul.sources.keap.records import Order


class InvoiceShell(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice before credits and transactions: its id and the sum of its lines, in what is sent."""

    external_id: str
    total_in_cents: int


class OrderToSettle(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is sent, or one that is sent in no part (§8): its payments still use money up."""

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
    is_kept_out: bool = False
    """The report says nothing of it (§8)."""


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
    is_unpaid: bool = False
    """Rule 9.6: neither cash nor credits that settle it, nor a `total_paid` beyond write-offs."""


class Settlements(msgspec.Struct, kw_only=True):
    """What all orders of an account get, by order id, and what there is to say."""

    orders: dict[str, Settlement]
    notes: list[Note]
    rejects: list[Reject]
    waiting: list[Waiting]
    next_due: datetime | None = None
    """The earliest date of what is held as future (rule 5.6)."""
