"""Whole bodies of answers, with the defaults that ChartMogul fills in, and the filters of lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.chartmogul_calls import Calls, invoice, payment
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        yield calls


def test_a_new_data_source(api: Calls) -> None:
    made = api.made("/data_sources", {"name": "Keap"})
    assert made == {
        "uuid": made["uuid"], "name": "Keap", "system": "Custom", "created_at": "2026-06-15T12:00:00.000Z",
        "status": "idle",
    }  # fmt: skip


def test_a_customer_with_nothing_but_its_ids(api: Calls) -> None:
    source = api.source()
    made = api.made("/customers", {"data_source_uuid": source, "external_id": "c1", "name": "Mara Quill"})
    assert made == {
        "id": made["id"], "uuid": made["uuid"], "external_id": "c1", "name": "Mara Quill", "email": "",
        "status": "New Lead", "customer-since": None, "attributes": {"custom": {}, "stripe": {}, "tags": []},
        "data_source_uuid": source, "data_source_uuids": [source], "external_ids": ["c1"], "company": "",
        "country": None, "state": None, "city": None, "zip": None, "lead_created_at": None,
        "free_trial_started_at": None,
        "address": {"country": None, "state": None, "city": None, "address_zip": None},
        "mrr": 0, "arr": 0, "billing-system-url": None,
        "chartmogul-url": f"https://app.chartmogul.com/#/customers/{made['id']}-Mara_Quill",
        "billing-system-type": "Custom", "currency": "USD", "currency-sign": "$", "owner": None,
        "website_url": None,
    }  # fmt: skip


def test_an_imported_invoice(api: Calls) -> None:
    source = api.source()
    customer, plan = api.customer(source), api.plan(source, count=7, unit="day")
    made = api.invoice(customer, {
        "external_id": "i1", "date": "2016-01-01 12:00:00 UTC", "currency": "USD",
        "line_items": [
            {
                "type": "subscription", "subscription_external_id": "s1", "plan_uuid": plan,
                "service_period_start": "2016-01-01 12:00:00 UTC", "amount_in_cents": 1000, "quantity": 5,
                "service_period_end": "2016-02-01 12:00:00 UTC", "cancelled_at": "2016-01-15 12:00:00 UTC",
            },
            {"type": "one_time", "external_id": "l2", "amount_in_cents": 7, "description": "Book"},
        ],
        "transactions": [{"type": "payment", "date": "2016-01-02", "result": "successful"}],
    })  # fmt: skip
    one, two = made["line_items"]
    defaults = {
        "discount_code": "", "discount_amount_in_cents": 0, "tax_amount_in_cents": 0,
        "transaction_fees_in_cents": 0, "account_code": "", "transaction_fees_currency": None,
        "discount_description": None, "event_order": None, "errors": {},
    }  # fmt: skip
    assert one == {
        "uuid": one["uuid"], "external_id": None, "type": "subscription", "amount_in_cents": 1000,
        "subscription_uuid": one["subscription_uuid"], "subscription_external_id": "s1", "prorated": False,
        "proration_type": None, "service_period_start": "2016-01-01T12:00:00.000Z", "quantity": 5,
        "service_period_end": "2016-02-01T12:00:00.000Z", "plan_uuid": plan, "plan_external_id": "p1", **defaults,
    }  # fmt: skip
    assert two == {
        "uuid": two["uuid"], "external_id": "l2", "type": "one_time", "description": "Book", "quantity": 1,
        "amount_in_cents": 7, "balance_transfer": False, **defaults,
    }  # fmt: skip
    paid = made["transactions"][0]
    assert paid == {
        "uuid": paid["uuid"], "external_id": None, "amount_in_cents": None, "type": "payment",
        "date": "2016-01-02T00:00:00.000Z", "result": "successful", "transaction_fees_in_cents": None,
        "transaction_fees_currency": None, "errors": {},
    }  # fmt: skip
    assert made == {
        "uuid": made["uuid"], "date": "2016-01-01T12:00:00.000Z", "due_date": None, "errors": {},
        "external_id": "i1", "currency": "USD", "line_items": [one, two], "transactions": [paid],
    }  # fmt: skip
    prefixes = [made["uuid"][:4], one["uuid"][:3], one["subscription_uuid"][:4], paid["uuid"][:3]]
    assert prefixes == ["inv_", "li_", "sub_", "tr_"]
    read = api.call("GET", f"/invoices/{made['uuid']}")[1]
    assert read == made | {
        "customer_uuid": customer, "customer_external_id": "c1", "data_source_uuid": source,
        "collection_method": None, "status": "paid", "disabled": False, "disabled_at": None, "disabled_by": None,
        "user_created": False,
    }  # fmt: skip
    known = api.call("GET", f"/import/customers/{customer}/subscriptions")[1]["subscriptions"]
    assert known == [{
        "external_id": "s1", "uuid": one["subscription_uuid"], "plan_uuid": plan, "data_source_uuid": source,
        "cancellation_dates": ["2016-01-15T12:00:00.000Z"],
    }]  # fmt: skip


@pytest.mark.parametrize("currency", ["USD", "JPY", "HRK", "LTL", "BGN"])
def test_currencies_that_are_or_were(api: Calls, currency: str) -> None:
    source = api.source()
    body = invoice(api.plan(source)) | {"currency": currency}
    assert api.invoice(api.customer(source), body)["currency"] == currency


@pytest.mark.parametrize("name", ["shop/A 1", "a?b#c", "50%", "é/ü", "a/b/c"])
def test_ids_in_paths_are_quoted(api: Calls, name: str) -> None:
    source = api.source()
    api.invoice(api.customer(source), invoice(api.plan(source), name))
    path = f"/data_sources/{source}/invoices/{quote(name, safe='')}/status"
    assert api.call("PUT", path, {"status": "voided"})[1]["invoice"]["status"] == "voided"
    accepted = api.made(f"/data_sources/{source}/json_imports", {"external_id": name}, 200)
    found = api.call("GET", f"/data_sources/{source}/json_imports/{quote(name, safe='')}")
    assert (found[0], found[1]["id"]) == (200, accepted["id"])
    if "/" in name:
        assert api.call("PUT", f"/data_sources/{source}/invoices/{name}/status", {"status": "voided"})[0] == 404


def test_an_event(api: Calls) -> None:
    source = api.source()
    api.customer(source)
    made = api.cancelled(source, "2026-03-01 00:00:00 +0200", "e1")
    assert made == {
        "id": made["id"], "data_source_uuid": source, "customer_external_id": "c1",
        "subscription_set_external_id": None, "subscription_external_id": "s1", "plan_external_id": None,
        "event_date": "2026-02-28T22:00:00Z", "effective_date": "2026-02-28T22:00:00Z", "errors": {},
        "event_type": "subscription_cancelled", "external_id": "e1", "created_at": "2026-06-15T12:00:00Z",
        "updated_at": "2026-06-15T12:00:00Z", "quantity": None, "currency": None, "amount_in_cents": None,
        "tax_amount_in_cents": None, "retracted_event_id": None, "event_order": None, "disabled": False,
    }  # fmt: skip


def test_a_page_of_plans(api: Calls) -> None:
    source = api.source()
    for name in ("p1", "p2", "p3"):
        api.plan(source, name)
    page = api.call("GET", "/plans", per_page=2)[1]
    assert [p["external_id"] for p in page["plans"]] == ["p3", "p2"]
    assert (page["current_page"], page["total_pages"], page["has_more"]) == (1, 2, True)
    page = api.call("GET", "/plans", per_page=2, cursor=page["cursor"])[1]
    assert [p["external_id"] for p in page["plans"]] == ["p1"]
    assert sorted(page) == ["cursor", "has_more", "plans"]
    empty = api.call("GET", "/plans", cursor=page["cursor"])[1]
    assert empty == {"plans": [], "cursor": None, "has_more": False}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["e4", "e3", "e2", "e1"]),
        ({"external_id": "e2"}, ["e2"]),
        ({"customer_external_id": "c1"}, ["e3", "e1"]),
        ({"subscription_external_id": "s1"}, ["e2", "e1"]),
        ({"customer_external_id": "c1", "subscription_external_id": "s2"}, ["e3"]),
        ({"event_type": "subscription_cancellation_scheduled"}, ["e4"]),
        ({"effective_date": "2026-03-02T00:00:00Z"}, ["e2"]),
        ({"event_date": "2026-03-03"}, ["e3"]),
        ({"customer_external_id": "c9"}, []),
        ({"data_source_uuid": "ds_1"}, []),
        ({"external_id": "e9"}, []),
    ],
)
def test_filters_of_events(api: Calls, query: dict[str, str], found: list[str]) -> None:
    source = api.source()
    uuid = api.customer(source)
    api.customer(source, "c2")
    api.cancelled(source, "2026-03-01", "e1")
    api.cancelled(source, "2026-03-02", "e2", customer="c2")
    api.cancelled(source, "2026-03-03", "e3", sub="s2")
    later = {
        "data_source_uuid": source, "external_id": "e4", "customer_external_id": "c2",
        "subscription_external_id": "s3", "event_type": "subscription_cancellation_scheduled",
        "event_date": "2026-03-04", "effective_date": "2027-01-01",
    }  # fmt: skip
    api.made("/subscription_events", {"subscription_event": later})

    def listed(**more: Any) -> list[str]:
        page = api.call("GET", "/subscription_events", **{"data_source_uuid": source, **query, **more})[1]
        assert page["meta"]["page"] == 1
        return [event["external_id"] for event in page["subscription_events"]]

    assert listed() == found
    if not query:
        assert listed(customer_uuid=uuid) == ["e3", "e1"]
        event = api.call("GET", "/subscription_events", external_id="e3")[1]["subscription_events"][0]
        assert api.call("DELETE", "/subscription_events", **{"subscription_event[id]": event["id"]}) == (204, None)
        assert listed() == ["e4", "e2", "e1"]


def test_filters_of_invoices(api: Calls) -> None:
    sources = [api.source("Keap"), api.source("Other")]
    customers = []
    for source in sources:
        plan = api.plan(source)
        customers.append(api.customer(source))
        for name in ("i1", "i2"):
            api.invoice(customers[-1], invoice(plan, name) | {"transactions": [payment(f"t-{name}")]})

    def listed(**query: str) -> list[tuple[str, str]]:
        found = api.call("GET", "/invoices", **query)[1]["invoices"]
        return [(entry["customer_uuid"], entry["external_id"]) for entry in found]

    one, two = customers
    assert listed() == [(two, "i2"), (two, "i1"), (one, "i2"), (one, "i1")]
    assert listed(data_source_uuid=sources[0]) == [(one, "i2"), (one, "i1")]
    assert listed(customer_uuid=two) == [(two, "i2"), (two, "i1")]
    assert listed(external_id="i1") == [(two, "i1"), (one, "i1")]
    assert listed(data_source_uuid=sources[0], external_id="i1") == [(one, "i1")]
    assert listed(customer_uuid=two, external_id="i2") == [(two, "i2")]
    assert listed(customer_uuid=two, data_source_uuid=sources[0]) == []
    assert listed(data_source_uuid=sources[0], external_id="i9") == []
    assert listed(data_source_uuid="ds_1") == []


def test_filters_of_customers(api: Calls) -> None:
    source, other = api.source(), api.source("Other")
    active = api.customer(source, "c1")
    api.invoice(active, invoice(api.plan(source)))
    ended = api.customer(source, "c2")
    lead = api.customer(other, "c1", status="Qualified Lead")
    api.invoice(ended, invoice(api.plan(source, "p2"), "i2", subscription_external_id="s2"))
    api.cancelled(source, "2026-03-01", "e1", customer="c2", sub="s2")

    def listed(**query: str) -> list[str]:
        return [entry["uuid"] for entry in api.call("GET", "/customers", **query)[1]["entries"]]

    assert listed() == [active, ended, lead]
    assert listed(external_id="c1") == [active, lead]
    assert listed(external_id="c1", data_source_uuid=other) == [lead]
    assert listed(status="Active") == [active]
    assert listed(status="Cancelled") == [ended]
    assert listed(status="Qualified_Lead") == [lead]
    assert listed(system="Stripe") == []


def test_tags_are_replaced_and_custom_attributes_merged(api: Calls) -> None:
    custom = [{"type": "String", "key": "channel", "value": "web"}]
    uuid = api.customer(api.source(), attributes={"tags": ["a", "b"], "custom": custom})
    path = f"/customers/{uuid}"
    for change, tags, values in [
        ({"name": "Mara"}, ["a", "b"], {"channel": "web"}),
        ({"attributes": {"custom": {"age": 7}}}, ["a", "b"], {"channel": "web", "age": 7}),
        ({"attributes": {"tags": ["c"]}}, ["c"], {"channel": "web", "age": 7}),
        ({"attributes": {"tags": [], "custom": {"age": 8}}}, [], {"channel": "web", "age": 8}),
    ]:
        attributes = api.call("PATCH", path, change)[1]["attributes"]
        assert (attributes["tags"], attributes["custom"]) == (tags, values)
    wrong_type = {"attributes": {"custom": {"age": "old"}}}
    assert api.call("PATCH", path, wrong_type)[0] == 422
    unchanged = {"data_source_uuid": "ds_1", "external_id": "c9"}
    assert api.call("PATCH", path, unchanged)[1]["external_id"] == "c1"


def test_a_line_may_fall_below_what_is_paid(api: Calls) -> None:
    source = api.source()
    made = api.invoice(api.customer(source), invoice(api.plan(source)) | {"transactions": [payment("t1", 1000)]})
    item = f"/line_items/{made['line_items'][0]['uuid']}"
    assert api.call("PATCH", item, {"amount_in_cents": 900})[0] == 200
    transaction = f"/transactions/{made['transactions'][0]['uuid']}"
    assert api.call("PATCH", transaction, {"date": "2026-01-07"})[0] == 422
    assert api.call("PATCH", transaction, {"amount_in_cents": 900})[0] == 200


def test_merged_subscriptions_get_new_uuids(api: Calls) -> None:
    source = api.source()
    first = api.invoice(api.customer(source), invoice(api.plan(source)))["line_items"][0]
    into = api.customer(source, "c2")
    sides = {"from": {"data_source_uuid": source, "external_id": "c1"}, "into": {"customer_uuid": into}}
    assert api.made("/customers/merges", sides, 202) == {}
    known = api.call("GET", f"/import/customers/{into}/subscriptions")[1]["subscriptions"][0]
    assert known["external_id"] == "s1"
    assert known["uuid"] != first["subscription_uuid"]
