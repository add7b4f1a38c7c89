"""Bulk imports: what they accept, when they are done, what becomes of records that fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chartmogul_calls import Calls, invoice, line, payment
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        delays(calls, 0, 0)
        yield calls


def delays(api: Calls, queued: float, processing: float) -> None:
    api.sandbox.control("PUT", "chartmogul/settings", {"import_queued": queued, "import_processing": processing})


def batch(external_id: str = "load-1", customer: str = "c1", **changes: Any) -> dict[str, Any]:
    """A customer with one paid invoice."""
    name = f"i-{customer}"
    item = {**line("unused", external_id=f"l-{customer}"), "invoice_external_id": name, "plan_external_id": "p1"}
    del item["plan_uuid"]
    return {
        "external_id": external_id,
        "customers": [{"external_id": customer, "name": "Mara Quill"}],
        "plans": [{"external_id": "p1", "name": "Gold", "interval_count": 1, "interval_unit": "month"}],
        "invoices": [{"external_id": name, "date": "2026-01-05", "currency": "USD", "customer_external_id": customer}],
        "line_items": [item],
        "transactions": [{**payment(f"t-{customer}", 1000), "invoice_external_id": name}],
        **changes,
    }


def listed(api: Calls, validation_type: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.call("GET", "/invoices", validation_type=validation_type)[1]["invoices"]
    return found


def test_an_import_is_queued_processed_and_completed(api: Calls) -> None:
    source = api.source()
    path = f"/data_sources/{source}/json_imports"
    delays(api, 60, 60)
    accepted = api.made(path, batch(), 200)
    assert (accepted["status"], accepted["status_details"]) == ("queued", {})
    for queued, processing, status, invoices in (
        (60, 60, "queued", 0),
        (0, 60, "processing", 0),
        (0, 0, "completed", 1),
    ):
        delays(api, queued, processing)
        assert api.call("GET", f"{path}/{accepted['id']}")[1]["status"] == status
        assert len(listed(api, "all")) == invoices


def test_an_import_takes_its_time_on_the_machines_clock(api: Calls) -> None:
    path = f"/data_sources/{api.source()}/json_imports"
    delays(api, 0.1, 0.1)
    started = time.monotonic()
    accepted = api.made(path, batch(), 200)
    while api.call("GET", f"{path}/{accepted['id']}")[1]["status"] != "completed":
        assert time.monotonic() < started + 10
        time.sleep(0.02)
    assert time.monotonic() - started >= 0.2


def test_a_customer_waits_for_his_first_import(api: Calls) -> None:
    source = api.source()
    path = f"/data_sources/{source}/json_imports"
    delays(api, 60, 0)
    api.made(path, batch(), 200)
    assert api.call("POST", path, batch("load-2"))[0] == 422
    event = {"customer_external_id": "c1", "external_id": "e1"}
    assert api.call("POST", path, {"external_id": "load-3", "subscription_events": [event]})[0] == 422
    api.made(path, batch("load-4", "c2"), 200)
    delays(api, 0, 0)
    api.made(path, batch("load-2"), 200)


def test_an_import_id_is_used_once(api: Calls) -> None:
    path = f"/data_sources/{api.source()}/json_imports"
    api.made(path, batch(), 200)
    taken = {"errors": {"external_id": "has already been taken"}}
    assert api.call("POST", path, batch()) == (422, taken)
    assert api.call("POST", path, {"customers": []})[0] == 400
    assert api.call("POST", path, {"external_id": "load-2", "customers": {}})[0] == 400
    assert api.call("GET", f"{path}/load-9")[0] == 404


def test_more_than_5_mb_are_refused(api: Calls) -> None:
    path = f"/data_sources/{api.source()}/json_imports"
    assert api.call("POST", path, batch(note="x" * 4_900_000))[0] == 200
    assert api.call("POST", path, batch("load-2", note="x" * 5_000_000))[0] == 422
    assert api.call("GET", f"{path}/load-2")[0] == 404


@pytest.mark.parametrize(
    ("kind", "field", "value", "path"),
    [
        ("invoices", "date", "2027-01-01", ("errors", "date")),
        ("invoices", "currency", "XXL", ("errors", "currency")),
        ("line_items", "tax_amount_in_cents", -1, ("line_items", "tax_amount_in_cents")),
        ("line_items", "plan_external_id", "p9", ("line_items", "plan_external_id")),
        ("transactions", "amount_in_cents", 1001, ("transactions", "amount_in_cents")),
        ("transactions", "date", "2027-01-01", ("transactions", "date")),
    ],
)
def test_records_that_fail_are_stored_as_invalid(
    api: Calls, kind: str, field: str, value: Any, path: tuple[str, str]
) -> None:
    """They are hidden, count for nothing, keep their ids, and nothing in the import's status tells of them."""
    source = api.source()
    data = batch()
    data[kind][0][field] = value
    api.made(f"/data_sources/{source}/json_imports", data, 200)
    done = api.call("GET", f"/data_sources/{source}/json_imports/load-1")[1]
    assert done["status_details"]["c1"]["invoices"] == {"status": "imported"}
    assert listed(api, "valid") == []
    found = listed(api, "invalid")
    assert found == listed(api, "all")
    part = found[0] if path[0] == "errors" else found[0][path[0]][0]
    assert list(part["errors"]) == [path[1]]
    customer = api.call("GET", "/customers")[1]["entries"][0]
    assert customer["mrr"] == 0
    plan = api.call("GET", "/plans")[1]["plans"][0]["uuid"]
    again = {"invoices": [invoice(plan, "i-c1")]}
    assert api.call("POST", f"/import/customers/{customer['uuid']}/invoices", again)[0] == 422
    assert api.call("DELETE", f"/invoices/{found[0]['uuid']}")[0] == 204
    assert api.call("POST", f"/import/customers/{customer['uuid']}/invoices", again)[0] == 201


