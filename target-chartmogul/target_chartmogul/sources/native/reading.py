"""Rows read strictly, field by field, with ChartMogul's own names (its API reference).

Amounts are integers in hundredths of the major unit; instants are aware, in UTC. Fields that are not named here are
ignored, except those that would change the figures: they are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from target_chartmogul.billing.objects import (
    ONE_TIME,
    SUBSCRIPTION,
    VOIDED,
    WRITTEN_OFF,
    Customer,
    Invoice,
    LineItem,
    Plan,
    Transaction,
)
from target_chartmogul.sources.native.fields import Fields
from target_chartmogul.sources.native.rows import CancellationRow, InvoiceRow, Row, TransactionRow
from target_chartmogul.sources.native.streams import (
    CANCELLATIONS,
    CUSTOMERS,
    INVOICES,
    PLANS,
    SCHEDULED_ENDING,
    TRANSACTIONS,
)

_SET_BY_PEOPLE: Final = (VOIDED, WRITTEN_OFF)
_DERIVED: Final = ("open", "paid", "refunded")
"""ChartMogul derives these statuses from the transactions; they cannot be set."""
_NOT_SUPPORTED: Final = "is not supported, and leaving it out would change the figures"


def read(stream: str, record: Mapping[str, Any], prefix: str) -> Row:
    """A row of one of the native streams.

    Args:
        stream: its name.
        record: decoded JSON.
        prefix: `external_id_prefix`, which counts into the length of ids.

    Raises:
        InvalidFieldError: the first field that cannot be used, and why; without its value.
    """
    return _READERS[stream](Fields(record, prefix))


def read_key(stream: str, record: Mapping[str, Any], prefix: str) -> str:
    """The external id of a row of which nothing else need be there.

    Raises:
        InvalidFieldError: it has none.
    """
    fields = Fields(record, prefix)
    if stream != CANCELLATIONS or fields.has("external_id"):
        return fields.id("external_id")
    return _cancellation(fields).external_id


def _customer(fields: Fields) -> Customer:
    country = fields.text("country")
    if country is not None:
        country = country.upper()
        if country not in _countries():
            fields.refuse("country", "is not an ISO 3166-1 alpha-2 code")
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
    status = fields.choice("status", *_SET_BY_PEOPLE, *_DERIVED) if fields.has("status") else None
    disabled = fields.boolean("disabled")
    if fields.has("collection_method") and fields.choice("collection_method", "automatic", "manual") == "manual":
        fields.refuse("collection_method", _NOT_SUPPORTED)
    lines = tuple(map(_line, fields.objects("line_items") or ()))
    if not lines:
        fields.refuse("line_items", "is empty: ChartMogul does not take an invoice without lines")
    _refuse_twice(fields, "line_items", [line.external_id for line in lines])
    nested = fields.objects("transactions")
    total = sum(line.amount_in_cents for line in lines)
    rows = tuple(_transaction(each, total) for each in nested or ())
    _refuse_twice(fields, "transactions", [row.external_id for row in rows])
    return InvoiceRow(
        invoice=Invoice(
            external_id=external_id,
            customer_external_id=fields.id("customer_external_id"),
            date=fields.needed_instant("date"),
            due_date=fields.instant("due_date"),
            currency=fields.currency("currency"),
            status=status if status in _SET_BY_PEOPLE else None,
            disabled=disabled or None,
            line_items=lines,
            transactions=rows,
        ),
        lists_transactions=nested is not None,
        says_status=status is not None,
        says_disabled=disabled is not None,
    )


def _refuse_twice(fields: Fields, name: str, ids: list[str]) -> None:
    seen: set[str] = set()
    for place, external_id in enumerate(ids):
        if external_id in seen:
            fields.refuse(f"{name}.{place}.external_id", "is also the id of an earlier one")
        seen.add(external_id)


def _line(fields: Fields) -> LineItem:
    if fields.has("cancelled_at"):
        fields.refuse("cancelled_at", f"is not taken here: send it in the stream `{CANCELLATIONS}`")
    _refuse_unsupported(fields, "proration_type", "subscription_set_external_id")
    _refuse_true(fields, "prorated", "disabled")
    _refuse_fees(fields)
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
        _refuse_unsupported(fields, "plan_external_id", "plan_uuid")
        balance_transfer = fields.boolean("balance_transfer") or None
        return LineItem(**common, description=fields.text("description"), balance_transfer=balance_transfer)
    _refuse_true(fields, "balance_transfer")
    start, end = fields.needed_instant("service_period_start"), fields.needed_instant("service_period_end")
    if end < start:
        fields.refuse("service_period_end", "is before service_period_start")
    return LineItem(
        **common,
        subscription_external_id=fields.id("subscription_external_id"),
        plan_external_id=fields.id("plan_external_id"),
        service_period_start=start,
        service_period_end=end,
        event_order=fields.integer("event_order"),
    )


def _refuse_unsupported(fields: Fields, *names: str) -> None:
    for name in names:
        if fields.has(name):
            fields.refuse(name, _NOT_SUPPORTED)


def _refuse_true(fields: Fields, *names: str) -> None:
    for name in names:
        if fields.boolean(name):
            fields.refuse(name, _NOT_SUPPORTED)


def _refuse_fees(fields: Fields) -> None:
    """Fees change ChartMogul's cash flow; none, and the currency of none, change nothing."""
    if fields.integer("transaction_fees_in_cents"):
        fields.refuse("transaction_fees_in_cents", _NOT_SUPPORTED)


def _transaction(fields: Fields, whole: int | None = None) -> Transaction:
    """A transaction; nested, one without amount has that of the `whole` invoice, as in ChartMogul's API."""
    _refuse_fees(fields)
    _refuse_true(fields, "disabled")
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
    _refuse_unsupported(
        fields, "subscription_set_external_id", "event_order", "retracted_event_id", "cancellation_dates"
    )
    _refuse_true(fields, "disabled")
    if fields.has("event_type"):
        fields.choice("event_type", "subscription_cancelled")
    at, named = fields.instant("cancelled_at"), fields.instant("effective_date")
    if at is not None and named is not None and at != named:
        fields.refuse("cancelled_at", "differs from effective_date: they are two names of one field")
    effective = named or at
    subscription = fields.id("subscription_external_id", spare=len("-cancelled-2000-01-01") + len(SCHEDULED_ENDING))
    if fields.has("external_id"):
        external_id = fields.id("external_id", spare=len(SCHEDULED_ENDING))
        if external_id.endswith(SCHEDULED_ENDING):
            fields.refuse("external_id", f"ends with {SCHEDULED_ENDING}, as the ids of cancellations to come do here")
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
