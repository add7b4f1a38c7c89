"""What ChartMogul refuses, with its statuses and the shapes of its bodies (fact sheet: A to F)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chartmogul_calls import Calls, invoice, line, payment
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"
FUTURE = "2026-06-15T12:00:01Z"
DUPLICATE = "already exists in our system."


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        yield calls


class Account:
    """A source with a customer, a monthly plan and an invoice of one line."""

    def __init__(self, api: Calls) -> None:
        self.source = api.source()
        self.customer = api.customer(self.source)
        self.plan = api.plan(self.source)
        self.path = f"/import/customers/{self.customer}/invoices"
        self.invoice = api.invoice(self.customer, invoice(self.plan))


@pytest.fixture
def account(api: Calls) -> Account:
    return Account(api)


def test_wrong_and_missing_keys(api: Calls) -> None:
    body = {"code": 401, "message": "No valid API key provided", "param": None}
    for auth in (("nonsense", ""), None):
        api.session.auth = auth
        assert api.call("GET", "/ping") == (401, body)


def test_a_read_only_key_reads_and_does_not_write(sandbox: Sandbox) -> None:
    with Calls(sandbox, "chartmogul_read_only_key") as api:
        assert api.call("GET", "/data_sources") == (200, {"data_sources": []})
        status, body = api.call("POST", "/data_sources", {"name": "Keap"})
        assert (status, body["code"]) == (403, 403)
        assert api.call("GET", "/data_sources") == (200, {"data_sources": []})


def test_a_body_that_is_no_json(api: Calls) -> None:
    answer = api.session.post(api.sandbox.chartmogul_url + "/customers", data=b'{"a": NaN}', timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_an_unknown_path_is_answered_in_plain_text(api: Calls) -> None:
    answer = api.session.get(api.sandbox.chartmogul_url + "/nothing", timeout=10)
    assert (answer.status_code, answer.text) == (404, "Not Found")


def test_account_include_is_checked(api: Calls) -> None:
    status, body = api.call("GET", "/account", include="churn_recognition,colour")
    assert (status, body["param"]) == (400, "include")


def test_data_sources(api: Calls) -> None:
    source = api.source()
    missing = {"code": 400, "message": 'Parameter "name" is missing', "param": "name"}
    assert api.call("POST", "/data_sources", {}) == (400, missing)
    required = {"errors": {"name": "A name is required for each data source."}}
    assert api.call("POST", "/data_sources", {"name": None}) == (422, required)
    taken = {"errors": {"name": "Has already been taken."}}
    assert api.call("POST", "/data_sources", {"name": "Keap"}) == (422, taken)
    unknown = {"error": "Data source not found"}
    assert api.call("GET", "/data_sources/ds_1") == (404, unknown)
    assert api.call("DELETE", f"/data_sources/{source[:-1]}z") == (404, unknown)


def test_the_name_of_a_deleted_source_stays_taken_until_the_clean_up_ends(api: Calls) -> None:
    api.sandbox.control("PUT", "chartmogul/settings", {"deletion_delay": 60})
    source = api.source()
    assert api.call("DELETE", f"/data_sources/{source}") == (204, None)
    assert api.call("POST", "/data_sources", {"name": "Keap"})[0] == 422


def test_customers_without_ids(api: Calls) -> None:
    body = {"errors": {
        "data_source_uuid": "A valid data source UUID is required for each customer.",
        "external_id": "A unique external ID is required for each customer.",
    }}  # fmt: skip
    assert api.call("POST", "/customers", {"name": "Mara"}) == (422, body)


def test_a_second_customer_of_the_same_id(api: Calls) -> None:
    source = api.source()
    api.customer(source)
    status, body = api.call("POST", "/customers", {"data_source_uuid": source, "external_id": "c1"})
    assert (status, body) == (422, {"errors": {"external_id": f"The external ID for this customer {DUPLICATE}"}})
    api.customer(api.source("Other"))


BAD_ADDRESSES = ["schnitzel.com", "a@b", "a b@example.com", "a@@example.com", ".a@example.com", "ä@example.com"]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_bad_addresses_are_refused_whole(api: Calls, account: Account, address: str) -> None:
    message = "The value provided does not appear to be a valid email address."
    refusal = (422, {"code": 422, "message": message, "param": "email"})
    new = {"data_source_uuid": account.source, "external_id": "c2", "email": address}
    assert api.call("POST", "/customers", new) == refusal
    assert api.call("GET", "/customers", external_id="c2")[1]["entries"] == []
    change = {"email": address, "name": "Mara"}
    assert api.call("PATCH", f"/customers/{account.customer}", change) == refusal
    assert api.call("GET", f"/customers/{account.customer}")[1]["name"] == ""


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": "x" * 256}, "name"),
        ({"company": "x" * 256}, "company"),
        ({"city": "x" * 256}, "city"),
        ({"zip": "x" * 256}, "zip"),
        ({"external_id": "x" * 256}, "external_id"),
        ({"country": "USA"}, "country"),
        ({"country": "XX"}, "country"),
        ({"lead_created_at": FUTURE}, "lead_created_at"),
        ({"free_trial_started_at": FUTURE}, "free_trial_started_at"),
        ({"lead_created_at": "yesterday"}, "lead_created_at"),
        ({"lead_created_at": "2026-02-30"}, "lead_created_at"),
        ({"status": "Active"}, "status"),
        ({"name": 7}, "name"),
        ({"attributes": {"custom": [{"key": "a-b", "value": 1}]}}, "custom"),
        ({"attributes": {"custom": [{"key": "age", "type": "Integer", "value": "old"}]}}, "custom.age"),
    ],
)
def test_customer_fields(api: Calls, account: Account, fields: dict[str, Any], param: str) -> None:
    new = {"data_source_uuid": account.source, "external_id": "c2", **fields}
    status, body = api.call("POST", "/customers", new)
    assert (status, list(body["errors"])) == (422, [param])
    if "external_id" not in fields:
        status, body = api.call("PATCH", f"/customers/{account.customer}", fields)
        assert (status, body["code"], body["param"]) == (422, 422, param)


def test_255_characters_are_accepted(api: Calls) -> None:
    uuid = api.customer(api.source(), "x" * 255, name="y" * 255)
    assert api.call("GET", f"/customers/{uuid}")[1]["name"] == "y" * 255


@pytest.mark.parametrize(
    ("country", "state", "stored"),
    [
        ("US", "CA", "CA"), ("US", "US-CA", "CA"), ("US", "California", "CA"),
        ("DE", "NY", None), ("DE", "BY", "BY"), (None, "CA", None), ("US", "ZZ", None),
    ],
)  # fmt: skip
def test_states_that_the_country_does_not_have_are_dropped(
    api: Calls, country: str | None, state: str, stored: str | None
) -> None:
    uuid = api.customer(api.source(), country=country, state=state)
    assert api.call("GET", f"/customers/{uuid}")[1]["state"] == stored


def test_unknown_customers(api: Calls, account: Account) -> None:
    gone = account.customer
    assert api.call("DELETE", f"/customers/{gone}") == (204, None)
    body = {"code": 404, "message": f'Customer "{gone[4:]}" does not exist', "param": "customer_id"}
    for method, change in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert api.call(method, f"/customers/{gone}", change) == (404, body)
    status, body = api.call("GET", "/customers/search", email="a@example.com")
    assert (status, body["param"]) == (404, "email")
    assert api.call("GET", "/customers", external_id="c1")[1]["entries"] == []
    assert api.call("GET", f"/invoices/{account.invoice['uuid']}") == (404, {"error": "Invoice not found"})


def test_plans(api: Calls, account: Account) -> None:
    status, body = api.call("POST", "/plans", {"name": None, "interval_count": None, "interval_unit": "week"})
    assert (status, body) == (422, {"errors": {
        "data_source_uuid": "A valid data source UUID is required for each plan.",
        "name": "A unique name is required for each plan.",
        "interval_count": "is not a number",
        "interval_unit": "Only 'day', 'month' or 'year' are valid values for interval_unit.",
    }})  # fmt: skip
    plan = {"data_source_uuid": account.source, "name": "Gold", "interval_count": 1, "interval_unit": "month"}
    taken = {"errors": {"external_id": "A plan with this identifier already exists in our system."}}
    assert api.call("POST", "/plans", {**plan, "external_id": "p1"}) == (422, taken)
    made = api.made("/plans", plan)
    assert made["uuid"] == f"pl_{made['external_id']}"
    assert api.call("GET", "/plans/pl_1") == (404, {"error": "Plan not found"})
    assert api.call("PATCH", f"/plans/{made['uuid']}", {"interval_count": 0})[0] == 422
    assert api.call("DELETE", f"/plans/{account.plan}")[0] == 422


def test_an_unknown_customer_in_the_path_is_an_invoice_not_found(api: Calls, account: Account) -> None:
    status, body = api.call("POST", "/import/customers/cus_1/invoices", {"invoices": [invoice(account.plan)]})
    assert (status, body["error"]) == (404, "Invoice not found")
    detail = body["error_details"][0]
    assert (detail["param"], detail["code"]) == ("invoice", "invalid")


def changed(changes: dict[str, Any] | None = None, **line_changes: Any) -> Any:
    """An invoice `i2` of the account's plan with changes in its header or its line."""
    return lambda account: invoice(account.plan, "i2", **line_changes) | (changes or {})


