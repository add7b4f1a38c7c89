"""Answers of ChartMogul that are odd, and answers that it may give instead of the assumed ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.chartmogul_calls import Calls, invoice, line, payment
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        yield calls


@pytest.fixture
def source(api: Calls) -> str:
    """A source with a customer, a plan and a paid invoice."""
    source = api.source()
    body = invoice(api.plan(source)) | {"transactions": [payment("t1", 1000)]}
    api.invoice(api.customer(source, name="Mara"), body)
    return source


def settings(api: Calls, **changes: Any) -> None:
    api.sandbox.settings(**changes)


def odd(api: Calls, kind: str, path: str = "", times: int | None = None) -> None:
    api.sandbox.odd("chartmogul", kind, path, times=times)


def get(api: Calls, path: str, **query: Any) -> requests.Response:
    address = api.sandbox.chartmogul_url + path
    return api.session.get(address, params=query, timeout=10, allow_redirects=False)


def test_a_change_that_changes_nothing_may_be_answered_304(api: Calls, source: str) -> None:
    event = api.cancelled(source, "2026-03-01", "e1")
    ids = {name: api.call("GET", f"/{name}")[1] for name in ("customers", "plans", "invoices")}
    customer, plan = ids["customers"]["entries"][0]["uuid"], ids["plans"]["plans"][0]["uuid"]
    by_id = {"data_source_uuid": source}
    changes: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]] = [
        (f"/customers/{customer}", {"name": "Mara"}, {"name": "Li"}, {}),
        (f"/plans/{plan}", {"interval_count": 1}, {"interval_count": 2}, {}),
        ("/invoices", {"date": "2026-01-05"}, {"due_date": "2026-02-01"}, {**by_id, "external_id": "i1"}),
        ("/line_items", {"amount_in_cents": 1000}, {"amount_in_cents": 1100}, {**by_id, "external_id": "i1-1"}),
        ("/transactions", {"amount_in_cents": 1000}, {"amount_in_cents": 900}, {**by_id, "external_id": "t1"}),
        ("/subscription_events", {"subscription_event": {"id": event["id"], "external_id": "e1"}},
         {"subscription_event": {"id": event["id"], "external_id": "e2"}}, {}),
    ]  # fmt: skip
    for path, same, _, query in changes:
        assert api.call("PATCH", path, same, **query)[0] in {200, 202}
    settings(api, unchanged_patch="304")
    for path, same, other, query in changes:
        assert api.call("PATCH", path, same, **query) == (304, None)
        assert api.call("PATCH", path, other, **query)[0] in {200, 202}
        assert api.call("PATCH", path, other, **query) == (304, None)
    assert api.call("PATCH", "/plans/pl_00000000-0000-0000-0000-000000000000", {"name": "x"}) == (304, None)
    assert api.call("PATCH", f"/customers/{customer}x", {"name": "x"})[0] == 404


def batch() -> dict[str, Any]:
    invoices = [
        {"external_id": name, "date": "2026-01-05", "currency": "USD", "customer_external_id": "c1"}
        for name in ("A-1", "A-2")
    ]
    items = [
        {**line("", external_id=f"{name}/1"), "invoice_external_id": name, "plan_external_id": "p1"}
        for name in ("A-1", "A-2")
    ]
    for item in items:
        del item["plan_uuid"]
    return {
        "external_id": "load-1",
        "customers": [{"external_id": "c1"}],
        "plans": [{"external_id": "p1", "name": "Gold", "interval_count": 1, "interval_unit": "month"}],
        "invoices": invoices,
        "line_items": items,
    }


def processing(api: Calls, source: str) -> dict[str, int]:
    found: dict[str, int] = api.call("GET", f"/data_sources/{source}", with_processing_status="true")[1][
        "processing_status"
    ]
    return found


def test_an_invoice_of_a_completed_import_fails_afterwards(api: Calls) -> None:
    settings(api, import_queued=0, import_processing=0, late_failures=["A-2"], validation_delay=0.3)
    source = api.source()
    path = f"/data_sources/{source}/json_imports"
    accepted = api.made(path, batch(), 200)
    assert api.call("GET", f"{path}/{accepted['id']}")[1]["status"] == "completed"

    def errors() -> dict[str, Any]:
        listed = api.call("GET", "/invoices", data_source_uuid=source, validation_type="all")[1]["invoices"]
        return {found["external_id"]: found["errors"] for found in listed}

    assert errors() == {"A-1": {}, "A-2": {}}
    assert processing(api, source) == {"processed": 1, "failed": 0, "pending": 1}
    deadline = time.monotonic() + 10
    while processing(api, source)["pending"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert processing(api, source) == {"processed": 1, "failed": 1, "pending": 0}
    assert errors() == {"A-1": {}, "A-2": {"currency": ["Currency must be supported"]}}
    assert [i["external_id"] for i in api.call("GET", "/invoices")[1]["invoices"]] == ["A-1"]
    query = {"data_source_uuid": source, "external_id": "A-2"}
    assert api.call("PATCH", "/invoices", {"currency": "EUR"}, **query)[0] == 200
    assert processing(api, source) == {"processed": 2, "failed": 0, "pending": 0}


def test_statuses_of_imports_that_nobody_has_documented(api: Calls) -> None:
    settings(api, import_queued=0, import_processing=0, import_statuses={"completed": "finished_with_notes"})
    path = f"/data_sources/{api.source()}/json_imports"
    accepted = api.made(path, batch(), 200)
    assert api.call("GET", f"{path}/{accepted['id']}")[1]["status"] == "finished_with_notes"
    settings(api, bulk_imports="absent")
    assert api.call("POST", path, batch() | {"external_id": "load-2"})[0] == 404


@pytest.mark.parametrize(
    ("shape", "summary"), [("empty", {}), ("values_changed", {"values_changed": {}}), ("null", None)]
)
def test_a_history_without_an_edit(api: Calls, source: str, shape: str, summary: Any) -> None:
    settings(api, unedited_summary=shape)
    found = api.call("GET", "/invoices", include_edit_histories="true")[1]["invoices"][0]
    parts = [found, *found["line_items"], *found["transactions"]]
    assert [part["edit_history_summary"] for part in parts] == [summary] * 3
    order = {"kind": "line_item", "external_id": "i1-1", "changes": {"amount_in_cents": 9900}}
    api.sandbox.control("POST", "chartmogul/edit", order)
    found = api.call("GET", "/invoices", include_edit_histories="true")[1]["invoices"][0]
    changed = found["line_items"][0]["edit_history_summary"]["values_changed"]
    assert changed == {"amount_in_cents": {"original_value": 1000, "edited_value": 9900}}


def test_the_settings_of_a_new_source_and_odd_ones(api: Calls) -> None:
    half = {"create_subscription_when_invoice_is": "paid", "prevent_subscription_for_invoice_refunded": True}
    settings(api, invoice_handling_setting={"manual": half, "automatic": half})
    flags = {"name": "Shop", "with_auto_churn_subscription_setting": "true", "with_invoice_handling_setting": "true"}
    assert api.call("GET", "/data_sources", **flags)[1] == {"data_sources": []}
    made = api.made("/data_sources", {"name": "Shop"})
    assert "invoice_handling_setting" not in made
    handling = api.call("GET", "/data_sources", **flags)[1]["data_sources"][0]["invoice_handling_setting"]
    for name in ("manual", "automatic"):
        assert handling[name]["create_subscription_when_invoice_is"] == "paid"
        assert handling[name]["update_subscription_when_invoice_is"] == "open"
    fields = {"auto_churn_subscription_setting": True}
    settings(api, source_fields=fields, hidden_source_fields=["invoice_handling_setting"])
    assert api.call("GET", "/data_sources", **flags)[1]["data_sources"] == [made | fields]
    settings(api, hidden_source_fields=["uuid"])
    assert "uuid" not in api.call("GET", "/data_sources", **flags)[1]["data_sources"][0]


def test_redirects(api: Calls, source: str) -> None:
    odd(api, "redirect", "/plans")
    answer = get(api, "/plans")
    assert (answer.status_code, answer.headers["location"], answer.content) == (302, "/elsewhere", b"")
    odd(api, "redirect_to_itself", "/plans")
    with pytest.raises(requests.TooManyRedirects):
        api.session.get(f"{api.sandbox.chartmogul_url}/plans", timeout=10)


@pytest.mark.parametrize(
    ("kind", "status", "retry_after"),
    [("429", 429, None), ("429_second", 429, "1"), ("429_year", 429, "31536000"), ("503_year", 503, "31536000"),
     ("429_date", 429, "Wed, 24 Nov 2027 08:00:00 GMT"), ("429_odd", 429, "\xb2"), ("429_empty", 429, None),
     ("429_html", 429, None)],
)  # fmt: skip
def test_waits(api: Calls, kind: str, status: int, retry_after: str | None) -> None:
    odd(api, kind)
    answer = get(api, "/ping")
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)


def test_quota_headers(api: Calls) -> None:
    assert "x-ratelimit-limit" not in get(api, "/ping").headers
    api.sandbox.limits("chartmogul", headers="sent")
    assert get(api, "/ping").headers["x-ratelimit-limit"] == "40"
    api.sandbox.limits("chartmogul", headers="odd")
    assert get(api, "/ping").headers["x-ratelimit-limit"] == "many"
    api.sandbox.limits("chartmogul")
    odd(api, "odd_quota_headers")
    answer = get(api, "/ping")
    assert (answer.status_code, answer.json()) == (200, {"data": "pong!"})
    assert (answer.headers["x-ratelimit-reset"], answer.headers["retry-after"]) == ("1e400", "\xb2")
    with pytest.raises(RuntimeError, match="headers is one of"):
        api.sandbox.limits("chartmogul", headers="blue")


def test_the_date_is_that_of_the_clock(api: Calls) -> None:
    assert get(api, "/ping").headers["date"] == "Mon, 15 Jun 2026 12:00:00 GMT"
    settings(api, clock_ahead=-3600)
    assert get(api, "/ping").headers["date"] == "Mon, 15 Jun 2026 11:00:00 GMT"


def test_cursors_that_lead_nowhere(api: Calls, source: str) -> None:
    path, root = "/invoices", "invoices"
    odd(api, "alternating_tokens", path)
    cursors, cursor = [], None
    for _ in range(4):
        found = get(api, path, **({"cursor": cursor} if cursor else {})).json()
        assert (len(found[root]), found["has_more"]) == (1, True)
        cursor = found["cursor"]
        cursors.append(cursor)
    assert cursors == ["a", "b", "a", "b"]
    odd(api, "repeated_token", path)
    assert get(api, path).json()["cursor"] == get(api, path, cursor="3").json()["cursor"] == "3"
    odd(api, "repeated_token_empty", path)
    assert get(api, path, cursor="3").json() | {"total_pages": 1, "current_page": 1} == {
        "invoices": [], "cursor": "3", "has_more": True, "total_pages": 1, "current_page": 1,
    }  # fmt: skip
    odd(api, "token_number", path)
    assert get(api, path).json()["cursor"] == 3


def test_a_list_that_is_empty_once(api: Calls, source: str) -> None:
    api.invoice(api.call("GET", "/customers")[1]["entries"][0]["uuid"], invoice(api.plan(source, "p2"), "i2"))
    odd(api, "list_empty", "/invoices", times=1)
    first, second = (get(api, "/invoices", per_page=1).json() for _ in range(2))
    assert (first["invoices"], first["cursor"], first["has_more"]) == ([], None, False)
    assert (len(second["invoices"]), second["has_more"]) == (1, True)


@pytest.mark.parametrize(("kind", "value"), [("list_null", None), ("list_number", 7), ("list_true", True)])
def test_lists_that_are_none(api: Calls, source: str, kind: str, value: Any) -> None:
    odd(api, kind, "/invoices")
    assert get(api, "/invoices").json()["invoices"] is value or get(api, "/invoices").json()["invoices"] == value


def test_rows_that_are_odd(api: Calls, source: str) -> None:
    def row(kind: str, path: str = "/invoices", root: str = "invoices") -> Any:
        odd(api, kind, path)
        return get(api, path).json()[root][0]

    assert row("null_row") is None
    assert row("text_row") == "row"
    assert "uuid" not in row("row_without_id")
    assert row("row_without_id", "/data_sources", "data_sources")["name"] == "Keap"
    assert row("lists_null_in_row")["line_items"] is None
    assert row("amount_text")["line_items"][0]["amount_in_cents"] == "1000"
    found = row("amount_float")
    amounts = [found["line_items"][0]["amount_in_cents"], found["transactions"][0]["amount_in_cents"]]
    assert amounts == [1000, 1000]
    assert {type(amount) for amount in amounts} == {float}
    assert row("date_text")["date"] == "someday"
    assert row("odd_id_row")["external_id"] == 12345678901234567890
    odd(api, "nan_row", "/invoices")
    assert b'"score_value": NaN' in get(api, "/invoices").content
    assert row("half_character_row")["date"] == "\ud83d"


def test_answers_nested_a_thousand_levels(api: Calls, source: str) -> None:
    for kind, status in (("deep", 200), ("422_deep", 422)):
        odd(api, kind)
        answer = get(api, "/invoices")
        assert (answer.status_code, answer.text) == (status, "[" * 1000 + "]" * 1000)
    odd(api, "deep_row", "/invoices")
    assert b"[" * 1000 in get(api, "/invoices").content


def test_answers_that_are_too_large(api: Calls, source: str) -> None:
    true = get(api, "/invoices").json()
    for kind, most in (("gzip_bomb", 1 << 20), ("large", 1 << 27)):
        odd(api, kind, "/invoices")
        answer = get(api, "/invoices")
        assert int(answer.headers["content-length"]) < most
        assert len(answer.content) > 64 << 20
        assert json.loads(answer.content) == true


def test_answers_that_cannot_be_read(api: Calls, source: str) -> None:
    odd(api, "not_utf8", "/invoices")
    with pytest.raises(UnicodeDecodeError):
        get(api, "/invoices").content.decode()
    odd(api, "bad_gzip", "/invoices")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        get(api, "/invoices")
    odd(api, "empty_200", "/invoices")
    assert get(api, "/invoices").content == b""
    odd(api, "304", "/invoices")
    assert (get(api, "/invoices").status_code, get(api, "/invoices").content) == (304, b"")


def test_an_answer_that_trickles_for_ever(api: Calls) -> None:
    odd(api, "trickle")
    with api.session.get(f"{api.sandbox.chartmogul_url}/ping", timeout=10, stream=True) as answer:
        chunks = answer.iter_content(1)
        assert [next(chunks) for _ in range(5)] == [b" "] * 5
