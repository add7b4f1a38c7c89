"""Keap's records as the store keeps them, and what Keap's external ids say (rules 1.4, 1.5, 1.6, 1.8, §2)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.nodes import CATALOGUE_END, number_of, stream_of
from target_chartmogul.billing.objects import Customer, Invoice, Plan, SubscriptionEvent
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.source import KeapSource
from target_chartmogul.sources.protocol import Context, InvalidRecordError, ReadRecord, Source, StoredRecord
from tests.support.billing_objects import cancellation, customer, invoice
from tests.support.keap_rows import Row, contact, item, order, payment, product, subscription, subscription_item
from tests.unit.sources.keap.deciding import NOW

SOURCE: Source = KeapSource()
TRANSACTION: Row = {
    "amount": 49.0,
    "status": "FAILED",
    "is_successful": False,
    "transaction_method": "CAPTURE",
    "transaction_time": "2026-01-12T00:00:00Z",
    "contact_id": "1207",
    "payment_id": "17",
    "order_ids": ["9000"],
    "external_reference_id": "ch_1",
}


def read(stream: str, row: Row, source: Source = SOURCE) -> ReadRecord:
    return source.read(stream, json.dumps(row).encode())


def named(record: ReadRecord) -> set[tuple[str, int]]:
    return {(SOURCE.streams[stream_of(node)], number_of(node)) for node in record.links}


def test_rule_1_6_streams_have_numbers_and_the_catalogue_comes_first() -> None:
    assert SOURCE.streams == (
        *("products", "subscription_plans", "free_trial_discounts", "contacts", "subscriptions"),
        *("orders", "payments", "transactions", "order_payments", "account"),
    )
    assert SOURCE.streams.index("contacts") == SOURCE.contact_stream == CATALOGUE_END


@pytest.mark.parametrize(
    ("stream", "properties", "is_keaps"),
    [
        ("orders", {"id": {}}, True),
        ("transactions", {"payment_id": {}}, True),
        ("transactions", {"invoice_external_id": {}}, False),
        ("customers", {}, False),
        ("account", {"id": {}, "time_zone": {}}, True),
        ("account", {"id": {}, "name": {}}, False),
    ],
)
def test_takes(stream: str, properties: Row, is_keaps: bool) -> None:
    assert SOURCE.takes(stream, {"properties": properties}) is is_keaps


@pytest.mark.parametrize(
    ("stream", "row", "expected"),
    [
        ("contacts", contact(), set()),
        ("products", product(), set()),
        ("subscriptions", subscription(), {("contacts", 1207), ("products", 31), ("subscription_plans", 7)}),
        ("subscriptions", subscription(contact_id=None, product_id="0"), {("subscription_plans", 7)}),
        (
            "orders",
            order("9000", [subscription_item("1", "501"), item("2", "TAX")], 4900),
            {("contacts", 1207), ("subscriptions", 501), ("products", 31), ("subscription_plans", 7)},
        ),
        ("payments", payment("17", ["9000", "9001"], 49.0), {("orders", 9000), ("orders", 9001)}),
        ("payments", payment("17", [], 49.0), {("contacts", 1207)}),
        (
            "payments",
            payment("17", ["9000"], 49.0, refund_payment_id="18"),
            {("orders", 9000), ("payments", 18)},
        ),
        ("transactions", TRANSACTION, {("orders", 9000), ("payments", 17)}),
        (
            "order_payments",
            {"id": "1", "payment_id": "17", "order_id": "9000", "invoice_id": "99", "amount": 1.0},
            {("orders", 9000), ("payments", 17)},
        ),
    ],
)
def test_rule_1_8_a_record_names_others(stream: str, row: Row, expected: set[tuple[str, int]]) -> None:
    record = read(stream, row)
    assert named(record) == expected
    assert len(set(record.links)) == len(record.links)
    assert list(SOURCE.links_of(SOURCE.streams.index(stream), record.payload)) == list(record.links)


def test_rule_1_6_equal_content_is_equal_bytes_however_it_is_spelt() -> None:
    row = order("9000", [subscription_item("1", "501")], 4900)
    again = {
        **row,
        "id": 9000,
        "status": " Paid ",
        "lead_affiliate_id": "5",
        "modification_time": "2026-05-01T00:00:00Z",
    }
    again["order_time"] = "2026-01-10T13:00:00+01:00"
    again["order_items"] = [{**row["order_items"][0], "item_type": "Subscription"}]
    assert read("orders", again) == read("orders", row)
    assert read("orders", {**row, "status": "DRAFT"}).payload != read("orders", row).payload


def test_rules_1_6_and_3_8_only_custom_fields_on_the_list_are_kept() -> None:
    row = contact(custom_fields=[{"id": "3", "content": "secret"}, {"id": 4, "content": "gold"}], phone_numbers=["1"])
    assert b"secret" not in read("contacts", row).payload
    kept = read("contacts", row, KeapSource(custom_fields=["4"])).payload
    assert (b"gold" in kept, b"secret" in kept, b"phone" in kept) == (True, False, False)


def test_rule_1_8_a_row_may_say_that_its_record_was_deleted() -> None:
    row = payment("17", ["9000"], 49.0)
    assert read("payments", {**row, "_sdc_deleted_at": "2026-01-01T00:00:00Z"}) == ReadRecord(17, b"", (), gone=True)
    assert read("payments", {**row, "_sdc_deleted_at": None}) == read("payments", row)


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"status": "DECLINED", "is_successful": True}, True),
        ({"amount": 48.0}, False),
        ({"external_reference_id": "ch_2"}, False),
        ({"transaction_time": "2026-01-12T00:00:01Z"}, False),
        ({"transaction_time": None}, False),
        ({"transaction_time": "1900-01-01T00:00:00Z"}, False),
        ({"transaction_time": "2100-01-01T00:00:00Z"}, False),
        ({"order_ids": ["9001"]}, False),
        ({"payment_id": None}, False),
    ],
)
def test_rule_1_8_a_transaction_is_what_it_is_about(change: Row, is_same: bool) -> None:
    record, other = read("transactions", TRANSACTION), read("transactions", {**TRANSACTION, **change})
    assert (record.number == other.number) is is_same
    assert 0 <= other.number < 1 << 59


@pytest.mark.parametrize(
    ("stream", "row", "field", "known"),
    [
        ("orders", {"id": "x"}, "id", None),
        ("orders", {}, "id", None),
        ("orders", {"id": "9000", "total": {"amount": "4"}}, "total.amount", 9000),
        ("orders", {"id": 9000, "contact": {"id": "one"}}, "contact.id", 9000),
        ("payments", {"id": "17", "order_ids": ["1" * 18]}, "order_ids", 17),
        ("contacts", {"id": "9" * 18}, "id", None),
        ("transactions", {"amount": "ten"}, "amount", None),
    ],
)
def test_rule_1_5_what_cannot_be_read_names_itself(stream: str, row: Row, field: str, known: int | None) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        read(stream, row)
    assert (caught.value.stream, caught.value.field) == (stream, field)
    assert SOURCE.id_of(stream, row) == (None if known is None else (known, None))


@pytest.mark.parametrize(
    ("kind", "external_id", "root"),
    [
        ("invoice", "9000", "9000"),
        ("invoice", "9000-c1207", "9000"),
        ("invoice", "INV-9000", ""),
        ("line_item", "9000-1", "9000"),
        ("line_item", "9000-c1207-adjustment", "9000"),
        ("line_item", "9000-credit-17", "9000"),
        ("line_item", "9000", ""),
        ("transaction", "17-9000", "9000"),
        ("transaction", "17-9000-c1207", "9000"),
        ("transaction", "9000-failed-0123456789ab", "9000"),
        ("transaction", "9000-c1207-refund-0123456789ab", "9000"),
        ("transaction", "9000-lost-0123456789ab", ""),
        ("event", "501-cancelled-2026-02-10", "501"),
        ("event", "501-scheduled-2026-02-10", "501"),
        ("event", "501-cancelled-2026-02-30", ""),
        ("customer", "1207", "1207"),
        ("plan", "31-7-1month", "31-7-1month"),
    ],
)
def test_rules_1_4_and_2_1_ids_that_this_target_forms(kind: Any, external_id: str, root: str) -> None:
    assert SOURCE.root_of(kind, external_id) == root
    assert SOURCE.is_ours(kind, external_id) is (root != "")


@pytest.mark.parametrize(
    ("kind", "external_id"), [("customer", "cus_1"), ("plan", "gold"), ("plan", "31-7-1week"), ("plan", "07-7-1month")]
)
def test_rule_1_4_ids_of_others(kind: Any, external_id: str) -> None:
    assert not SOURCE.is_ours(kind, external_id)


@pytest.mark.parametrize(
    "number", ["12345678901234567890", "9" * 5000, "007", "0", "", "٣", "\u00b2", "1\n", " 1", "-1", "1.0"]
)
def test_rule_1_4_numbers_that_are_not_keaps(number: str) -> None:
    """Who writes into our data source may use any id; a number of twenty digits once ended every later run."""
    forms: dict[Any, tuple[str, ...]] = {
        "customer": (number,),
        "plan": (f"31-7-{number}month",),
        "event": (f"{number}-cancelled-2026-02-10", "501-cancelled-٢٠٢٦-02-10"),
        "invoice": (number, f"9000-c{number}"),
        "line_item": (f"{number}-1", f"9000-{number}", f"9000-credit-{number}"),
        "transaction": (f"17-{number}", f"{number}-9000", f"{number}-failed-0123456789ab"),
    }
    for kind, ids in forms.items():
        for external_id in ids:
            assert not SOURCE.is_ours(kind, external_id), (kind, external_id)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    foreign = Invoice(external_id=number, customer_external_id=number, date=moment, currency="USD")
    assert SOURCE.owner_node("invoice", foreign) is None
    assert SOURCE.subject_node("invoice", foreign) is None


def name(node: int | None) -> tuple[str, int] | None:
    return None if node is None else (SOURCE.streams[stream_of(node)], number_of(node))


PLAN = Plan(external_id="31-7-1month", name="Club", interval_count=1, interval_unit="month")


@pytest.mark.parametrize(
    ("kind", "thing", "owner", "subject", "records"),
    [
        ("customer", customer(7), ("contacts", 7), None, ["contacts:7"]),
        ("plan", PLAN, None, None, ["products:31"]),
        ("invoice", invoice("9000-c7", 7), ("contacts", 7), ("orders", 9000), ["orders:9000"]),
        ("event", cancellation("501", 7), ("contacts", 7), ("subscriptions", 501), ["subscriptions:501"]),
        ("customer", Customer(external_id="cus_1"), None, None, ["contacts:cus_1"]),
    ],
)
def test_whose_an_object_is_and_what_of(
    kind: Any,
    thing: Customer | Plan | Invoice | SubscriptionEvent,
    owner: tuple[str, int] | None,
    subject: tuple[str, int] | None,
    records: list[str],
) -> None:
    assert name(SOURCE.owner_node(kind, thing)) == owner
    assert name(SOURCE.subject_node(kind, thing)) == subject
    change = Change(action="delete", kind=kind, external_id=thing.external_id, held=thing)
    assert SOURCE.records_of(change) == records


def test_parts_of_an_invoice_are_its_order_s() -> None:
    for part in invoice("9000-c7").transactions + invoice("9000-c7").line_items:
        change = Change(action="delete", kind="transaction", external_id=part.external_id, parent="9000-c7")
        assert SOURCE.records_of(change) == ["orders:9000"]


def stored(stream: str, row: Row | None, number: int = 0, *, gone: bool = False) -> StoredRecord:
    record = read(stream, row) if row is not None else ReadRecord(number, b"", ())
    payload = None if row is None else record.payload
    return StoredRecord(SOURCE.streams.index(stream), record.number, payload, gone, None)


def test_rules_1_8_and_9_9_records_and_memories_go_in_and_memories_come_out() -> None:
    source = KeapSource()
    ended = subscription(active=False, next_bill_date=None, last_bill_date=None, modification_time=None)
    rows = [
        stored("contacts", contact()),
        stored("subscriptions", {**ended, "start_date": "2026-01-10"}),
        stored("orders", order("9000", [subscription_item("1", "501")], 4900)),
        stored("payments", payment("17", ["9000"], 49.0), gone=True),
        stored("orders", None, 9001),
        stored("transactions", TRANSACTION, gone=True),
    ]
    catalogue = source.catalogue([stored("products", product(name="Gold"), gone=True)], {})
    context = Context(settings=MappingSettings(), now=NOW)
    refused = source.email_refused("1207", "contact1207@example.com")
    assert b"example" not in refused.value
    decision = source.decide(rows, Holdings(), [refused], catalogue, context)
    assert decision.invoices["9000"].transactions == (), "a gone payment never was"
    assert decision.plans["31-7-1month"].name == "Gold (monthly)", "the last version of a gone product counts"
    assert decision.customers["1207"].email is None
    assert list(decision.events) == ["501-cancelled-2026-06-01"]
    kinds = [(name(each.node), each.kind, each.key) for each in decision.memories]
    assert kinds == [
        (("subscriptions", 501), "cancellation_source", "501-cancelled-2026-06-01"),
        (("contacts", 1207), "refused_email", "1207"),
        (("subscriptions", 501), "first_seen", "501"),
    ]
    held = Holdings(customers=decision.customers, invoices=decision.invoices, events=decision.events)
    later = Context(settings=MappingSettings(), now=NOW.replace(day=20))
    again = source.decide(rows, held, decision.memories, catalogue, later)
    assert (again.events, again.memories) == (decision.events, decision.memories)
    assert list(source.decide(rows, Holdings(), [], catalogue, later).events) == ["501-cancelled-2026-06-20"]


def test_rule_3_7_plans_that_are_called_otherwise() -> None:
    held = {"31-7-1month": PLAN}
    assert (
        SOURCE.plans_to_write(SOURCE.catalogue([stored("products", product(name="Gold"))], held)).keys() == held.keys()
    )
    assert SOURCE.plans_to_write(SOURCE.catalogue([stored("products", product(name="Club"))], {})) == {}
