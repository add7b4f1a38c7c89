"""Keap's records in words, for `explain` (rule 7.4): without names, addresses, or what else is personal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from target_chartmogul.billing.decisions import Holdings, Note
from target_chartmogul.billing.objects import Invoice, LineItem, Transaction
from target_chartmogul.billing.said import Said
from target_chartmogul.sources.keap import ids, stored
from target_chartmogul.sources.keap.account import Account
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.orders.invoices import is_invoice
from target_chartmogul.sources.keap.payments.payments import classify
from target_chartmogul.sources.keap.records import (
    Contact,
    CurrencyValue,
    Order,
    OrderItem,
    OrderPayment,
    PaymentTransaction,
    Product,
)
from target_chartmogul.sources.keap.source import account_of
from target_chartmogul.sources.protocol import Context, StoredMemory, StoredRecord

HEADING: Final = "What Keap says of it"
_PERSONAL: Final = ("given_name", "family_name", "email_addresses", "addresses", "company", "custom_fields")
_ABOUT_CONTACTS: Final = frozenset(
    {"dropped_emails", "refused_emails", "customers_without_contact", "unknown_contacts", "filtered_contacts"}
)
_ABOUT_SUBSCRIPTIONS: Final = frozenset(
    {
        "interval_unknown", "interval_conflicts", "stale_end_dates", "overlaps", "vanished_subscriptions",
        "undecided_subscriptions",
    }
)  # fmt: skip
_REMARKS: Final = frozenset({"discount_shares", "plan_sources"})
_ABOUT_PAYMENTS: Final = frozenset({"payments_without_order", "refunds_above_payments"})
_BESIDE_EVENTS: Final = ("cancellations", "scheduled_cancellations")


def record_lines(stream: int, payload: bytes) -> Iterator[str]:
    """What a record says, field by field.

    Args:
        stream: its number.
        payload: as the store has it.
    """
    record = stored.decode_stored(stream, payload)
    match record:
        case Contact():
            yield from _fields(record, without=("id", *_PERSONAL))
            given = [name.replace("_", " ") for name in _PERSONAL if getattr(record, name)]
            yield f"given, and not shown here: {', '.join(given) or 'nothing'}"
        case Order():
            yield from _fields(record, without=("id", "contact", "order_items", "invoice_id"))
            if record.contact is not None:
                yield f"contact: {record.contact.id}"
            for item in record.order_items or ():
                yield from _item(item)
        case Product():
            yield from _fields(record, without=("id", "subscription_plans"))
            for plan in record.subscription_plans or ():
                yield f"plan {plan.id}: {plan.billing_cycle}, frequency {plan.billing_frequency}"
        case _:
            yield from _fields(record, without=("id", "external_reference_id"))


def parts_of(stream: str, record_id: str, payload: bytes | None) -> Callable[[LineItem | Transaction], bool]:
    """Which lines and transactions have to do with a record: of an invoice of its order, or of its contact."""
    match stream:
        case "subscriptions":
            return lambda part: isinstance(part, LineItem) and part.subscription_external_id == record_id
        case "payments":
            return lambda part: _is_of_payment(part, record_id)
        case "transactions" | "order_payments":
            record = None if payload is None else stored.decode_stored(stored.NUMBERS[stream], payload)
            if isinstance(record, PaymentTransaction):
                digits = _digits(record)
                return lambda part: isinstance(part, Transaction) and part.external_id.endswith(f"-{digits}")
            if isinstance(record, OrderPayment):
                return lambda part: _is_of_payment(part, record.payment_id or "")
            return lambda _: False
        case _:
            return lambda _: True


def concerns(stream: str, record_id: str, payload: bytes | None) -> Callable[[Invoice], bool]:
    """Which invoices have to do with a record, besides those that are made of it or are its contact's."""
    if stream in {"contacts", "orders"}:
        return lambda _: False
    mine = parts_of(stream, record_id, payload)
    return lambda invoice: any(map(mine, invoice.line_items)) or any(map(mine, invoice.transactions))