def known_line(account: Account) -> dict[str, Any]:
    return invoice(account.plan, "i2") | {"line_items": [line(account.plan, external_id="i1-1")]}


END = "must be after service_period_start"
TAKEN = "has already been taken"
NOT_LISTED = "is not included in the list"
NOT_NEGATIVE = "must be greater than or equal to 0"
LATER = "The external ID for this line item already exists in our system."
EXCESS = "The sum of the transactions exceeds the amount of the invoice"
INVOICES: list[tuple[Any, str, str]] = [
    (changed({"external_id": "i1"}), "external_id", f"The external ID for this invoice {DUPLICATE}"),
    (known_line, "line_items.external_id", LATER),
    (changed({"external_id": None}), "external_id", "can't be blank"),
    (changed({"external_id": "x" * 256}), "external_id", "is too long (maximum is 255 characters)"),
    (changed({"date": FUTURE}), "date", "Date is in the future"),
    (changed({"date": None}), "date", "can't be blank"),
    (changed({"date": "2026-13-01"}), "date", "is invalid"),
    (changed({"due_date": "soon"}), "due_date", "is invalid"),
    (changed({"currency": "XYZ"}), "currency", "Currency is invalid"),
    (changed({"currency": "usd"}), "currency", "Currency is invalid"),
    (changed({"currency": None}), "currency", "can't be blank"),
    (changed({"line_items": []}), "line_items", "can't be blank"),
    (changed({"customer_external_id": "c9"}), "customer_external_id", "is invalid"),
    (changed({"collection_method": "later"}), "collection_method", NOT_LISTED),
    (changed(type="rent"), "line_items.type", NOT_LISTED),
    (changed(amount_in_cents=None), "line_items.amount_in_cents", "can't be blank"),
    (changed(amount_in_cents=9.5), "line_items.amount_in_cents", "must be an integer"),
    (changed(amount_in_cents="9"), "line_items.amount_in_cents", "is not a number"),
    (changed(amount_in_cents=True), "line_items.amount_in_cents", "is not a number"),
    (changed(event_order="9998"), "line_items.event_order", "is not a number"),
    (changed(event_order=1.5), "line_items.event_order", "must be an integer"),
    (changed(event_order=2**63), "line_items.event_order", "is invalid"),
    (changed(quantity=0), "line_items.quantity", "must be other than 0"),
    (changed(tax_amount_in_cents=-1), "line_items.tax_amount_in_cents", NOT_NEGATIVE),
    (changed(subscription_external_id=None), "line_items.subscription_external_id", "can't be blank"),
    (changed(plan_uuid="pl_1"), "line_items.plan_uuid", "Plan not found in this data source"),
    (changed(service_period_start=None), "line_items.service_period_start", "can't be blank"),
    (changed(service_period_end="2026-01-04"), "line_items.service_period_end", END),
    (changed(cancelled_at=FUTURE), "line_items.cancelled_at", "must be in the past"),
    (changed(discount_code="x" * 256), "line_items.discount_code", "is too long (maximum is 255 characters)"),
    (changed(account_code="x" * 31), "line_items.account_code", "is too long (maximum is 30 characters)"),
    (changed({"transactions": [payment("t1", 1001)]}), "transactions.amount_in_cents", EXCESS),
    (changed({"transactions": [payment("t1", 600), payment("t2", 401)]}), "transactions.amount_in_cents", EXCESS),
    (changed({"transactions": [payment("t1"), payment("t2", 1)]}), "transactions.amount_in_cents", EXCESS),
    (changed({"transactions": [payment("t1"), payment("t1", 0)]}), "transactions.external_id", TAKEN),
    (changed({"transactions": [payment("t1", date=FUTURE)]}), "transactions.date", "Date is in the future"),
    (changed({"transactions": [payment("t1", result="maybe")]}), "transactions.result", NOT_LISTED),
    (changed({"transactions": [payment("t1", type="loan")]}), "transactions.type", NOT_LISTED),
    (changed({"transactions": [payment("t1", -5)]}), "transactions.amount_in_cents", NOT_NEGATIVE),
]  # fmt: skip


