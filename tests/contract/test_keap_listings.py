"""Filters, orders, fields and pages of Keap's listings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import Sandbox


@pytest.fixture
def keap(sandbox: Sandbox) -> Iterator[KeapCalls]:
    sandbox.no_limits()
    calls = KeapCalls(sandbox)
    yield calls
    calls.session.close()


def people(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(number),
            "given_name": f"Person{number}",
            "email_addresses": [{"email": f"p{number}@example.com", "field": "EMAIL1"}],
            "create_time": "2026-01-01T00:00:00Z",
            "update_time": f"2026-03-{1 + number % 28:02d}T00:00:{number % 60:02d}Z",
            "tag_ids": [],
        }
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("token_form", ["opaque", "url"])
@pytest.mark.parametrize("order", ["id asc", "id desc", "update_time asc", "update_time desc"])
def test_pages_hold_every_row_once_in_order(keap: KeapCalls, order: str, token_form: str) -> None:
    keap.sandbox.load({"contacts": people(53)})
    keap.sandbox.behaviour(token_form=token_form)
    rows: list[dict[str, Any]] = []
    query = {"page_size": 10, "order_by": order, "fields": "id,update_time"}
    token = None
    while True:
        page = keap.get("contacts", **query, **({"page_token": token} if token else {})).json()
        rows += page["contacts"]
        token = page["next_page_token"]
        if not token:
            break
        if token_form == "url":
            assert token.startswith(f"{keap.sandbox.keap_url}/v2/contacts/?")
            token = parse_qs(urlsplit(token).query)["page_token"][0]
    keys = [(row["update_time"] if "update" in order else "", int(row["id"])) for row in rows]
    assert keys == sorted(keys, reverse=order.endswith("desc"))
    assert {row["id"] for row in rows} == {str(number) for number in range(1, 54)}
    assert len(rows) == 53


@pytest.mark.parametrize(
    ("style", "expected"),
    [("empty", {"next_page_token": ""}), ("null", {"next_page_token": None}), ("absent", {})],
)
def test_what_stands_for_no_further_page(keap: KeapCalls, style: str, expected: dict[str, Any]) -> None:
    keap.sandbox.behaviour(last_token=style)
    page = keap.get("tags").json()
    del page["tags"]
    assert page == expected


def test_rows_that_change_while_pages_are_turned(keap: KeapCalls) -> None:
    """A keyset: what moves behind the place comes again, what is deleted is missed, nothing else is lost."""
    keap.sandbox.load({"contacts": people(30)})
    pages = keap.pages("contacts", page_size=10, order_by="update_time asc", fields="id,update_time")
    first = next(pages)["contacts"]
    moved = {**people(30)[int(first[0]["id"]) - 1], "update_time": "2026-12-01T00:00:00Z"}
    keap.sandbox.put("contacts", moved, {**people(31)[30], "update_time": "2026-01-02T00:00:00Z"})
    rest = [row for page in pages for row in page["contacts"]]
    seen = [row["id"] for row in (*first, *rest)]
    assert seen[-1] == moved["id"]
    assert seen.count(moved["id"]) == 2
    assert "31" not in seen  # it came in before the place that had been reached
    assert set(seen) == {str(number) for number in range(1, 31)}


def test_a_thousand_rows_on_a_page(keap: KeapCalls) -> None:
    keap.sandbox.load({"contacts": people(1001)})
    sizes = [len(page["contacts"]) for page in keap.pages("contacts", page_size=1000)]
    assert sizes == [1000, 1]
    assert len(keap.get("contacts", page_size=0).json()["contacts"]) == len(keap.get("contacts").json()["contacts"])


def test_contacts_are_sparse_unless_fields_are_named(keap: KeapCalls) -> None:
    assert "email_addresses" not in keap.get("contacts", page_size=1).json()["contacts"][0]
    wanted = keap.get("contacts", page_size=1, fields="email_addresses,create_time").json()["contacts"][0]
    assert set(wanted) == {"id", "email_addresses", "create_time"}
    assert "custom_fields" not in keap.get("notes", page_size=1).json()["notes"][0]
    assert "custom_fields" in keap.get("notes", page_size=1, fields="custom_fields").json()["notes"][0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("email==p7@example.com", {"7"}),
        ("email==P1*", {"1", *(str(number) for number in range(10, 20))}),
        ("given_name==person3", {"3"}),
        ("ids==5,9,77", {"5", "9"}),
        ("contact_id>28", {"29", "30"}),
        ("contact_id>=29;contact_id<30", {"29"}),
        ("start_update_time==2026-03-28T00:00:00.000Z", {"27"}),
        ("start_update_time==2026-03-28T00:00:27.000Z", {"27"}),
        ("start_update_time==2026-03-28T00:00:27.001Z", set()),
        ("start_update_time==2026-03-28T01:00:27+01:00", {"27"}),
        ("end_update_time==2026-03-01T23:00:00Z", {"28"}),
        ("given_name==person3;ids==4", set()),
    ],
)
def test_filters(keap: KeapCalls, expression: str, expected: set[str]) -> None:
    keap.sandbox.load({"contacts": people(30)})
    rows = keap.rows("contacts", "contacts", filter=expression, page_size=4)
    assert {row["id"] for row in rows} == expected


def test_custom_fields_are_filtered_by_their_name(keap: KeapCalls) -> None:
    rows = keap.rows("contacts", "contacts", filter="tier==gold", fields="custom_fields", page_size=1000)
    assert rows
    assert {entry["content"] for row in rows for entry in row["custom_fields"]} == {"gold"}


def test_related_rows_are_found_by_lists_of_ids(keap: KeapCalls) -> None:
    account = keap.sandbox.account()
    orders = [row["id"] for row in account["orders"][:40]]
    found = keap.rows("sales/payments", "payments", filter=f"order_ids=={','.join(orders)}", page_size=1000)
    expected = {row["id"] for row in account["payments"] if set(row["order_ids"]) & set(orders)}
    assert {row["id"] for row in found} == expected
    again = keap.rows("orders", "orders", filter=f"ids=={','.join(orders)}", page_size=1000)
    assert {row["id"] for row in again} == set(orders)


@pytest.mark.parametrize("order", ["update_time asc", "update_time desc", "id asc"])
def test_lists_of_ids_have_pages_too(keap: KeapCalls, order: str) -> None:
    keap.sandbox.load({"contacts": people(40)})
    wanted = [str(number) for number in range(3, 26)]
    rows = keap.rows("contacts", "contacts", filter=f"ids=={','.join(wanted)}", order_by=order, page_size=4)
    assert sorted(int(row["id"]) for row in rows) == list(range(3, 26))


def test_orders_changed_since(keap: KeapCalls) -> None:
    bound = "2026-11-01T00:00:00.000Z"
    rows = keap.rows(
        "orders", "orders", filter=f"modified_since_time=={bound}", order_by="modification_time asc", page_size=50
    )
    expected = [row for row in keap.sandbox.account()["orders"] if row["modification_time"] >= bound]
    assert len(rows) == len(expected) > 50
    assert all(one["modification_time"] <= other["modification_time"] for one, other in pairwise(rows))


def test_plans_do_not_name_their_product(keap: KeapCalls) -> None:
    rows = keap.rows("products/-/subscriptions", "subscriptions")
    assert rows
    assert not any("product_id" in row for row in rows)
    assert {row["id"] for row in keap.rows("products/31/subscriptions", "subscriptions")} == {"7", "8", "9"}


def test_an_old_edition_lacks_sales_and_young_fields(keap: KeapCalls) -> None:
    assert "modification_time" in keap.get("subscriptions", page_size=1).json()["subscriptions"][0]
    keap.sandbox.behaviour(edition="old")
    answer = keap.get("sales/payments")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    row = keap.get("subscriptions", page_size=1).json()["subscriptions"][0]
    assert not {"modification_time", "reason_stopped", "promo_code", "custom_fields"} & set(row)
    plan = keap.get("products/-/subscriptions").json()["subscriptions"][0]
    assert "product_id" in plan
    assert "subscription_plan_name" not in plan


@pytest.mark.parametrize(("style", "expected"), [("null", None), ("empty", ""), ("omitted", "absent")])
def test_how_nothing_is_written(keap: KeapCalls, style: str, expected: object) -> None:
    keap.sandbox.behaviour(null_style=style)
    rows = keap.rows("subscriptions", "subscriptions", page_size=1000)
    held = {row["id"]: row for row in keap.sandbox.account()["subscriptions"]}
    open_ended = [row for row in rows if held[row["id"]]["end_date"] is None]
    assert {row.get("end_date", "absent") for row in open_ended} == {expected}


def test_originating_orders_that_do_not_name_their_subscription(keap: KeapCalls) -> None:
    def linked() -> dict[str, set[str]]:
        orders: dict[str, set[str]] = {}
        for row in keap.rows("orders", "orders", page_size=1000, order_by="order_time asc"):
            for item in row["order_items"]:
                if item["subscription_id"]:
                    orders.setdefault(item["subscription_id"], set()).add(row["id"])
        return orders

    before = linked()
    keap.sandbox.behaviour(originating_orders_linked=False)
    after = linked()
    assert {len(orders - after.get(held, set())) for held, orders in before.items()} == {1}


def test_order_payments_in_hundredths_and_payments_by_update_time(keap: KeapCalls) -> None:
    share = keap.sandbox.account()["order_payments"][0]
    order = next(row for row in keap.sandbox.account()["orders"] if row["invoice_id"] == share["invoice_id"])
    keap.sandbox.behaviour(order_payments_in_hundredths=True, payments_since="update_time")
    rows = keap.rows(f"orders/{order['id']}/payments", "invoice_order_payments")
    assert round(share["amount"] * 100) in {row["amount"] for row in rows}
    payment = {**keap.sandbox.account()["payments"][0], "update_time": "2026-11-20T07:59:00Z"}
    keap.sandbox.put("payments", payment)
    bound = "since_time==2026-11-20T07:58:00Z"
    assert [row["id"] for row in keap.rows("sales/payments", "payments", filter=bound)] == [payment["id"]]
    keap.sandbox.behaviour(payments_since="payment_time")
    assert keap.rows("sales/payments", "payments", filter=bound) == []


def test_bounds_and_unknown_filters_as_they_might_be(keap: KeapCalls) -> None:
    keap.sandbox.load({"contacts": people(30)})
    bound = {"filter": "start_update_time==2026-03-28T00:00:27.000Z;shoe_size==43", "page_size": 1000}
    assert keap.refusal("contacts", **bound)[0] == 400
    keap.sandbox.behaviour(unknown_filters="ignored")
    assert [row["id"] for row in keap.rows("contacts", "contacts", **bound)] == ["27"]
    keap.sandbox.behaviour(since_bounds="exclusive")
    assert keap.rows("contacts", "contacts", **bound) == []
    until = {"filter": "end_update_time==2026-03-01T00:00:28Z", "page_size": 1000}
    assert keap.rows("contacts", "contacts", **until) == []


def test_behaviour_that_is_unknown_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="unknown behaviour: shoe_size"):
        sandbox.behaviour(shoe_size=43)
    with pytest.raises(RuntimeError, match="token_form is one of"):
        sandbox.behaviour(token_form="round")
