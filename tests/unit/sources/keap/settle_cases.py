"""Short forms of Keap's rows for the tests of §5, and one way to settle them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from target_chartmogul.billing.money import to_hundredths
from target_chartmogul.billing.objects import Invoice, LineItem
from target_chartmogul.sources.keap.account import Account
from target_chartmogul.sources.keap.payments.settlement import InvoiceShell, OrderToSettle, Settlement, Settlements
from target_chartmogul.sources.keap.payments.transactions import settle
from target_chartmogul.sources.keap.records import (
    CurrencyValue,
    Order,
    OrderPayment,
    Payment,
    PaymentTransaction,
)
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.unrecorded_orders import UnrecordedOrder, unrecorded_orders
from tests.support.billing_objects import bare_invoice

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
START = datetime(2026, 2, 1, 12, tzinfo=UTC)


def day(number: float) -> datetime:
    """`number` days after the first of February 2026, noon."""
    return START + number * DAY


def order(
    order_id: str = "1",
    total: int = 4900,
    *,
    at: float = 0,
    currency: str = "USD",
    refund_total: int = 0,
    total_paid: int | None = None,
    invoices: Iterable[tuple[str, int]] | None = None,
    before_exclusion: int | None = None,
    zero_decimal_amounts: str = "hundredths",
) -> OrderToSettle:
    """An order over `total` smallest units; one invoice over all of it, unless `invoices` says otherwise."""
    cents = to_hundredths(total, currency, zero_decimal_amounts)
    shells = ((order_id, cents),) if invoices is None else tuple(invoices)
    return OrderToSettle(
        order=Order(
            id=order_id,
            total=CurrencyValue(amount=total, currency_code=currency),
            refund_total=CurrencyValue(amount=refund_total, currency_code=currency),
            total_paid=None if total_paid is None else CurrencyValue(amount=total_paid, currency_code=currency),
            invoice_id=f"10{order_id}",
        ),
        date=day(at),
        currency=currency,
        total_before_exclusion_in_cents=cents if before_exclusion is None else before_exclusion,
        total=total,
        invoices=tuple(InvoiceShell(external_id=name, total_in_cents=amount) for name, amount in shells),
    )


def payment(
    payment_id: str,
    amount: str,
    orders: Iterable[str] = ("1",),
    *,
    at: float = 1,
    kind: str = "Credit Card",
    status: str = "COMPLETED",
    refunded_by: str | None = None,
) -> Payment:
    """A row of `payments`, `at` days after the start."""
    return Payment(
        id=payment_id,
        type=kind,
        amount=Decimal(amount),
        status=status,
        payment_time=day(at),
        refund_payment_id=refunded_by,
        order_ids=list(orders),
    )


def row(
    method: str,
    amount: str = "49.00",
    orders: Iterable[str] = ("1",),
    *,
    at: float = 1,
    good: bool = True,
    status: str = "APPROVED",
    payment_id: str | None = None,
    reference: str | None = None,
) -> PaymentTransaction:
    """A row of `transactions`."""
    return PaymentTransaction(
        amount=Decimal(amount),
        status=status,
        is_successful=good,
        transaction_method=method,
        transaction_time=day(at),
        payment_id=payment_id,
        order_ids=list(orders),
        external_reference_id=reference,
    )


def order_payment(payment_id: str, order_id: str, amount: str, status: str = "APPROVED") -> OrderPayment:
    """A row of `order_payments`, which names the order by Keap's invoice id."""
    return OrderPayment(
        id=f"7{payment_id}{order_id}",
        invoice_id=f"10{order_id}",
        payment_id=payment_id,
        amount=Decimal(amount),
        pay_status=status,
    )


def settled(
    orders: Iterable[OrderToSettle],
    payments: Iterable[Payment] = (),
    rows: Iterable[PaymentTransaction] = (),
    order_payments: Iterable[OrderPayment] = (),
    *,
    unrecorded: Mapping[str, UnrecordedOrder] | None = None,
    unsent: Iterable[OrderToSettle] = (),
    settings: MappingSettings | None = None,
) -> Settlements:
    """`settle` on these rows; `unsent` are orders that have a record and are not sent."""
    wanted = list(orders)
    account = Account(
        orders={str(each.order.id): each.order for each in [*wanted, *unsent]},
        payments={str(each.id): each for each in payments},
        transactions=list(rows),
        order_payments=list(order_payments),
    )
    return settle(wanted, account, unrecorded or {}, settings or MappingSettings(), NOW)


def unrecorded(held: Mapping[str, Invoice]) -> dict[str, UnrecordedOrder]:
    """Orders of which only these invoices are left."""
    return unrecorded_orders(held, ())


def amounts(settlement: Settlement) -> dict[str, int]:
    """Transactions of all invoices, refunds below zero; failed ones are left out."""
    return {
        each.external_id: each.amount_in_cents if each.type == "payment" else -each.amount_in_cents
        for transactions in settlement.transactions.values()
        for each in transactions
        if each.result == "successful"
    }


def as_held(answer: Settlements, orders: Iterable[OrderToSettle]) -> dict[str, Invoice]:
    """The invoices that ChartMogul holds after `answer`, with one subscription line for the whole total."""
    held: dict[str, Invoice] = {}
    for each in orders:
        settlement = answer.orders[str(each.order.id)]
        for item, shell in enumerate(each.invoices):
            line = LineItem(
                external_id=f"{shell.external_id}-{item}", type="subscription", amount_in_cents=shell.total_in_cents
            )
            held[shell.external_id] = bare_invoice(
                external_id=shell.external_id,
                customer_external_id="7",
                date=each.date,
                currency=each.currency,
                line_items=(line, *settlement.credit_lines.get(shell.external_id, ())),
                transactions=settlement.transactions[shell.external_id],
            )
    return held
