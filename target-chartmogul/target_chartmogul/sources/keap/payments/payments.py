"""What a row of `payments` is: cash, refund, credit, write-off or nothing yet (rules 5.1, 5.6, 9.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from target_chartmogul.billing.decisions import Note, Reject, Waiting
from target_chartmogul.sources.keap.records import OrderPayment, Payment, PaymentTransaction
from target_chartmogul.sources.keap.settings import MappingSettings

_WRITE_OFF = "write off"
_REFUND = "refund"
_PENDING = "PENDING"
_VOIDED = "VOIDED"


class Entry(msgspec.Struct, kw_only=True):
    """One payment row that counts now: `amount` in major units, never negative."""

    payment_id: str
    time: datetime
    amount: Decimal
    order_ids: tuple[str, ...]


class Ledgered(msgspec.Struct, kw_only=True):
    """An account's payment rows by what they are, each list in order of time, then of id."""

    cash: list[Entry] = msgspec.field(default_factory=list)
    refunds: list[Entry] = msgspec.field(default_factory=list)
    credits: list[Entry] = msgspec.field(default_factory=list)
    write_offs: list[Entry] = msgspec.field(default_factory=list)
    refunded_by: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Refund payment id -> ids of the payments that name it."""
    voided: frozenset[str] = frozenset()
    """Payments of which a successful VOID says that they never were."""
    voided_parts: frozenset[tuple[str, str | None]] = frozenset()
    """(payment id, order id) of order payments that are VOIDED: the order's part never was (rule 9.8)."""
    notes: list[Note] = msgspec.field(default_factory=list)
    rejects: list[Reject] = msgspec.field(default_factory=list)
    waiting: list[Waiting] = msgspec.field(default_factory=list)


def classify(
    *,
    payments: Mapping[str, Payment],
    transactions: Iterable[PaymentTransaction],
    order_payments: Mapping[str, list[OrderPayment]],
    order_of_invoice: Mapping[str, str],
    settings: MappingSettings,
    now: datetime,
) -> Ledgered:
    """Rule 5.1, in its order; rows dated after `now` are held (5.6), rows without amount or time rejected (1.5).

    Args:
        payments: the account's rows by id.
        transactions: the account's gateway rows, of which the successful VOIDs count here.
        order_payments: rows by payment id.
        order_of_invoice: Keap's invoice id -> order id, of the account's orders.
        settings: `non_cash_payment_types` counts here.
        now: the run's clock.
    """
    found = Ledgered(
        voided=_voided(transactions),
        voided_parts=frozenset(
            (payment_id, order_id(row, order_of_invoice))
            for payment_id, rows in order_payments.items()
            for row in rows
            if row.pay_status == _VOIDED
        ),
    )
    for row in payments.values():
        if row.refund_payment_id and row.id:
            found.refunded_by.setdefault(row.refund_payment_id, []).append(row.id)
    non_cash = {each.strip().casefold() for each in settings.non_cash_payment_types}
    for row in payments.values():
        target = _target(row, found, non_cash)
        if target is None or not (entry := _entry(row, found)):
            continue
        if entry.time > now:
            found.waiting.append(
                Waiting(stream="payments", id=entry.payment_id, reason="future", rule="5.6", due=entry.time)
            )
            continue
        target.append(entry)
    for entries in (found.cash, found.refunds, found.credits, found.write_offs):
        entries.sort(key=by_time)
    return found


class _Dated(Protocol):
    @property
    def time(self) -> datetime: ...
    @property
    def payment_id(self) -> str: ...


def by_time(entry: _Dated) -> tuple[datetime, int, str]:
    """Sort key of rule 5.3, ids as numbers where times are equal."""
    return entry.time, len(entry.payment_id), entry.payment_id


def order_id(row: OrderPayment, order_of_invoice: Mapping[str, str]) -> str | None:
    """The order of an order payment: as the tap says, else by the invoice id that the order names."""
    if row.order_id:
        return str(row.order_id)
    return order_of_invoice.get(str(row.invoice_id)) if row.invoice_id else None


def _voided(transactions: Iterable[PaymentTransaction]) -> frozenset[str]:
    return frozenset(
        str(row.payment_id)
        for row in transactions
        if row.transaction_method == "VOID" and row.is_successful and row.payment_id
    )


def _target(row: Payment, found: Ledgered, non_cash: set[str]) -> list[Entry] | None:
    kind = (row.type or "").strip().casefold()
    if kind in non_cash:
        return found.write_offs if kind == _WRITE_OFF else found.credits
    if row.id in found.voided or row.status == _PENDING:
        return None
    if kind == _REFUND or row.id in found.refunded_by or (row.amount is not None and row.amount.is_signed()):
        return found.refunds
    return found.cash


def _entry(row: Payment, found: Ledgered) -> Entry | None:
    payment_id, amount, time = str(row.id), row.amount, row.payment_time
    if amount is None or not amount.is_finite():
        reason = "is missing" if amount is None else "is not a finite number"
        found.rejects.append(Reject(stream="payments", id=payment_id, field="amount", reason=reason))
        return None
    if time is None:
        found.rejects.append(Reject(stream="payments", id=payment_id, field="payment_time", reason="is missing"))
        return None
    order_ids = tuple(dict.fromkeys(row.order_ids or ()))
    return Entry(payment_id=payment_id, time=time, amount=abs(amount), order_ids=order_ids)