def uses_plan(stream: str, record_id: str, plan: str) -> bool:
    """Whether a plan in ChartMogul is made of a record of the catalogue."""
    parsed = ids.parse_plan_id(plan)
    return parsed is not None and record_id == {"products": parsed[0], "subscription_plans": parsed[1]}.get(stream)


def is_about(note: Note, stream: str, record_id: str) -> bool:
    """Whether a note is about a record."""
    if note.kind.startswith(_BESIDE_EVENTS):
        return False  # the cancellation itself says all of it
    if note.kind in _ABOUT_CONTACTS:
        about = "contacts"
    elif note.kind in _ABOUT_SUBSCRIPTIONS:
        about = "subscriptions"
    elif note.kind in _ABOUT_PAYMENTS:
        about = "payments"
    elif note.kind == "attempts_without_order":
        about = "transactions"
    elif note.kind in {"zero_decimal_currencies", "negative_lines"}:
        return stream == "orders" and note.detail.get("order") == record_id
    else:
        about = "orders"
    return stream == about and note.id == record_id


def related(stream: int, record: int, records: Iterable[StoredRecord]) -> Iterator[str]:
    """The gateway's attempts that name a record: they have no id that a person would know.

    Args:
        stream: of the record.
        record: its node.
        records: of its account.
    """
    if stream == stored.TRANSACTIONS:
        return
    for each in records:
        if each.stream == stored.TRANSACTIONS and each.payload and record in stored.links_of(each.stream, each.payload):
            yield f"attempt at a gateway: transaction:{each.number}"


def remarks(
    stream: str,
    order_id: str,
    records: Iterable[StoredRecord],
    holdings: Holdings,
    memories: Iterable[StoredMemory],
    catalogue: Any,
    context: Context,
) -> list[Note]:
    """What can be said of an order beyond its lines: who got which discount, and where a plan's interval is from.

    Args:
        stream: nothing is said of any but `orders`.
        order_id: the order.
        records: of its account.
        holdings: what ChartMogul has of it.
        memories: of the account.
        catalogue: see `KeapSource.catalogue`.
        context: of the decision.
    """
    if stream != "orders":
        return []
    account = account_of(records, holdings, memories, context)
    decision = decide(account, catalogue, context.settings, context.now, explain=True)
    return [note for note in decision.notes if note.id == order_id and note.kind in _REMARKS]


def why(
    stream: str, record_id: str, records: Iterable[StoredRecord], context: Context, *, nothing: bool
) -> Iterator[Said]:
    """What a record counts as, and why nothing is made of it.

    Args:
        stream: of the record.
        record_id: its id.
        records: of its account.
        context: of the decision.
        nothing: no object, reject or waiting record is made of it.
    """
    account = account_of(records, Holdings(), (), context)
    match stream:
        case "orders":
            yield from _why_order(account, record_id, nothing=nothing)
        case "payments":
            yield from _why_payment(account, record_id, context, nothing=nothing)
        case "transactions":
            yield from _why_transaction(account, int(record_id))
        case "order_payments":
            yield Said("it says which part of its payment is for its order, where the payment has several", "5.2")
        case "subscriptions" if nothing:
            yield Said("no line in ChartMogul names it, so it has no MRR, and no cancellation", "9.10")
        case "contacts" if nothing:
            yield Said(
                "a contact without a subscription or order is not a customer, but for `customer_scope: all`", "3.1"
            )
        case "free_trial_discounts":
            yield Said("its days count where an order and a subscription are paired", "4.3")
        case "products" | "subscription_plans" if nothing:
            yield Said("no line in ChartMogul uses it: plans are created only for lines", "2.4")


def _why_order(account: Account, order_id: str, *, nothing: bool) -> Iterator[Said]:
    order = account.orders.get(order_id)
    if order is None:
        return
    if order_id in account.gone_from("orders"):
        yield Said("gone from Keap: it still counts as it was last seen, unless `hard_delete` is set", "4.10")
    if not is_invoice(order):
        yield Said("a draft, or an order without items, is not an invoice", "4.1")
    elif nothing:
        yield Said("it is not sent; what is noted about it or its contact says why", "8")


