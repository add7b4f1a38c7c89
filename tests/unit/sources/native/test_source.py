"""What the native source answers to the store and to the plan: numbers, links, owners, what is gone."""

from __future__ import annotations

import json

import pytest

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.nodes import CATALOGUE_END, NUMBERS, stream_of
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.native.rows import decoded
from target_chartmogul.sources.native.source import NativeSource
from target_chartmogul.sources.native.streams import LINES, STREAMS, line_node, node_of
from target_chartmogul.sources.protocol import InvalidRecordError, Source
from tests.support.native_records import SOURCE, records
from tests.support.native_rows import (
    STREAMS as NAMES,
)
from tests.support.native_rows import (
    cancellation,
    customer,
    invoice,
    line_item,
    payment,
    plan,
    shop,
    transaction,
)
from tests.unit.sources.native.test_decide import decided


def read(stream, row):
    return SOURCE.read(stream, json.dumps(row).encode())


def test_it_is_a_source():
    source: Source = NativeSource("shop-")
    assert source.name == "native"
    assert sorted(filter(None, source.streams)) == sorted(NAMES)
    assert source.streams[source.contact_stream] == "customers"
    assert source.contact_stream >= CATALOGUE_END > source.streams.index("plans")


def test_numbers_are_of_the_text_and_fit_a_node():
    found = read("customers", customer("acme/1"))
    assert (found.number, found.id_text) == (read("customers", {"external_id": "acme/1"}).number, "acme/1")
    assert 0 <= found.number < NUMBERS
    assert read("customers", customer(7)).number == read("customers", customer("7")).number
    assert len({read("customers", customer(f"c {n}")).number for n in range(1000)}) == 1000


def test_a_row_names_what_it_belongs_to():
    lines = [line_item("a"), line_item("b"), {"type": "one_time", "external_id": "c", "amount_in_cents": 1}]
    found = read("invoices", invoice(line_items=lines, transactions=[payment("t")]))
    assert found.links == (
        node_of("customers", "acme/1"),
        node_of("plans", "gold"),
        line_node("a"),
        line_node("b"),
        line_node("c"),
        node_of("transactions", "t"),
    )
    assert read("transactions", transaction("t", "A-1")).links == (node_of("invoices", "A-1"),)
    assert read("subscription_cancellations", cancellation()).links == (node_of("customers", "acme/1"),)
    assert read("customers", customer()).links == read("plans", plan()).links == ()
    assert stream_of(line_node("a")) == LINES >= len(STREAMS)


def test_what_is_stored_reads_back_and_equal_rows_are_equal_bytes():
    for stream, rows in shop().items():
        for row in rows:
            found = read(stream, row)
            assert tuple(SOURCE.links_of(STREAMS.index(stream), found.payload)) == found.links
            assert read(stream, dict(reversed(row.items()))) == found
            assert decoded(stream, found.payload) == decoded(stream, read(stream, row).payload)
    assert read("invoices", invoice()).payload != read("invoices", invoice(transactions=[])).payload


@pytest.mark.parametrize(
    ("stream", "row", "key"),
    [
        ("customers", {"external_id": "c1"}, "c1"),
        ("invoices", {"external_id": 5}, "5"),
        ("transactions", {"external_id": "t", "date": "nonsense"}, "t"),
        ("subscription_cancellations", {"external_id": "end"}, "end"),
        ("subscription_cancellations", cancellation(), "sub å1-cancelled-2026-03-01"),
    ],
)
def test_rule_1_8_a_row_that_was_deleted_often_has_its_key_alone(stream, row, key):
    found = read(stream, {**row, "_sdc_deleted_at": "2026-05-30T10:00:00Z"})
    assert (found.gone, found.id_text, found.links) == (True, key, ())
    assert found.number == node_of(stream, key) % NUMBERS


def test_a_row_that_was_not_deleted_says_so_with_null():
    assert read("customers", customer(_sdc_deleted_at=None)) == read("customers", customer())


def test_rule_1_8_a_row_that_was_deleted_but_says_not_which_is_rejected():
    for stream, row in (("customers", {}), ("subscription_cancellations", {"subscription_external_id": "s"})):
        with pytest.raises(InvalidRecordError):
            read(stream, {**row, "_sdc_deleted_at": "2026-05-30"})


@pytest.mark.parametrize(
    ("raw", "record_id", "field"),
    [
        (b"[", None, ""),
        (b"[]", None, ""),
        (b"{}", None, "external_id"),
        (b'{"external_id": "c1", "name": 5}', "c1", "name"),
        (b'{"external_id": 9, "country": "XX"}', "9", "country"),
        (b'{"external_id": true}', None, "external_id"),
    ],
)
def test_rule_1_5_a_row_that_cannot_be_used_is_named(raw, record_id, field):
    with pytest.raises(InvalidRecordError) as caught:
        SOURCE.read("customers", raw)
    assert (caught.value.stream, caught.value.record_id, caught.value.field) == ("customers", record_id, field)


def test_the_record_of_a_row_that_cannot_be_read():
    bad = invoice("A-1", date=None)
    assert SOURCE.id_of("invoices", bad) == (node_of("invoices", "A-1") % NUMBERS, "A-1")
    assert SOURCE.id_of("invoices", {"date": "2026-01-01"}) is None
    assert SOURCE.id_of("subscription_cancellations", cancellation(None)) is None


def test_owners_and_subjects_of_objects():
    found = decided(
        customers=[customer()],
        invoices=[invoice()],
        subscription_cancellations=[cancellation("2026-07-01", external_id="end")],
    )
    owner = node_of("customers", "acme/1")
    assert SOURCE.owner_node("customer", found.customers["acme/1"]) == owner
    assert SOURCE.subject_node("customer", found.customers["acme/1"]) is None
    assert SOURCE.owner_node("invoice", found.invoices["A-1"]) == owner
    assert SOURCE.subject_node("invoice", found.invoices["A-1"]) == node_of("invoices", "A-1")
    (event,) = found.events.values()
    assert event.event_type == CANCELLATION_SCHEDULED
    assert SOURCE.owner_node("event", event) == owner
    assert SOURCE.subject_node("event", event) == node_of("subscription_cancellations", "end")
    assert SOURCE.owner_node("plan", found.plans["gold"]) is None
    assert SOURCE.records_of(Change(action="create", kind="event", external_id="end-scheduled", desired=event)) == [
        "subscription_cancellations:end"
    ]
    assert SOURCE.records_of(Change(action="delete", kind="line_item", external_id="x", parent="A-1")) == [
        "invoices:A-1"
    ]
    assert [SOURCE.root_of(kind, "end-scheduled") for kind in ("event", "invoice")] == ["end", "end-scheduled"]


def test_rule_3_7_a_plan_that_chartmogul_has_is_renamed_and_no_other_is_written():
    held = SOURCE.catalogue(records({"plans": [plan()]}), {}).plans
    renamed = SOURCE.catalogue(records({"plans": [plan(name="Gold again"), plan("unused")]}), held)
    assert {key: each.name for key, each in SOURCE.plans_to_write(renamed).items()} == {"gold": "Gold again"}
    gone = SOURCE.catalogue(records({}, {"plans": [plan()]}), {})
    assert gone.has("gold")


@pytest.mark.parametrize(("prefix", "only"), [("", ()), ("42", ()), ("shop-", ("1",))])
def test_rule_1_4_settings_that_cannot_be_used(prefix, only):
    with pytest.raises(ConfigurationError, match="only_contacts" if only else "external_id_prefix"):
        NativeSource(prefix).check_settings(MappingSettings(only_contacts=only))
    SOURCE.check_settings(MappingSettings())