@pytest.mark.parametrize(("make", "path", "text"), INVOICES, ids=[f"{p}: {t}" for _, p, t in INVOICES])
def test_invoices(api: Calls, account: Account, make: Any, path: str, text: str) -> None:
    """Shape E: the invoices as they were sent, each with its errors; nothing of the request is stored."""
    good, bad = invoice(account.plan, "i0"), make(account)
    status, body = api.call("POST", account.path, {"invoices": [good, bad]})
    assert status == 422
    assert [entry["errors"] for entry in body["invoices"]] == [{}, {path: text}]
    assert body["invoices"][0]["external_id"] == "i0"
    stored = api.call("GET", "/invoices", validation_type="all")[1]["invoices"]
    assert [i["external_id"] for i in stored] == ["i1"]


def test_duplicates_within_one_request(api: Calls, account: Account) -> None:
    twice = [invoice(account.plan, "i2"), invoice(account.plan, "i2")]
    status, body = api.call("POST", account.path, {"invoices": twice})
    assert status == 422
    assert list(body["invoices"][1]["errors"]) == ["external_id", "line_items.external_id"]


def test_unknown_keys_are_accepted(api: Calls, account: Account) -> None:
    extra = invoice(account.plan, "i2", colour="red") | {"customer_uuid": "whatever"}
    assert api.call("POST", account.path, {"invoices": [extra], "customer_uuid": "x"})[0] == 201


