"""Keap's own amounts, and ChartMogul's of the same records, for `verify` (rule 7.5).

Keap's side is counted from its rows and not from what the rules make of them: an order by its total, a payment by its
amount. So a slip of the rules shows as a difference, as a person's deletion in ChartMogul does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from target_chartmogul.billing import money
from target_chartmogul.billing.amounts import ORDERS, PAYMENTS, REFUNDS, Amount, Reason, counted, month
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.objects import PAYMENT, REFUND, SUCCESSFUL, Invoice, Transaction
from target_chartmogul.sources.keap import ids
from target_chartmogul.sources.keap.account import Account
from target_chartmogul.sources.keap.cancellations.subscription_facts import is_credit
from target_chartmogul.sources.keap.orders.invoices import date_of, is_invoice
from target_chartmogul.sources.keap.payments.payments import Entry, Ledgered, classify
from target_chartmogul.sources.keap.records import Order, OrderPayment, PaymentTransaction
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.source import account_of
from target_chartmogul.sources.protocol import Context, InvalidRecordError, StoredRecord

_THREE_DECIMALS: Final = 3
_REASONS: Final = {
    "excess": ("orders", "the order is paid more than its total: the excess is not sent"),
    "refunds_above_payments": ("payments", "a refund of more than was paid"),
    "refunds_not_found": ("orders", "a refund that no payment or transaction explains"),
    "payments_without_order": ("payments", "it names no order, or one that is not known"),
    "excluded_items": ("orders", "`exclude_products` leaves items out"),
    "excluded_orders": ("orders", "a filter leaves the order out"),
    "skipped_unpaid_orders": ("orders", "`unpaid_orders: skip`"),
}
"""Notes that say why ChartMogul has less than Keap on purpose, with the stream that they are about."""


def stated(records: Iterable[StoredRecord], actual: Holdings, decision: Decision, context: Context) -> Iterator[Amount]:
    """What Keap says.

    Args:
        records: of an account.
        actual: what ChartMogul lists; says which refunds rest on rows of a gateway alone.
        decision: of the account; its cancellations are what Keap's records come to.
        context: of the decision.
    """
    account = account_of(records, actual, (), context)
    settings: MappingSettings = context.settings
    currencies = {root: parts[0].currency for root, parts in _by_order(actual).items()}
    currencies |= {key: code for key, each in account.orders.items() if (code := _currency_of(each, settings))}
    yield from _orders(account, settings)
    rows = classify(
        payments=account.payments,
        transactions=account.transactions,
        order_payments=_by_payment(account.order_payments),
        order_of_invoice={str(each.invoice_id): str(each.id) for each in account.orders.values()},
        settings=settings,
        now=context.now,
    )
    yield from _moves(PAYMENTS, rows.cash, currencies, settings)
    refunds = [
        msgspec.structs.replace(each, order_ids=each.order_ids or _orders_refunded(each, rows, account))
        for each in rows.refunds
    ]
    yield from _moves(REFUNDS, refunds, currencies, settings)
    yield from _gateway_refunds(account, actual, settings)
    yield from counted(decision.events.values(), decision.invoices.values(), _Subscriptions())


def listed(actual: Holdings) -> Iterator[Amount]:
    """What ChartMogul lists, by the same keys."""
    for root, parts in _by_order(actual).items():
        for invoice in parts:
            total = sum(line.amount_in_cents for line in invoice.line_items if not is_credit(line))
            yield Amount(ORDERS, root, (f"orders:{root}",), month(invoice.date), invoice.currency, total)
    for root, invoice, move in _successful(actual):
        what = REFUNDS if move.type == REFUND else PAYMENTS
        number = move.external_id.partition("-")[0]
        key = move.external_id
        payment: tuple[str, ...] = (f"payments:{number}",)
        if move.external_id == ids.payment_transaction_id(number, invoice.external_id):
            key = number
        elif _is_gateway_refund(move, invoice):
            payment = ()
        yield Amount(what, key, (*payment, f"orders:{root}"), month(move.date), invoice.currency, move.amount_in_cents)
    yield from counted(actual.events.values(), actual.invoices.values(), _Subscriptions())


def reasons(decision: Decision, records: Iterable[StoredRecord], context: Context) -> dict[str, list[Reason]]:
    """`orders:9071` or `payments:17071` -> why ChartMogul has something else on purpose."""
    found: dict[str, list[Reason]] = {}
    for note in decision.notes:
        if note.kind in _REASONS:
            stream, text = _REASONS[note.kind]
            found.setdefault(f"{stream}:{note.id}", []).append(Reason(note.rule, text))
    account = account_of(records, Holdings(), (), context)
    filtered = {note.id for note in decision.notes if note.kind == "filtered_contacts"}
    for order_id, order in account.orders.items():
        if order.contact is not None and order.contact.id in filtered:
            found.setdefault(f"orders:{order_id}", []).append(Reason("8", "a filter leaves its contact out"))
        elif not is_invoice(order):
            found.setdefault(f"orders:{order_id}", []).append(Reason("4.1", "the order is a draft or has no items"))
        elif _has_three_decimals(order, context.settings):
            found.setdefault(f"orders:{order_id}", []).append(Reason("4", "its parts are rounded together"))
    return found


class _Subscriptions(dict[str, str]):
    """External id of an event -> its subscription."""

    def __missing__(self, event: str) -> str:
        return f"subscriptions:{event.partition('-')[0]}"


def _orders(account: Account, settings: MappingSettings) -> Iterator[Amount]:
    for order_id, order in account.orders.items():
        currency = _currency_of(order, settings)
        if not is_invoice(order) or currency is None or order.total is None or order.total.amount is None:
            continue
        try:
            when = month(date_of(order))
        except InvalidRecordError:
            continue
        sent = money.to_hundredths(order.total.amount, currency, settings.zero_decimal_amounts)
        yield Amount(ORDERS, order_id, (f"orders:{order_id}",), when, currency, sent)


def _moves(
    what: str, entries: Iterable[Entry], currencies: dict[str, str], settings: MappingSettings
) -> Iterator[Amount]:
    for entry in entries:
        own = settings.currency or settings.account_currency
        currency = next((code for each in entry.order_ids if (code := currencies.get(each))), own)
        if currency is not None:
            sent = _from_major(entry.amount, currency, settings)
            records = (f"payments:{entry.payment_id}", *(f"orders:{each}" for each in entry.order_ids))
            yield Amount(what, entry.payment_id, records, month(entry.time), currency, sent)


def _orders_refunded(refund: Entry, rows: Ledgered, account: Account) -> tuple[str, ...]:
    """Of a refund that names no order: those of the payments that it refunds (rule 5.4)."""
    originals = rows.refunded_by.get(refund.payment_id, ())
    return tuple(dict.fromkeys(each for payment in originals for each in account.payments[payment].order_ids or ()))


def _gateway_refunds(account: Account, actual: Holdings, settings: MappingSettings) -> Iterator[Amount]:
    """Refunds that Keap shows only as rows of a gateway (rule 5.4); a row counts for what the order still lacks."""
    rows = {digits: row.amount for row in account.transactions if (digits := _digits(row)) and row.amount is not None}
    for root, invoice, move in _successful(actual):
        amount = rows.get(move.external_id.rpartition("-")[2])
        if _is_gateway_refund(move, invoice) and amount is not None:
            shown = min(_from_major(amount, invoice.currency, settings), move.amount_in_cents)
            yield Amount(REFUNDS, move.external_id, (f"orders:{root}",), month(move.date), invoice.currency, shown)


def _is_gateway_refund(move: Transaction, invoice: Invoice) -> bool:
    return move.external_id.startswith(f"{invoice.external_id}-refund-")


def _digits(row: PaymentTransaction) -> str | None:
    if row.transaction_method != "REFUND" or not row.is_successful or row.transaction_time is None:
        return None
    if row.amount is None or not row.amount.is_finite():
        return None
    hundredths = ids.hundredths(abs(row.amount))
    return ids.failed_attempt_id("", row.transaction_time, row.external_reference_id, hundredths).rpartition("-")[2]


def _currency_of(order: Order, settings: MappingSettings) -> str | None:
    code = (order.total.currency_code if order.total else None) or settings.currency or settings.account_currency
    code = (code or "").strip().upper()
    try:
        money.minor_units(code)
    except money.UnknownCurrencyError:
        return None
    return code


def _has_three_decimals(order: Order, settings: MappingSettings) -> bool:
    currency = _currency_of(order, settings)
    return currency is not None and money.minor_units(currency) == _THREE_DECIMALS


def _from_major(amount: Decimal, currency: str, settings: MappingSettings) -> int:
    smallest = money.to_smallest(abs(amount), currency)
    return money.to_hundredths(smallest, currency, settings.zero_decimal_amounts)


def _by_order(actual: Holdings) -> dict[str, list[Invoice]]:
    found: dict[str, list[Invoice]] = {}
    for external_id, invoice in sorted(actual.invoices.items()):
        parsed = ids.parse_invoice_id(external_id)
        found.setdefault(parsed[0] if parsed else external_id, []).append(invoice)
    return found


def _by_payment(rows: Iterable[OrderPayment]) -> dict[str, list[OrderPayment]]:
    found: dict[str, list[OrderPayment]] = {}
    for row in rows:
        found.setdefault(str(row.payment_id), []).append(row)
    return found


def _successful(actual: Holdings) -> Iterator[tuple[str, Invoice, Transaction]]:
    for root, parts in _by_order(actual).items():
        for invoice in parts:
            for move in invoice.transactions:
                if move.result == SUCCESSFUL and move.type in {PAYMENT, REFUND}:
                    yield root, invoice, move
