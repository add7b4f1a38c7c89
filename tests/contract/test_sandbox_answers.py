"""The open questions: every answer can be given, at the start and at run time, and taken back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.questions import CHARTMOGUL, KEAP, QUESTIONS
from tests.support.chartmogul_calls import Calls, invoice, line
from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import ROOT, Sandbox

NOW = "2026-06-15T12:00:00Z"
ASKED_OF_KEAP = """
    credentials edition rate-limit-headers quota page-token-form last-page-token page-size unset-fields unknown-fields
    missing-fields since-bound unknown-filter-field payments-since-basis inactive-subscriptions-listed
    originating-order-link order-modified-by-payment billing-amount-unit order-payment-unit discount-form refund-form
    void-form payment-types item-types transaction-duplicates currency-and-time-zone
"""
ASKED_OF_CHARTMOGUL = """
    key account-settings data-source invoice-handling processing same-contacts-elsewhere clock rate-limit-headers
    duplicate-answer invalid-email zero-decimal-unit state-form future-cancellation-event
    cancellation-one-second-after-start weekly-plan-mrr event-order unpaid-invoice-mrr written-off deleted-id-free
    update-answer bulk-import cancellation-stores churn-recognition-effect
"""


@pytest.fixture
def keap(sandbox: Sandbox) -> Iterator[KeapCalls]:
    calls = KeapCalls(sandbox)
    yield calls
    calls.session.close()


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        yield calls


def test_every_question_has_two_answers() -> None:
    assert set(KEAP) == set(ASKED_OF_KEAP.split())
    assert set(CHARTMOGUL) == set(ASKED_OF_CHARTMOGUL.split())
    for table in QUESTIONS.values():
        assert min(len(answers) for answers in table.values()) >= 2


@pytest.mark.parametrize("api_name", QUESTIONS)
def test_every_answer_changes_something_and_is_taken_back(sandbox: Sandbox, api_name: str) -> None:
    def state() -> Any:
        if api_name == "keap":
            answers = []
            sandbox.limits("keap", per_second=1000, per_minute=100_000)
            with KeapCalls(sandbox).session as session:
                for path in (
                    "contacts?fields=id,addresses&page_size=5", "orders?page_size=1000", "subscriptions?page_size=1000",
                    "sales/payments?page_size=1000", "sales/transactions?page_size=1000", "orders/102/payments",
                    f"sales/payments?filter=since_time=={time}&page_size=1000", "tags?filter=shoe==1",
                    "businessProfile", "settings/applications:getConfiguration", "tags?page_size=1000",
                    "tags?page_size=1", "sales/transactions?filter=transaction_method==VOID",
                ):  # fmt: skip
                    answer = session.get(f"{sandbox.keap_url}/v2/{path}", timeout=20)
                    shown = {n: v for n, v in answer.headers.items() if n.startswith("x-keap-product-quota-limit")}
                    answers.append((answer.status_code, answer.text, shown))
            return answers
        found = sandbox.control("GET", "chartmogul/settings")
        with Calls(sandbox) as calls:
            sandbox.limits("chartmogul", per_second=1000)
            answer = calls.session.get(f"{sandbox.chartmogul_url}/data_sources", timeout=20)
        ahead = answer.headers["date"], "x-ratelimit-limit" in answer.headers
        return found, ahead, [row["name"] for row in answer.json().get("data_sources", [])]

    # The last time at which a payment was changed is the time of another one.
    time = max(row["update_time"] for row in sandbox.account()["payments"] if row["refund_payment_id"])
    before = state()
    for question, answers in QUESTIONS[api_name].items():
        for number, answer in enumerate(answers):
            sandbox.answers({f"{api_name}/{question}": answer})
            assert (state() != before) == (number > 0), (question, answer)
    sandbox.answers({})
    assert state() == before


def test_answers_are_given_at_the_start_and_after_a_reset() -> None:
    running = Sandbox.start("--answers", "page-token-form=url, update-answer=304,keap/rate-limit-headers=absent")
    try:
        keap = KeapCalls(running)
        for _ in range(2):
            answer = keap.get("orders", page_size=1)
            assert answer.json()["next_page_token"].startswith("http")
            assert "x-keap-product-quota-limit" not in answer.headers
            running.no_limits()
            assert "x-keap-product-quota-limit" not in keap.get("orders", page_size=1).headers
            given = running.control("GET", "answers")["given"]
            assert given == {
                "keap/page-token-form": "url", "chartmogul/update-answer": "304", "keap/rate-limit-headers": "absent",
            }  # fmt: skip
            running.answers({})
            assert not keap.get("orders", page_size=1).json()["next_page_token"].startswith("http")
            running.reset()
        keap.session.close()
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shoe-size=43", "unknown question 'shoe-size'"), ("page-token-form=round", "is one of opaque, url"),
        ("page-token-form", "is not question=answer"), ("rate-limit-headers=odd", "keap/rate-limit-headers or"),
    ],
)  # fmt: skip
def test_answers_that_make_no_sense(sandbox: Sandbox, text: str, message: str) -> None:
    command = [sys.executable, "-m", "sandbox", "--account", "empty", "--answers", text]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    if "=" in text:
        name, _, answer = text.partition("=")
        with pytest.raises(RuntimeError, match=": 400 "):
            sandbox.answers({"page-size": "200", name: answer})
        assert sandbox.control("GET", "answers")["given"] == {}


def give(api: Calls, **answers: str) -> None:
    api.sandbox.answers({name.replace("_", "-"): answer for name, answer in answers.items()})


class Account:
    def __init__(self, api: Calls) -> None:
        self.api = api
        self.source = api.source()
        self.customer = api.customer(self.source)
        self.plan = api.plan(self.source)

    def send(self, external_id: str = "i1", start: str = "2026-01-05", **changes: Any) -> dict[str, Any]:
        return self.api.invoice(self.customer, invoice(self.plan, external_id, start, **changes))

    def mrr(self) -> int:
        mrr: int = self.api.call("GET", f"/customers/{self.customer}")[1]["mrr"]
        return mrr


@pytest.fixture
def account(api: Calls) -> Account:
    return Account(api)


def test_keys(api: Calls, account: Account) -> None:
    give(api, key="read-only")
    assert (api.call("GET", "/ping")[0], api.call("POST", "/plans", {})[0]) == (200, 403)
    give(api, key="refused")
    assert api.call("GET", "/ping")[0] == 401


def test_credentials_of_keap(keap: KeapCalls) -> None:
    keap.sandbox.answers({"credentials": "refused"})
    assert keap.get("tags").status_code == 401
    keap.sandbox.answers({"credentials": "restricted", "edition": "old"})
    assert (keap.get("tags").status_code, keap.get("sales/payments").status_code) == (200, 404)
    keap.sandbox.answers({"credentials": "restricted", "currency-and-time-zone": "forbidden"})
    assert [keap.get(path).status_code for path in ("sales/payments", "businessProfile")] == [403, 403]
    keap.sandbox.answers({"quota": "spent"})
    assert keap.get("tags").json()["message"] == "Quota Exceeded"


def test_duplicates(api: Calls, account: Account) -> None:
    account.send()
    give(api, duplicate_answer="codes")
    owned = {"data_source_uuid": account.source}
    status, body = api.call("POST", "/customers", {**owned, "external_id": "c1"})
    details = [{"param": "external_id", "code": "taken", "message": "external_id has already been taken"}]
    assert (status, body) == (422, {"external_id": ["has already been taken"], "error_details": details})
    again = {"invoices": [invoice(account.plan)]}
    status, body = api.call("POST", f"/import/customers/{account.customer}/invoices", again)
    taken = {"external_id": "has already been taken", "line_items.external_id": "has already been taken"}
    assert (status, body["invoices"][0]["errors"]) == (422, taken)
    assert api.call("POST", "/plans", owned)[1]["errors"]["name"] == "A unique name is required for each plan."


def test_addresses_and_states(api: Calls, account: Account) -> None:
    path = f"/customers/{account.customer}"
    assert api.call("PATCH", path, {"email": "n/a"})[0] == 422
    give(api, invalid_email="dropped")
    assert api.call("PATCH", path, {"email": "n/a"})[1]["email"] == ""
    made = api.made("/customers", {"data_source_uuid": account.source, "external_id": "c2", "email": "n/a"})
    assert made["email"] == ""
    api.call("PATCH", path, {"country": "US", "state": "California"})
    for answer, shown in (("code", "CA"), ("prefixed", "US-CA"), ("name", "California")):
        give(api, state_form=answer)
        assert api.call("GET", path)[1]["state"] == shown


def test_amounts_and_intervals(api: Calls, account: Account) -> None:
    weekly = api.plan(account.source, "weekly", 7, "day")
    api.invoice(account.customer, invoice(weekly))
    assert account.mrr() == 4348
    give(api, weekly_plan_mrr="by-30-days")
    assert account.mrr() == 4286
    api.invoice(account.customer, invoice(account.plan, "i2", subscription_external_id="s2") | {"currency": "JPY"})
    give(api)
    assert account.mrr() == 5348
    give(api, zero_decimal_unit="units")
    assert account.mrr() == 4348 + 100_000


def test_what_counts(api: Calls, account: Account) -> None:
    account.send(event_order=2)
    account.send("i2", amount_in_cents=3000, event_order=1)
    assert account.mrr() == 1000
    give(api, event_order="ignored")
    assert account.mrr() == 3000
    give(api, unpaid_invoice_mrr="ignored")
    assert account.mrr() == 0
    give(api, written_off="refused")
    path = f"/data_sources/{account.source}/invoices/i1/status"
    assert api.call("PUT", path, {"status": "written_off"})[0] == 422
    give(api, written_off="counts")
    assert api.call("PUT", path, {"status": "written_off"})[0] == 200
    assert account.mrr() == 1000
    give(api)
    assert account.mrr() == 3000


def test_cancellations(api: Calls, account: Account) -> None:
    account.send()
    event = {
        "data_source_uuid": account.source, "external_id": "e1", "customer_external_id": "c1",
        "subscription_external_id": "s1", "event_type": "subscription_cancelled", "event_date": NOW,
        "effective_date": "2026-07-01T00:00:00Z",
    }  # fmt: skip
    body = {"subscription_event": event}
    assert api.call("POST", "/subscription_events", body)[0] == 422
    give(api, future_cancellation_event="accepted")
    assert api.call("POST", "/subscription_events", body)[0] == 201
    assert account.mrr() == 1000
    api.cancelled(account.source, "2026-01-05T00:00:01Z", "e2")
    assert account.mrr() == 0
    give(api, cancellation_one_second_after_start="ignored")
    assert account.mrr() == 1000


def test_stores_of_cancellations(api: Calls, account: Account) -> None:
    item = account.send()["line_items"][0]
    api.cancelled(account.source, "2026-03-01", "e1")
    path = f"/import/subscriptions/{item['subscription_uuid']}"
    assert len(api.call("PATCH", path, {"cancelled_at": "2026-04-01"})[1]["cancellation_dates"]) == 2
    give(api, cancellation_stores="two")
    listed = api.call("GET", "/subscription_events")[1]["subscription_events"]
    assert [event["external_id"] for event in listed] == ["e1"]
    assert api.call("PATCH", path, {"cancellation_dates": []})[1]["cancellation_dates"] == []
    assert len(api.call("GET", "/subscription_events")[1]["subscription_events"]) == 1


def test_churn_recognition(api: Calls, account: Account) -> None:
    account.send(start="2026-06-05")
    api.cancelled(account.source, "2026-06-10", "e1")
    assert account.mrr() == 0
    give(api, account_settings="period-end")
    assert account.mrr() == 1000
    give(api, account_settings="period-end", churn_recognition_effect="on-billing-systems")
    assert account.mrr() == 0


def test_ids_of_deleted_invoices(api: Calls, account: Account) -> None:
    give(api, deleted_id_free="never")
    made = account.send()
    assert api.call("DELETE", f"/invoices/{made['uuid']}") == (204, None)
    body = {"invoices": [invoice(account.plan)]}
    status, answer = api.call("POST", f"/import/customers/{account.customer}/invoices", body)
    assert (status, list(answer["invoices"][0]["errors"])) == (422, ["external_id"])


def test_bulk_imports(api: Calls, account: Account) -> None:
    account.send()
    api.sandbox.control("PUT", "chartmogul/settings", {"import_queued": 0, "import_processing": 0})
    path = f"/data_sources/{account.source}/json_imports"
    item = {**line("", external_id="i1-1"), "invoice_external_id": "i1", "plan_external_id": "p1"}
    del item["plan_uuid"]
    body = {
        "customers": [{"external_id": "c1", "name": "Li"}],
        "invoices": [{"external_id": "i1", "date": "2026-01-06", "currency": "USD", "customer_external_id": "c1"}],
        "line_items": [item | {"amount_in_cents": 1500}],
    }
    for answer, mrr, name in (("offered", 1000, ""), ("duplicates-updated", 1500, "Li")):
        give(api, bulk_import=answer)
        api.made(path, {**body, "external_id": answer}, 200)
        assert account.mrr() == mrr
        assert api.call("GET", f"/customers/{account.customer}")[1]["name"] == name
    give(api, bulk_import="late-validation")
    api.sandbox.control("PUT", "chartmogul/settings", {"validation_delay": 0})
    api.made(path, {**body, "external_id": "late"}, 200)
    api.call("GET", f"{path}/late")
    assert len(api.call("GET", "/invoices", validation_type="invalid")[1]["invoices"]) == 1
    give(api, bulk_import="not-offered")
    assert api.call("POST", path, {**body, "external_id": "x"})[0] == 404


def test_data_sources(api: Calls) -> None:
    give(api, data_source="present", processing="failed")
    flags = {"with_processing_status": "true", "with_auto_churn_subscription_setting": "true"}
    only = api.call("GET", "/data_sources", **flags)[1]["data_sources"][0]
    assert (only["name"], only["processing_status"]["failed"]) == ("Keap", 8)
    give(api, data_source="older-form")
    only = api.call("GET", "/data_sources", **flags)[1]["data_sources"][0]
    assert (only["system"], only["status"]) == ("Import API", "never_imported")
    assert only["auto_churn_subscription_setting"] is True
    give(api, same_contacts_elsewhere="yes")
    assert [row["name"] for row in api.call("GET", "/data_sources")[1]["data_sources"]] == ["Stripe"]
    emails = {row["email"] for row in api.call("GET", "/customers")[1]["entries"]}
    known = {entry["email"] for row in api.sandbox.account()["contacts"] for entry in row["email_addresses"]}
    assert emails <= known
    assert len(emails) >= 3
    give(api, invoice_handling="hidden")
    api.source()
    shown = api.call("GET", "/data_sources", with_invoice_handling_setting="true")[1]["data_sources"]
    assert "invoice_handling_setting" not in shown[0]