def _why_payment(account: Account, payment_id: str, context: Context, *, nothing: bool) -> Iterator[Said]:
    row = account.payments.get(payment_id)
    if row is None:
        return
    by_payment: dict[str, list[OrderPayment]] = {}
    for part in account.order_payments:
        by_payment.setdefault(str(part.payment_id), []).append(part)
    found = classify(
        payments=account.payments,
        transactions=account.transactions,
        order_payments=by_payment,
        order_of_invoice={str(each.invoice_id): str(each.id) for each in account.orders.values()},
        settings=context.settings,
        now=context.now,
    )
    classes = (
        (found.cash, "a payment", "5.1"),
        (found.refunds, "a refund", "5.1"),
        (found.credits, "a credit or adjustment: not money", "5.7"),
        (found.write_offs, "a write-off: not money", "5.7"),
    )
    kind = next(((what, rule) for rows, what, rule in classes if any(e.payment_id == payment_id for e in rows)), None)
    if kind is not None:
        yield Said(f"it counts as {kind[0]}", kind[1])
        if nothing:
            yield Said("nothing of it is sent: it found no room in its orders' totals, or they are not sent", "5.3")
    elif payment_id in found.voided:
        yield Said("it was voided at the gateway: it never was", "5.1")
    elif row.status == "PENDING":
        yield Said("it is pending: not yet a payment", "5.1")


def _why_transaction(account: Account, number: int) -> Iterator[Said]:
    row = next((each for each in account.transactions if stored.number_of_transaction(each) == number), None)
    if row is None:
        return
    if row.transaction_method == "VOID":
        yield Said("a successful void: the payment that it names never was", "5.1")
    elif row.transaction_method == "REFUND":
        yield Said("a refund at the gateway counts only for what `refund_total` has beyond the refunds found", "5.4")
    elif row.is_successful is False and row.status != "PENDING":
        yield Said("a failed attempt", "5.5")
    else:
        yield Said("a successful or pending attempt is not a transaction of its own: the payment is its record", "5.5")


def _is_of_payment(part: LineItem | Transaction, payment_id: str) -> bool:
    if isinstance(part, LineItem):
        return part.external_id.endswith(f"-credit-{payment_id}")
    return part.external_id.startswith(f"{payment_id}-") and "-failed-" not in part.external_id


def _digits(row: PaymentTransaction) -> str:
    if row.transaction_time is None or row.amount is None or not row.amount.is_finite():
        return "?"
    hundredths = ids.hundredths(abs(row.amount))
    return ids.failed_attempt_id("", row.transaction_time, row.external_reference_id, hundredths).rpartition("-")[2]


def _fields(record: Any, without: tuple[str, ...]) -> Iterator[str]:
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name not in without and value is not None and value != []:
            yield f"{name}: {_shown(value)}"


def _item(item: OrderItem) -> Iterator[str]:
    product = f", product {item.product.id}" if item.product and item.product.id else ""
    subscription = f", subscription {item.subscription_id}" if item.subscription_id else ""
    plan = item.subscription_plan
    every = f", plan {plan.id}: {plan.cycle_type}, frequency {plan.frequency}" if plan else ""
    price = _shown(item.price_per_unit) if item.price_per_unit else "no price"
    discount = f", discount {_shown(item.discount)}" if item.discount and item.discount.amount else ""
    special = ""
    if item.special is not None and item.special.amount is not None:
        special = f", special {item.special.amount} {item.special.discount_method or ''}".rstrip()
    yield (
        f"item {item.id}, {item.item_type}: {item.quantity if item.quantity is not None else 1} × {price}"
        f"{product}{subscription}{every}{discount}{special}"
    )


def _shown(value: Any) -> str:
    match value:
        case CurrencyValue():
            return f"{value.amount} {value.currency_code or ''} (smallest unit)".replace("  ", " ")
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S UTC")
        case date():
            return value.isoformat()
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(str(each) for each in value)
        case Decimal():
            return str(value)
        case _:
            return str(value)
