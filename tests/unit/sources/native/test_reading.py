"""Rows of native streams: what is taken as what, and what is refused with which field (rule 1.5)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from target_chartmogul.sources.native.fields import InvalidFieldError
from target_chartmogul.sources.native.reading import read
from target_chartmogul.sources.native.streams import takes
from tests.support.native_rows import cancellation, customer, invoice, line_item, payment, plan, transaction

PREFIX = "shop-"


def lines(**fields):
    return invoice(line_items=[line_item(**fields)])


def paid(**fields):
    return invoice(transactions=[payment(**fields)])


REFUSED = [
    ("customers", {"name": "x"}, "external_id"),
    ("customers", customer(""), "external_id"),
    ("customers", customer(None), "external_id"),
    ("customers", customer(True), "external_id"),
    ("customers", customer(1.5), "external_id"),
    ("customers", customer(" x"), "external_id"),
    ("customers", customer("a\nb"), "external_id"),
    ("customers", customer("x" * 251), "external_id"),
    ("customers", customer(name=5), "name"),
    ("customers", customer(name="x" * 256), "name"),
    ("customers", customer(country="USA"), "country"),
    ("customers", customer(lead_created_at="2026-13-01"), "lead_created_at"),
    ("customers", customer(lead_created_at=1767225600), "lead_created_at"),
    ("customers", customer(free_trial_started_at="0001-01-01T00:00:00+05:00"), "free_trial_started_at"),
    ("customers", customer(free_trial_started_at="9999-12-31T23:00:00-05:00"), "free_trial_started_at"),
    ("plans", plan(name=" "), "name"),
    ("plans", plan(interval_count=0), "interval_count"),
    ("plans", plan(interval_count="1"), "interval_count"),
    ("plans", plan(interval_count=True), "interval_count"),
    ("plans", plan(interval_unit="week"), "interval_unit"),
    ("plans", plan(interval_unit=None), "interval_unit"),
    ("invoices", invoice(owner=None), "customer_external_id"),
    ("invoices", invoice(date=None), "date"),
    ("invoices", invoice(due_date="later"), "due_date"),
    ("invoices", invoice(currency="US"), "currency"),
    ("invoices", invoice(currency="XAU"), "currency"),
    ("invoices", invoice(currency=None), "currency"),
    ("invoices", invoice(line_items=None), "line_items"),
    ("invoices", invoice(line_items={}), "line_items"),
    ("invoices", invoice(line_items=[None]), "line_items.0"),
    ("invoices", invoice(line_items=[line_item("a"), line_item("a")]), "line_items.1.external_id"),
    ("invoices", invoice(transactions="none"), "transactions"),
    ("invoices", invoice(transactions=[payment("a"), payment("a")]), "transactions.1.external_id"),
    ("invoices", lines(external_id=None), "line_items.0.external_id"),
    ("invoices", lines(type="trial"), "line_items.0.type"),
    ("invoices", lines(amount=49.0), "line_items.0.amount_in_cents"),
    ("invoices", lines(amount="4900"), "line_items.0.amount_in_cents"),
    ("invoices", lines(amount=2**60), "line_items.0.amount_in_cents"),
    ("invoices", lines(quantity=0), "line_items.0.quantity"),
    ("invoices", lines(tax_amount_in_cents=-1), "line_items.0.tax_amount_in_cents"),
    ("invoices", lines(discount_amount_in_cents=0.5), "line_items.0.discount_amount_in_cents"),
    ("invoices", lines(prorated=True), "line_items.0.prorated"),
    ("invoices", lines(prorated="no"), "line_items.0.prorated"),
    ("invoices", lines(proration_type="full"), "line_items.0.proration_type"),
    ("invoices", lines(cancelled_at="2026-02-01"), "line_items.0.cancelled_at"),
    ("invoices", lines(subscription_set_external_id="set"), "line_items.0.subscription_set_external_id"),
    ("invoices", lines(transaction_fees_in_cents=5), "line_items.0.transaction_fees_in_cents"),
    ("invoices", lines(disabled=True), "line_items.0.disabled"),
    ("invoices", lines(balance_transfer=True), "line_items.0.balance_transfer"),
    ("invoices", lines(event_order="2"), "line_items.0.event_order"),
    ("invoices", lines(event_order=1.5), "line_items.0.event_order"),
    ("invoices", lines(type="one_time"), "line_items.0.plan_external_id"),
    ("invoices", lines(type="one_time", plan_external_id=None, plan_uuid="pl_1"), "line_items.0.plan_uuid"),
    ("invoices", invoice(status="void"), "status"),
    ("invoices", invoice(status=4), "status"),
    ("invoices", invoice(disabled="yes"), "disabled"),
    ("invoices", invoice(collection_method="manual"), "collection_method"),
    ("invoices", paid(transaction_fees_in_cents=30), "transactions.0.transaction_fees_in_cents"),
    ("invoices", paid(disabled=True), "transactions.0.disabled"),
    ("invoices", lines(subscription_external_id=None), "line_items.0.subscription_external_id"),
    ("invoices", lines(plan_external_id=""), "line_items.0.plan_external_id"),
    ("invoices", lines(service_period_end=None), "line_items.0.service_period_end"),
    ("invoices", lines(service_period_end="2026-01-04"), "line_items.0.service_period_end"),
    ("invoices", paid(result="pending"), "transactions.0.result"),
    ("invoices", paid(amount_in_cents=-1), "transactions.0.amount_in_cents"),
    ("transactions", payment(), "invoice_external_id"),
    ("transactions", transaction(amount_in_cents=None), "amount_in_cents"),
    ("transactions", transaction(type="credit"), "type"),
    ("subscription_cancellations", cancellation(None), "effective_date"),
    ("subscription_cancellations", cancellation(cancelled_at="2026-03-02"), "cancelled_at"),
    ("subscription_cancellations", cancellation(owner=None), "customer_external_id"),
    ("subscription_cancellations", cancellation(subscription_external_id=None), "subscription_external_id"),
    ("subscription_cancellations", cancellation(external_id="x" * 245), "external_id"),
    ("subscription_cancellations", cancellation(external_id="end-scheduled"), "external_id"),
    ("subscription_cancellations", cancellation(event_type="subscription_updated"), "event_type"),
    ("subscription_cancellations", cancellation(event_order=1), "event_order"),
    ("subscription_cancellations", cancellation(subscription_set_external_id="s"), "subscription_set_external_id"),
    ("subscription_cancellations", cancellation(disabled=True), "disabled"),
    ("subscription_cancellations", cancellation(cancellation_dates=["2026-03-01"]), "cancellation_dates"),
]


@pytest.mark.parametrize(
    ("stream", "row", "field"), REFUSED, ids=[f"{each[0]}-{each[2]}-{n}" for n, each in enumerate(REFUSED)]
)
def test_rule_1_5_a_row_that_cannot_be_used_is_refused_by_field(stream, row, field):
    with pytest.raises(InvalidFieldError) as caught:
        read(stream, row, PREFIX)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given", "status"),
    [("voided", "voided"), ("written_off", "written_off"), ("open", None), ("paid", None), ("refunded", None)],
)
def test_a_status_is_taken_where_it_can_be_set_and_ignored_where_chartmogul_derives_it(given, status):
    found = read("invoices", invoice(status=given, disabled=True), PREFIX)
    assert (found.invoice.status, found.invoice.disabled, found.says_status) == (status, True, True)
    plain = read("invoices", invoice(status=None, disabled=False), PREFIX)
    assert (plain.invoice.status, plain.invoice.disabled) == (None, None)
    assert (plain.says_status, plain.says_disabled) == (False, True)


def test_event_order_is_taken_on_subscription_lines():
    assert [read("invoices", lines(event_order=n), PREFIX).invoice.line_items[0].event_order for n in (2, 0, None)] == [
        2,
        0,
        None,
    ]


def test_fields_that_change_no_figure_are_ignored():
    harmless = {
        "account_code": "4000", "discount_code": "X", "discount_description": "ten", "transaction_fees_in_cents": 0,
        "transaction_fees_currency": "USD", "prorated": False, "proration_type": None, "cancelled_at": None,
        "subscription_set_external_id": None, "uuid": "li_1", "errors": {}, "plan_uuid": "pl_1", "colour": "red",
    }  # fmt: skip
    assert read("invoices", lines(**harmless), PREFIX) == read("invoices", lines(), PREFIX)
    more = {"collection_method": "automatic", "uuid": "inv_1", "user_created": True, "data_source_uuid": "ds_1"}
    assert read("invoices", invoice(**more), PREFIX) == read("invoices", invoice(), PREFIX)
    lead = {"owner": "a@b.example.com", "status": "Active", "website_url": "x", "attributes": {"tags": ["a"]}}
    assert read("customers", customer(**lead), PREFIX) == read("customers", customer(), PREFIX)
    event = {"event_type": "subscription_cancelled", "event_date": "2026-01-01", "id": 5, "errors": {}}
    assert read("subscription_cancellations", cancellation(**event), PREFIX) == read(
        "subscription_cancellations", cancellation(), PREFIX
    )


def test_no_reason_holds_a_value():
    secret = "someone@example.com"
    for stream, row in (
        ("customers", customer(secret * 20)),
        ("customers", customer(country=secret)),
        ("customers", customer(lead_created_at=secret)),
        ("plans", plan(interval_unit=secret)),
        ("invoices", invoice(currency=secret)),
        ("transactions", transaction(amount_in_cents=secret)),
    ):
        with pytest.raises(InvalidFieldError) as caught:
            read(stream, row, PREFIX)
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01 10:00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01 10:00:00 UTC", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T10:00:00.123456Z", datetime(2026, 3, 1, 10, 0, 0, 123000, tzinfo=UTC)),
    ],
)
def test_dates_in_all_of_chartmoguls_forms(text, wanted):
    assert read("invoices", invoice(date=text), PREFIX).invoice.date == wanted


def test_numbers_are_ids_and_the_longest_id_leaves_room_for_the_prefix():
    assert read("customers", customer(7), PREFIX).external_id == "7"
    assert read("customers", customer("x" * 250), PREFIX).external_id == "x" * 250
    assert read("subscription_cancellations", cancellation(external_id="x" * 240), PREFIX).external_id == "x" * 240


def test_small_letters_and_spaces():
    found = read("customers", customer(country="de", city=" Bonn ", zip=""), PREFIX)
    assert (found.country, found.city, found.zip) == ("DE", "Bonn", None)
    assert read("invoices", invoice(currency="eur"), PREFIX).invoice.currency == "EUR"


def test_a_nested_transaction_without_amount_is_the_whole_invoices():
    row = invoice(line_items=[line_item("a", 1000), line_item("b", 250)], transactions=[payment(amount_in_cents=None)])
    (found,) = read("invoices", row, PREFIX).invoice.transactions
    assert found.amount_in_cents == 1250
    credit = invoice(line_items=[line_item("a", -1)], transactions=[payment(amount_in_cents=None)])
    with pytest.raises(InvalidFieldError, match=r"transactions\.0\.amount_in_cents is missing"):
        read("invoices", credit, PREFIX)


def test_a_one_time_line_needs_neither_plan_nor_period():
    row = invoice(line_items=[{"type": "one_time", "external_id": "a", "amount_in_cents": -5, "description": "Setup"}])
    (found,) = read("invoices", row, PREFIX).invoice.line_items
    assert (found.amount_in_cents, found.description, found.plan_external_id, found.quantity) == (-5, "Setup", None, 1)


@pytest.mark.parametrize("name", ["effective_date", "cancelled_at"])
def test_section_2_a_cancellation_without_id_is_named_by_subscription_and_day(name):
    row = {**cancellation(None), name: "2026-03-01T23:30:00-02:00"}
    found = read("subscription_cancellations", row, PREFIX)
    assert found.external_id == "sub å1-cancelled-2026-03-02"
    assert found.effective_date == datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stream", "properties", "wanted"),
    [
        ("customers", {}, True),
        ("subscription_cancellations", {}, True),
        ("transactions", {"invoice_external_id": {}}, True),
        ("transactions", {"id": {}, "order_ids": {}}, False),
        ("orders", {"invoice_external_id": {}}, False),
    ],
)
def test_transactions_are_chartmoguls_by_their_schema(stream, properties, wanted):
    assert takes(stream, {"properties": properties}) is wanted
