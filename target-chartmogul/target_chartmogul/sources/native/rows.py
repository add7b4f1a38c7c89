"""Rows of ChartMogul-shaped streams: read strictly, field by field, with ChartMogul's own names.

Amounts are integers in hundredths of the major unit; instants are aware, in UTC. Fields that are not named here are
passed over, but for those that would change the figures if they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import msgspec

from target_chartmogul.billing.objects import ONE_TIME, SUBSCRIPTION, Customer, Invoice, LineItem, Plan, Transaction
from target_chartmogul.sources.native.fields import Fields
from target_chartmogul.sources.native.streams import (
    CANCELLATIONS,
    CUSTOMERS,
    INVOICES,
    PLANS,
    SCHEDULED_ENDING,
    TRANSACTIONS,
)

_NOT_TAKEN: Final = {
    "cancelled_at": "is not taken here: send it in the stream `subscription_cancellations`",
    "proration_type": "is not taken: lines are sent as not prorated",
}


class InvoiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice; `invoice.transactions` are those that were nested."""

    invoice: Invoice
    has_transactions: bool
    """The row had a list `transactions`, be it empty: then these are all that the invoice has."""

    @property
    def latest(self) -> datetime:
        """The latest of its dates that ChartMogul does not take from the future."""
        return max([self.invoice.date, *(each.date for each in self.invoice.transactions)])


class TransactionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that stands alone."""

    invoice_external_id: str
    transaction: Transaction


class CancellationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A cancellation; without `effective_date` it is withdrawn."""

    external_id: str
    customer_external_id: str
    subscription_external_id: str
    effective_date: datetime | None


Row = Customer | Plan | InvoiceRow | TransactionRow | CancellationRow


def read(stream: str, record: Mapping[str, Any], prefix: str) -> Row:
    """A row of one of `SHAPED_STREAMS`.

    Args:
        stream: its name.
        record: decoded JSON.
        prefix: `external_id_prefix`, which counts into the length of ids.

    Raises:
        InvalidFieldError: the first field that cannot be used, and why; without its value.
    """
    return _READERS[stream](Fields(record, prefix))


def key_of(row: Row) -> str:
    """The external id that a row is known by."""
    if isinstance(row, InvoiceRow):
        return row.invoice.external_id
    return row.transaction.external_id if isinstance(row, TransactionRow) else row.external_id


def _customer(fields: Fields) -> Customer:
    country = fields.text("country")
    if country is not None:
        country = country.upper()
        if country not in _countries():
            fields.refuse("country", "is no ISO 3166-1 alpha-2 code")
    return Customer(
        external_id=fields.id("external_id"),
        name=fields.text("name"),
        company=fields.text("company"),
        email=fields.text("email"),
        country=country,
        state=fields.text("state"),
        city=fields.text("city"),
        zip=fields.text("zip"),
        lead_created_at=fields.instant("lead_created_at"),
        free_trial_started_at=fields.instant("free_trial_started_at"),
    )


def _plan(fields: Fields) -> Plan:
    return Plan(
        external_id=fields.id("external_id"),
        name=fields.needed_text("name"),
        interval_count=fields.needed_integer("interval_count", least=1),
        interval_unit=fields.choice("interval_unit", "day", "month", "year"),
    )


def _invoice(fields: Fields) -> InvoiceRow:
    external_id = fields.id("external_id")
    lines = tuple(map(_line, fields.objects("line_items") or ()))
    if not lines:
        fields.refuse("line_items", "is empty: ChartMogul takes no invoice without lines")
    _refuse_twice(fields, "line_items", lines)
    nested = fields.objects("transactions")
    total = sum(line.amount_in_cents for line in lines)
    rows = tuple(_transaction(each, total) for each in nested or ())
    _refuse_twice(fields, "transactions", rows)
    return InvoiceRow(
        invoice=Invoice(
            external_id=external_id,
            customer_external_id=fields.id("customer_external_id"),
            date=fields.needed_instant("date"),
            due_date=fields.instant("due_date"),
            currency=fields.currency("currency"),
            line_items=lines,
            transactions=rows,
        ),
        has_transactions=nested is not None,
    )