def test_failures_on_demand(api: Calls) -> None:
    source = api.source()
    api.sandbox.control("PUT", "chartmogul/settings", {"import_failures": ["l-c2"]})
    api.made(f"/data_sources/{source}/json_imports", batch("load-1", "c1"), 200)
    api.made(f"/data_sources/{source}/json_imports", batch("load-2", "c2"), 200)
    assert [i["external_id"] for i in listed(api, "valid")] == ["i-c1"]
    assert [i["external_id"] for i in listed(api, "invalid")] == ["i-c2"]


def test_a_correction_makes_an_invalid_invoice_valid(api: Calls) -> None:
    source = api.source()
    data = batch()
    data["invoices"][0]["currency"] = "XXL"
    api.made(f"/data_sources/{source}/json_imports", data, 200)
    uuid = listed(api, "invalid")[0]["uuid"]
    assert api.call("PATCH", f"/invoices/{uuid}", {"currency": "USD"})[1]["errors"] == {}
    assert [i["uuid"] for i in listed(api, "valid")] == [uuid]
    assert api.call("GET", "/customers")[1]["entries"][0]["mrr"] == 1000


def test_what_exists_already_stays_as_it_is(api: Calls) -> None:
    source = api.source()
    path = f"/data_sources/{source}/json_imports"
    api.made(path, batch(), 200)
    second = batch("load-2")
    second["customers"][0]["name"] = "Somebody Else"
    second["line_items"][0]["amount_in_cents"] = 7
    api.made(path, second, 200)
    assert api.call("GET", "/customers")[1]["entries"][0]["name"] == "Mara Quill"
    only = listed(api, "all")
    assert [item["amount_in_cents"] for item in only[0]["line_items"]] == [1000]
    assert len(only) == 1


def test_a_refused_customer_takes_his_records_with_him(api: Calls) -> None:
    source = api.source()
    data = batch(customers=[{"external_id": "c1", "email": "nonsense"}])
    api.made(f"/data_sources/{source}/json_imports", data, 200)
    assert api.call("GET", "/customers")[1]["entries"] == []
    assert listed(api, "all") == []
    assert len(api.call("GET", "/plans")[1]["plans"]) == 1
