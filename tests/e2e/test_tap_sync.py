"""The tap's command line against the sandbox: what arrives, and in what shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tap_keap.stream_specs import STREAM_SPECS
from tests.support.sandbox_process import Sandbox
from tests.support.tap_process import key_config, run_tap

BILLING = ("products", "subscription_plans", "contacts", "subscriptions", "orders", "payments", "transactions")


@pytest.fixture
def calm(sandbox: Sandbox) -> Sandbox:
    """The sandbox without rate limits."""
    sandbox.no_limits(["keap"])
    return sandbox


@pytest.mark.parametrize("header", ["authorization", "x-keap-api-key"])
def test_everything_arrives_once(calm: Sandbox, tmp_path: Path, header: str) -> None:
    run = run_tap(tmp_path, key_config(calm, api_key_header=header, page_size=100))
    assert run.code == 0, run.stderr
    account = calm.account()
    for stream in ("products", "contacts", "subscriptions", "orders", "payments"):
        assert run.ids(stream) == sorted({row["id"] for row in account[stream]}, key=int) or stream == "products"
        assert sorted(run.ids(stream)) == sorted(row["id"] for row in account[stream])
    assert run.counts["transactions"] == len(account["transactions"])


def test_streams_come_in_an_order_that_suits_a_reader(calm: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(calm))
    schemas = [message["stream"] for message in run.messages if message["type"] == "SCHEMA"]
    assert schemas[:9] == [
        "products",
        "subscription_plans",
        "free_trial_discounts",
        "contacts",
        "subscriptions",
        "orders",
        "payments",
        "order_payments",
        "transactions",
    ]
    assert schemas == [spec.name for spec in STREAM_SPECS]


def test_plans_name_their_product(calm: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(calm))
    owners = {
        plan["id"]: product["id"]
        for product in run.rows["products"]
        for plan in product.get("subscription_plans") or ()
    }
    assert owners
    assert {plan["id"]: plan["product_id"] for plan in run.rows["subscription_plans"]} == owners


def test_second_run_with_state_reads_on_from_the_bookmark(calm: Sandbox, tmp_path: Path) -> None:
    first = run_tap(tmp_path, key_config(calm))
    newest = max(row["modification_time"] for row in first.rows["orders"])
    assert first.bookmark("orders")["replication_key_value"] == newest.replace("Z", ".000Z")
    assert first.bookmark("orders")["replication_key"] == "modification_time"
    second = run_tap(tmp_path, key_config(calm, lookback_days=0), state=first.state)
    assert second.ids("orders") == [row["id"] for row in first.rows["orders"] if row["modification_time"] == newest]
    assert second.state["bookmarks"]["orders"] == first.state["bookmarks"]["orders"]


def test_only_whole_reads_activate_a_version(calm: Sandbox, tmp_path: Path) -> None:
    first = run_tap(tmp_path, key_config(calm))
    assert set(first.rows) <= first.activated
    second = run_tap(tmp_path, key_config(calm), state=first.state)
    assert not {"contacts", "orders", "payments", "order_payments", "transactions"} & second.activated
    assert {"subscriptions", "products", "subscription_plans"} <= second.activated
    dated = run_tap(tmp_path, key_config(calm, start_date="2020-01-01"))
    assert not {"contacts", "orders", "payments", "transactions"} & dated.activated
    assert all("version" not in message for message in dated.messages if message.get("stream") == "orders")
    for stream in ("contacts", "orders", "payments", "order_payments", "transactions", "products"):
        messages = [message for message in first.messages if message.get("stream") == stream]
        assert messages[-1]["type"] == "ACTIVATE_VERSION"
        assert {message["version"] for message in messages if message["type"] == "RECORD"} == {messages[-1]["version"]}


def test_a_row_that_does_not_fit_costs_only_itself(calm: Sandbox, tmp_path: Path) -> None:
    good = calm.account()["orders"][0]
    bad = {**good, "id": "990001", "order_time": "yesterday"}
    calm.put("orders", bad)
    run = run_tap(tmp_path, key_config(calm))
    assert run.code == 7
    assert "orders: record 990001 is left out: field order_time: expected a date-time" in run.stderr
    assert "990001" not in run.ids("orders")
    assert good["id"] in run.ids("orders")
    assert "orders" not in run.activated, "what was left out must not look deleted"


def test_numbers_and_texts_are_converted_where_nothing_is_lost(calm: Sandbox, tmp_path: Path) -> None:
    payment: dict[str, Any] = {**calm.account()["payments"][0], "id": 990002, "amount": "12.10", "payment_time": ""}
    calm.put("payments", {**payment, "id": "990002"})
    run = run_tap(tmp_path, key_config(calm))
    row = next(row for row in run.rows["payments"] if row["id"] == "990002")
    assert (row["amount"], row["payment_time"]) == (12.1, None)


def test_unknown_fields_only_where_wanted(calm: Sandbox, tmp_path: Path) -> None:
    product = calm.account()["products"][0]
    calm.put("products", {**product, "shelf": "B7", "price": {**product["price"], "tier": 2}})
    plain = run_tap(tmp_path, key_config(calm)).rows["products"]
    assert all("shelf" not in row and "tier" not in row["price"] for row in plain)
    kept = run_tap(tmp_path, key_config(calm, additional_fields=True)).rows["products"]
    row = next(row for row in kept if row["id"] == product["id"])
    assert (row["shelf"], row["price"]["tier"]) == ("B7", 2)


def test_custom_fields_as_columns(calm: Sandbox, tmp_path: Path) -> None:
    model = run_tap(tmp_path, key_config(calm)).rows["contact_custom_fields"]
    field = model[0]
    contact = calm.account()["contacts"][0]
    calm.put("contacts", {**contact, "custom_fields": [{"id": field["id"], "content": "Gold"}]})
    run = run_tap(tmp_path, key_config(calm, flatten_custom_fields=True))
    name = f"custom_{field['field_name'].strip('_')}"
    row = next(row for row in run.rows["contacts"] if row["id"] == contact["id"])
    assert row[name] == "Gold"
    schema = next(
        message for message in run.messages if message["type"] == "SCHEMA" and message["stream"] == "contacts"
    )
    assert schema["schema"]["properties"][name] == {"type": ["string", "null"]}


def test_stream_maps_and_deselected_fields(calm: Sandbox, tmp_path: Path) -> None:
    maps = {"contacts": {"__alias__": "people", "given_name": None, "is_customer": "contact_type == 'Customer'"}}
    run = run_tap(tmp_path, key_config(calm, stream_maps=maps), streams=("contacts",))
    assert run.code == 0, run.stderr
    assert set(run.rows) == {"people"}
    assert all("given_name" not in row and isinstance(row["is_customer"], bool) for row in run.rows["people"])


def test_a_stream_map_that_fails_is_the_users_mistake(calm: Sandbox, tmp_path: Path) -> None:
    maps = {"contacts": {"given_name": "int(given_name)"}}
    run = run_tap(tmp_path, key_config(calm, stream_maps=maps), streams=("contacts",))
    assert run.code == 2
    assert "Setting stream_maps: a record of contacts cannot be mapped (ValueError)." in run.stderr


@pytest.mark.parametrize("style", ["null", "omitted", "empty", "zero"])
def test_every_style_of_absence(calm: Sandbox, tmp_path: Path, style: str) -> None:
    calm.behaviour(null_style=style)
    run = run_tap(tmp_path, key_config(calm))
    assert run.code == 0, run.stderr
    assert len(run.ids("orders")) == len(calm.account()["orders"])


@pytest.mark.parametrize("form", ["opaque", "url"])
def test_both_forms_of_page_token(calm: Sandbox, tmp_path: Path, form: str) -> None:
    calm.behaviour(token_form=form)
    run = run_tap(tmp_path, key_config(calm, page_size=100), streams=("orders",))
    assert sorted(run.ids("orders")) == sorted(row["id"] for row in calm.account()["orders"])


def test_an_older_edition_is_served_with_what_it_has(calm: Sandbox, tmp_path: Path) -> None:
    """It has no `sales/*`, and payments are left out only if the user says so."""
    calm.behaviour(edition="old")
    refused = run_tap(tmp_path, key_config(calm))
    assert refused.code == 3
    assert "deselect the stream 'payments'" in refused.last_line
    streams = ("contacts", "subscriptions", "orders", "transactions")
    run = run_tap(tmp_path, key_config(calm), streams=streams)
    assert run.code == 0, run.stderr
    assert "does not offer transactions" in run.stderr
    assert sorted(run.ids("orders")) == sorted(row["id"] for row in calm.account()["orders"])
    again = run_tap(tmp_path, key_config(calm), state=run.state, streams=streams)
    assert again.code == 0, again.stderr