def _refuse_twice(fields: Fields, name: str, parts: tuple[LineItem, ...] | tuple[Transaction, ...]) -> None:
    ids = [part.external_id for part in parts]
    for place, external_id in enumerate(ids):
        if external_id in ids[:place]:
            fields.refuse(f"{name}.{place}.external_id", "is that of an earlier one")


def _line(fields: Fields) -> LineItem:
    for name, reason in _NOT_TAKEN.items():
        if fields.has(name):
            fields.refuse(name, reason)
    if fields.boolean("prorated"):
        fields.refuse("prorated", "is not taken: lines are sent as not prorated")
    kind = fields.choice("type", SUBSCRIPTION, ONE_TIME)
    quantity = fields.integer("quantity")
    if quantity == 0:
        fields.refuse("quantity", "must not be 0")
    common: dict[str, Any] = {
        "external_id": fields.id("external_id"),
        "type": kind,
        "amount_in_cents": fields.needed_integer("amount_in_cents"),
        "quantity": 1 if quantity is None else quantity,
        "tax_amount_in_cents": fields.integer("tax_amount_in_cents", least=0) or 0,
        "discount_amount_in_cents": fields.integer("discount_amount_in_cents", least=0) or 0,
    }
    if kind == ONE_TIME:
        balance_transfer = fields.boolean("balance_transfer") or None
        return LineItem(**common, description=fields.text("description"), balance_transfer=balance_transfer)
    start, end = fields.needed_instant("service_period_start"), fields.needed_instant("service_period_end")
    if end < start:
        fields.refuse("service_period_end", "is before service_period_start")
    return LineItem(
        **common,
        subscription_external_id=fields.id("subscription_external_id"),
        plan_external_id=fields.id("plan_external_id"),
        service_period_start=start,
        service_period_end=end,
    )


def _transaction(fields: Fields, whole: int | None = None) -> Transaction:
    """A transaction; nested, one without amount has that of the `whole` invoice, as in ChartMogul's API."""
    amount = fields.integer("amount_in_cents", least=0)
    if amount is None:
        amount = whole if whole is not None else fields.needed_integer("amount_in_cents")
    if amount < 0:
        fields.refuse("amount_in_cents", "is missing, and the invoice is below 0")
    return Transaction(
        external_id=fields.id("external_id"),
        type=fields.choice("type", "payment", "refund"),
        result=fields.choice("result", "successful", "failed"),
        date=fields.needed_instant("date"),
        amount_in_cents=amount,
    )


def _standing_transaction(fields: Fields) -> TransactionRow:
    return TransactionRow(
        invoice_external_id=fields.id("invoice_external_id"),
        transaction=_transaction(fields),
    )


def _cancellation(fields: Fields) -> CancellationRow:
    """§2's id where the row has none: `<subscription>-cancelled-<day>`, the day in UTC."""
    at, named = fields.instant("cancelled_at"), fields.instant("effective_date")
    if at is not None and named is not None and at != named:
        fields.refuse("cancelled_at", "differs from effective_date: they are two names of one field")
    effective = named or at
    subscription = fields.id("subscription_external_id", spare=len("-cancelled-2000-01-01") + len(SCHEDULED_ENDING))
    if fields.has("external_id"):
        external_id = fields.id("external_id", spare=len(SCHEDULED_ENDING))
    elif effective is not None:
        external_id = f"{subscription}-cancelled-{effective.date().isoformat()}"
    else:
        fields.refuse("effective_date", "is missing; only a row with an external_id can withdraw a cancellation so")
    return CancellationRow(
        external_id=external_id,
        customer_external_id=fields.id("customer_external_id"),
        subscription_external_id=subscription,
        effective_date=effective and effective.replace(microsecond=0),
    )


@cache
def _countries() -> frozenset[str]:
    import pycountry  # noqa: PLC0415 - 40 ms that a run without addresses does not need

    return frozenset(country.alpha_2 for country in pycountry.countries)


_READERS: Final[Mapping[str, Callable[[Fields], Row]]] = {
    CUSTOMERS: _customer,
    PLANS: _plan,
    INVOICES: _invoice,
    TRANSACTIONS: _standing_transaction,
    CANCELLATIONS: _cancellation,
}