def test_ids_are_unique_within_a_data_source_only(api: Calls, account: Account) -> None:
    other = api.source("Other")
    owner, plan = api.customer(other), api.plan(other)
    assert api.call("POST", f"/import/customers/{owner}/invoices", {"invoices": [invoice(account.plan)]})[0] == 422
    api.invoice(owner, invoice(plan))


def test_a_deleted_invoice_frees_all_its_ids(api: Calls, account: Account) -> None:
    query = {"data_source_uuid": account.source, "external_id": "i1"}
    assert api.call("DELETE", "/invoices", **query) == (204, None)
    assert api.call("DELETE", "/invoices", **query) == (404, {"error": "Invoice not found"})
    api.invoice(account.customer, invoice(account.plan))


def test_line_items_on_their_own(api: Calls, account: Account) -> None:
    path = f"/import/invoices/{account.invoice['uuid']}/line_items"
    duplicate = api.call("POST", path, line(account.plan, external_id="i1-1"))
    assert duplicate == (422, {"errors": {"external_id": LATER}})
    item = account.invoice["line_items"][0]["uuid"]
    status, body = api.call("PATCH", f"/line_items/{item}", {"tax_amount_in_cents": -1})
    assert (status, list(body["errors"])) == (422, ["tax_amount_in_cents"])
    assert api.call("POST", "/import/invoices/inv_1/line_items", line(account.plan))[0] == 404
    assert api.call("GET", "/line_items/li_1") == (404, {"error": "Line item not found"})


def test_transactions_on_their_own(api: Calls, account: Account) -> None:
    path = f"/import/invoices/{account.invoice['uuid']}/transactions"
    made = api.made(path, payment("t1", 700))
    taken = {"errors": {"external_id": "has already been taken"}}
    assert api.call("POST", path, payment("t1", 100)) == (422, taken)
    assert api.call("POST", path, payment("t2", 301)) == (422, {"errors": {"amount_in_cents": EXCESS}})
    api.made(path, payment("t2", 300))
    api.made(path, payment("t3", 900, result="failed"))
    assert api.call("PATCH", f"/transactions/{made['uuid']}", {"amount_in_cents": 701})[0] == 422
    assert api.call("POST", path, payment("t4", 1001, type="refund"))[0] == 422
    api.made(path, payment("t4", 1000, type="refund"))
    assert api.call("GET", f"/invoices/{account.invoice['uuid']}")[1]["status"] == "refunded"


def test_status_transitions(api: Calls, account: Account) -> None:
    path = f"/data_sources/{account.source}/invoices/i1/status"
    illegal = (422, {"message": "Status transition is not allowed"})
    assert api.call("PUT", path, {"status": "paid"}) == illegal
    api.made(f"/import/invoices/{account.invoice['uuid']}/transactions", payment("t1", 1000))
    assert api.call("PUT", path, {"status": "written_off"}) == illegal
    status, body = api.call("PUT", path, {"status": "voided"})
    assert (status, body["message"], body["invoice"]["status"]) == (200, "Invoice updated", "voided")
    assert api.call("PUT", path, {"status": "voided"}) == illegal
    missing = f"/data_sources/{account.source}/invoices/i9/status"
    assert api.call("PUT", missing, {"status": "voided"}) == (404, {"error": "Invoice not found"})


