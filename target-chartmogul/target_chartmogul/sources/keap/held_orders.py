"""What ChartMogul holds of orders, read back from their invoices (rule 1.8): sums, payments, refunds, attempts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from target_chartmogul.billing.objects import FAILED, PAYMENT, REFUND, SUCCESSFUL, Invoice, Transaction
from target_chartmogul.sources.keap.ids import parse_invoice_id

_ATTEMPT = "failed"
_REFUND_ROW = "refund"


class HeldTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that ChartMogul holds, whatever invoice of its order it is on."""

    kind: str
    """`payment` or `refund`."""
    key: str
    """The payment's id, or the 12 hex digits of an attempt or of a refund row."""
    from_row: bool
    """Whether it was a row of `transactions` (key: digits), not of `payments` (key: payment id)."""
    failed: bool
    date: datetime
    amount_in_cents: int


class HeldOrder(msgspec.Struct, kw_only=True):
    """An order as ChartMogul holds it, all its invoices together."""

    order_id: str
    date: datetime
    currency: str
    total_in_cents: int = 0
    """Sum of all lines but credits."""
    transactions: list[HeldTransaction] = msgspec.field(default_factory=list)

    def amount(self, kind: str, payment_id: str) -> int:
        """What of a payment row was sent for this order, in hundredths."""
        return sum(each.amount_in_cents for each in self._of(kind) if each.key == payment_id and not each.from_row)

    def total(self, kind: str) -> int:
        """All that succeeded of a kind, in hundredths."""
        return sum(each.amount_in_cents for each in self._of(kind))

    def has(self, payment_id: str) -> bool:
        """Whether anything of a payment row was sent for this order."""
        return any(each.key == payment_id and not each.from_row for each in self.transactions)

    def _of(self, kind: str) -> Iterator[HeldTransaction]:
        return (each for each in self.transactions if each.kind == kind and not each.failed)


def held_orders(invoices: Iterable[Invoice]) -> dict[str, HeldOrder]:
    """Orders by id, from the invoices that this target formed."""
    found: dict[str, HeldOrder] = {}
    for invoice in invoices:
        parsed = parse_invoice_id(invoice.external_id)
        if parsed is None:
            continue
        order = found.setdefault(parsed[0], HeldOrder(order_id=parsed[0], date=invoice.date, currency=invoice.currency))
        order.total_in_cents += sum(
            line.amount_in_cents
            for line in invoice.line_items
            if not line.external_id.startswith(f"{invoice.external_id}-credit-")
        )
        order.transactions.extend(
            held for each in invoice.transactions if (held := _held(each, invoice.external_id)) is not None
        )
    return found


def _held(transaction: Transaction, invoice_id: str) -> HeldTransaction | None:
    external_id = transaction.external_id
    for word, kind, failed in ((_ATTEMPT, PAYMENT, True), (_REFUND_ROW, REFUND, False)):
        start = f"{invoice_id}-{word}-"
        if external_id.startswith(start):
            return _as_held(transaction, kind=kind, key=external_id.removeprefix(start), from_row=True, failed=failed)
    payment_id = external_id.removesuffix(f"-{invoice_id}")
    if payment_id == external_id or transaction.result not in {SUCCESSFUL, FAILED}:
        return None
    failed = transaction.result == FAILED
    return _as_held(transaction, kind=transaction.type, key=payment_id, from_row=False, failed=failed)


def _as_held(transaction: Transaction, *, kind: str, key: str, from_row: bool, failed: bool) -> HeldTransaction:
    return HeldTransaction(
        kind=kind,
        key=key,
        from_row=from_row,
        failed=failed,
        date=transaction.date,
        amount_in_cents=transaction.amount_in_cents,
    )