def test_nothing_of_a_custom_source_can_be_disabled(api: Calls, account: Account) -> None:
    item = account.invoice["line_items"][0]["uuid"]
    event = api.cancelled(account.source, "2026-03-01", "e1")["id"]
    for path in (f"/invoices/{account.invoice['uuid']}", f"/line_items/{item}", f"/subscription_events/{event}"):
        assert api.call("PATCH", f"{path}/disabled_state", {"disabled": True})[0] == 422
    named = {"external_id": "e1", "data_source_uuid": account.source, "disabled": True}
    assert api.call("PATCH", "/subscription_events/disabled_state", named)[0] == 422


def test_cancellations_lie_in_the_past(api: Calls, account: Account) -> None:
    known = api.call("GET", f"/import/customers/{account.customer}/subscriptions")[1]["subscriptions"][0]
    path = f"/import/subscriptions/{known['uuid']}"
    assert api.call("PATCH", path, {"cancelled_at": FUTURE})[0] == 422
    assert api.call("PATCH", path, {"cancellation_dates": ["2026-01-01", FUTURE]})[0] == 422
    assert api.call("PATCH", path, {"cancellation_dates": ["soon"]})[0] == 422
    assert api.call("PATCH", path, {})[0] == 400
    assert api.call("PATCH", "/import/subscriptions/sub_1", {"cancelled_at": NOW})[0] == 404
    status, body = api.call("PATCH", path, {"cancelled_at": NOW})
    assert (status, body["cancellation_dates"]) == (202, ["2026-06-15T12:00:00.000Z"])


EVENT = {
    "external_id": "e1", "customer_external_id": "c1", "subscription_external_id": "s1",
    "event_type": "subscription_cancelled", "event_date": "2026-05-01", "effective_date": "2026-05-01",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"effective_date": FUTURE}, "effective_date"),
        ({"effective_date": None}, "effective_date"),
        ({"event_date": None}, "event_date"),
        ({"event_type": "subscription_paused"}, "event_type"),
        ({"customer_external_id": "c9"}, "customer_external_id"),
        ({"subscription_external_id": None}, "subscription_external_id"),
        ({"data_source_uuid": "ds_1"}, "data_source_uuid"),
        ({"event_type": "subscription_event_retracted"}, "retracted_event_id"),
    ],
)
def test_events(api: Calls, account: Account, changes: dict[str, Any], param: str) -> None:
    body = {"subscription_event": {"data_source_uuid": account.source, **EVENT, **changes}}
    status, refusal = api.call("POST", "/subscription_events", body)
    assert (status, list(refusal["errors"])) == (422, [param])


def test_events_of_known_ids_and_of_the_future(api: Calls, account: Account) -> None:
    event = {"data_source_uuid": account.source, **EVENT}
    later = {"event_type": "subscription_cancellation_scheduled", "effective_date": "2027-01-01"}
    api.made("/subscription_events", {"subscription_event": {**event, **later}})
    taken = {"errors": {"external_id": "has already been taken"}}
    assert api.call("POST", "/subscription_events", {"subscription_event": event}) == (422, taken)
    unknown = {"subscription_event": {"external_id": "e9", "data_source_uuid": account.source}}
    assert api.call("DELETE", "/subscription_events", unknown)[0] == 404
    assert api.call("DELETE", "/subscription_events", {"subscription_event": {}})[0] == 400
    assert api.call("POST", "/subscription_events", event)[0] == 400
    priced = {**event, "external_id": "e2", "event_type": "subscription_start"}
    status, body = api.call("POST", "/subscription_events", {"subscription_event": priced})
    assert (status, sorted(body["errors"])) == (422, ["amount_in_cents", "currency", "plan_external_id"])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"per_page": "0"}, "per_page"),
        ({"per_page": "many"}, "per_page"),
        ({"page": "2"}, "page"),
        ({"validation_type": "some"}, "validation_type"),
    ],
)
def test_queries_of_lists(api: Calls, query: dict[str, str], param: str) -> None:
    status, body = api.call("GET", "/invoices", **query)
    assert (status, body["code"], body["param"]) == (400, 400, param)


def test_metrics_need_their_dates(api: Calls) -> None:
    assert api.call("GET", "/metrics/mrr", **{"end-date": "2026-01-31"})[1]["param"] == "start-date"
    dates = {"start-date": "2026-01-01", "end-date": "2026-01-31"}
    assert api.call("GET", "/metrics/mrr", interval="decade", **dates)[1]["param"] == "interval"
    assert api.call("GET", "/metrics/mrr", plans="Gold", **dates)[0] == 501
