"""The MRR that the sandbox computes from what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chartmogul_calls import Calls, invoice, line, payment
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"
ACCOUNTS = sorted((Path(__file__).parent.parent / "accounts").glob("[0-9]*.json"))
EVENTS = {"cancellations": "subscription_cancelled", "scheduled": "subscription_cancellation_scheduled"}


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        yield calls


def write(api: Calls, expect: dict[str, Any]) -> None:
    """Send a worked account's content through the API."""
    source = api.source()
    owned = {"data_source_uuid": source}
    plans = {
        key: api.made("/plans", {**owned, "external_id": key, **plan})["uuid"] for key, plan in expect["plans"].items()
    }
    customers = {key: api.customer(source, key, **fields) for key, fields in expect["customers"].items()}
    for key, known in expect["invoices"].items():
        body = {name: known[name] for name in ("date", "due_date", "currency") if name in known}
        body |= {"external_id": key, "line_items": [], "transactions": []}
        for line_id, item in known["line_items"].items():
            sent = {name: value for name, value in item.items() if name not in ("plan", "subscription")}
            if item["type"] == "subscription":
                sent |= {"plan_uuid": plans[item["plan"]], "subscription_external_id": item["subscription"]}
                sent["event_order"] = int(key.partition("-")[0])  # the order's id (rule 4.7)
            body["line_items"].append({"external_id": line_id, **sent})
        body["transactions"] = [{"external_id": t, **fields} for t, fields in known["transactions"].items()]
        api.invoice(customers[known["customer"]], body)
        if "status" in known:
            path = f"/data_sources/{source}/invoices/{key}/status"
            assert api.call("PUT", path, {"status": known["status"]})[0] == 200
    for section, kind in EVENTS.items():
        for key, known in expect[section].items():
            event = {
                **owned, "external_id": key, "event_type": kind, "customer_external_id": known["customer"],
                "subscription_external_id": known["subscription"], "event_date": known["effective_date"],
                "effective_date": known["effective_date"],
            }  # fmt: skip
            api.made("/subscription_events", {"subscription_event": event})


def as_held(expect: dict[str, Any]) -> dict[str, Any]:
    """The sections that ChartMogul holds, without what only explains them."""
    held = {name: section for name, section in expect.items() if name != "report"}
    for section in EVENTS:
        held[section] = {
            key: {name: value for name, value in event.items() if name not in ("rule", "source")}
            for key, event in expect[section].items()
        }
    return held


def with_mrr(sections: dict[str, Any]) -> dict[str, Any]:
    """Months without MRR may be left out."""
    return {**sections, "mrr": {month: found for month, found in sections["mrr"].items() if found}}


@pytest.mark.parametrize("path", ACCOUNTS, ids=[path.stem for path in ACCOUNTS])
def test_worked_accounts(api: Calls, path: Path) -> None:
    """What a worked account expects, sent through the API, is what the content and the MRR by month say."""
    account = json.loads(path.read_text(encoding="utf-8"))
    for run in account["runs"]:
        api.sandbox.reset()
        api.sandbox.limits("chartmogul", enabled=False)
        api.sandbox.clock(run["now"])
        write(api, run["expect"])
        assert with_mrr(api.sandbox.content("Keap")) == with_mrr(as_held(run["expect"]))


class Account:
    def __init__(self, api: Calls) -> None:
        self.api = api
        self.source = api.source()
        self.customer = api.customer(self.source)
        self.plan = api.plan(self.source)

    def send(self, external_id: str = "i1", start: str = "2026-01-05", **changes: Any) -> dict[str, Any]:
        return self.api.invoice(self.customer, invoice(self.plan, external_id, start, **changes))

    def mrr(self) -> dict[str, int]:
        """Month → the customer's MRR."""
        months = self.api.sandbox.content("Keap")["mrr"]
        return {month: sum(customers.values()) for month, customers in months.items()}

    def now(self) -> int:
        mrr: int = self.api.call("GET", f"/customers/{self.customer}")[1]["mrr"]
        return mrr


@pytest.fixture
def account(api: Calls) -> Account:
    return Account(api)


@pytest.mark.parametrize(
    ("count", "unit", "amount", "tax", "mrr"),
    [
        (7, "day", 1000, 0, 4348),  # recorded
        (14, "day", 1000, 0, 2174),
        (3, "month", 9000, 0, 3000),  # documented
        (1, "year", 49900, 0, 4158),
        (2, "year", 49900, 100, 2075),
        (1, "month", 1000, 200, 800),
        (2, "month", 1001, 0, 501),  # half up
        (4, "month", 1001, 0, 250),
        (2, "month", -1001, 0, -501),
    ],
)
def test_intervals(api: Calls, account: Account, count: int, unit: str, amount: int, tax: int, mrr: int) -> None:
    plan = api.plan(account.source, "p2", count, unit)
    body = invoice(plan, amount_in_cents=amount, tax_amount_in_cents=tax, quantity=5)
    api.invoice(account.customer, body)
    assert account.now() == mrr


def test_of_two_lines_of_one_invoice_for_one_subscription_the_last_counts(account: Account) -> None:
    body = invoice(account.plan)
    body["line_items"].insert(0, line(account.plan, "2026-03-05", amount_in_cents=300, external_id="i1-2"))
    account.api.invoice(account.customer, body)
    assert account.now() == 1000, "the last in the invoice, not the last in time"


def test_of_lines_that_begin_together_the_highest_event_order_counts(api: Calls, account: Account) -> None:
    """Worked account 28: the order of a lower id is sent later; ids are numbers, and larger than four bytes."""
    account.send("10002", amount_in_cents=2000, event_order=10002)
    account.send("9998", event_order=9998)
    moves = api.call("GET", f"/customers/{account.customer}/activities")[1]["entries"]
    assert [(move["type"], move["activity-mrr"]) for move in moves] == [("new_biz", 2000)]
    assert account.now() == 2000, "as texts 9998 would be the later one, and so it would be by creation"
    line = account.send("i3", amount_in_cents=3000, event_order=2**31 + 7)["line_items"][0]
    assert (line["event_order"], account.now()) == (2**31 + 7, 3000)
    path = f"/line_items/{line['uuid']}"
    assert api.call("PATCH", path, {"event_order": 3})[1]["event_order"] == 3
    assert account.now() == 2000
    assert api.call("PATCH", path, {"event_order": None})[1]["event_order"] is None
    account.send("i4", amount_in_cents=4000)
    assert account.now() == 2000, "without one a line is as if it had 0"
    account.send("i5", "2026-01-06", amount_in_cents=5000, event_order=1)
    assert account.now() == 5000, "time goes first"


def test_of_two_lines_of_one_invoice_event_order_decides(account: Account) -> None:
    body = invoice(account.plan, event_order=2)
    body["line_items"].append(line(account.plan, amount_in_cents=300, external_id="i1-2", event_order=1))
    account.api.invoice(account.customer, body)
    assert account.now() == 1000


def test_a_disabled_line_counts_for_nothing(api: Calls, account: Account) -> None:
    account.send()
    account.send("i2", "2026-02-05", amount_in_cents=3000)
    order = {"kind": "line_item", "external_id": "i2-1", "disable": True}
    api.sandbox.control("POST", "chartmogul/edit", order)
    assert account.now() == 1000
    listed = api.call("GET", "/invoices", external_id="i2", data_source_uuid=account.source)[1]["invoices"][0]
    assert listed["line_items"][0]["disabled"] is True
    assert api.sandbox.content("Keap")["invoices"]["i2"]["line_items"]["i2-1"]["disabled"] is True


def test_one_subscription_id_under_two_customers_counts_twice(api: Calls, account: Account) -> None:
    account.send()
    other = api.customer(account.source, "c2")
    api.invoice(other, invoice(account.plan, "i2"))
    api.cancelled(account.source, "2026-02-10", "e1", customer="c2")
    assert account.mrr()["2026-01"] == 2000
    assert account.mrr()["2026-02"] == 1000
    assert account.now() == 1000
    assert len(api.call("GET", f"/import/customers/{other}/subscriptions")[1]["subscriptions"]) == 1


def test_a_cancellation_lasts_until_a_line_begins_after_it(api: Calls, account: Account) -> None:
    account.send()
    event = api.cancelled(account.source, "2026-02-05", "e1")
    assert list(account.mrr().values()) == [1000, 0, 0, 0, 0, 0]
    account.send("i2", "2026-02-05")
    assert account.mrr()["2026-02"] == 0, "a line that begins with the cancellation is cancelled too"
    account.send("i3", "2026-04-05")
    assert list(account.mrr().values()) == [1000, 0, 0, 1000, 1000, 1000]
    change = {"subscription_event": {"id": event["id"], "effective_date": "2026-02-04T23:59:59Z"}}
    assert api.call("PATCH", "/subscription_events", change)[0] == 200
    assert list(account.mrr().values()) == [1000, 1000, 1000, 1000, 1000, 1000]
    change = {"subscription_event": {"id": event["id"], "subscription_external_id": "s9"}}
    assert api.call("PATCH", "/subscription_events", change)[0] == 200
    assert len(set(account.mrr().values())) == 1


def test_an_event_may_come_before_its_subscription(api: Calls, account: Account) -> None:
    api.cancelled(account.source, "2026-03-01", "e1")
    account.send()
    assert list(account.mrr().values()) == [1000, 1000, 0, 0, 0, 0]


def test_a_future_line_counts_when_it_begins(account: Account) -> None:
    account.send(service_period_start="2026-07-01", service_period_end="2026-08-01")
    assert account.now() == 0
    account.api.sandbox.clock("2026-07-01T00:00:00Z")
    assert account.now() == 1000


def test_statuses_that_take_an_invoice_out(api: Calls, account: Account) -> None:
    account.send()
    account.send("i2", "2026-02-05", amount_in_cents=5000)
    assert account.now() == 5000
    path = f"/data_sources/{account.source}/invoices/i2/status"
    assert api.call("PUT", path, {"status": "written_off"})[0] == 200
    assert account.now() == 1000
    assert api.call("PUT", path, {"status": "voided"})[0] == 200
    assert account.now() == 1000


def test_fields_of_an_import_that_only_an_endpoint_of_its_own_sets(api: Calls, account: Account) -> None:
    """`status` and `disabled` of an imported invoice are ignored, as every unknown key is."""
    body = invoice(account.plan, "a1", amount_in_cents=4900) | {"status": "voided", "disabled": True}
    api.invoice(account.customer, body)
    known = {"subscription_external_id": "s2", "event_order": 2}
    account.send("b1", "2026-03-05", **known)
    account.send("b2", "2026-03-05", **known | {"event_order": 1, "amount_in_cents": 2000})
    listed = api.call("GET", "/invoices", external_id="a1", data_source_uuid=account.source)[1]["invoices"][0]
    assert (listed["status"], listed["disabled"]) == ("open", False)
    assert list(account.mrr().values()) == [4900, 4900, 5900, 5900, 5900, 5900]
    api.call("PUT", f"/data_sources/{account.source}/invoices/a1/status", {"status": "voided"})
    assert list(account.mrr().values()) == [0, 0, 1000, 1000, 1000, 1000]


def test_a_refund_leaves_mrr_alone_unless_the_source_says_otherwise(api: Calls, account: Account) -> None:
    uuid = account.send()["uuid"]
    for transaction in (payment("t1", 1000), payment("t2", 1000, type="refund")):
        api.made(f"/import/invoices/{uuid}/transactions", transaction)
    assert account.now() == 1000
    setting = {"automatic": {"prevent_subscription_for_invoice_refunded": True}}
    api.sandbox.control("PUT", "chartmogul/settings", {"invoice_handling_setting": setting})
    assert account.now() == 0


def test_a_source_that_waits_for_payment(api: Calls, account: Account) -> None:
    setting = {"automatic": {"create_subscription_when_invoice_is": "paid"}}
    api.sandbox.control("PUT", "chartmogul/settings", {"invoice_handling_setting": setting})
    uuid = account.send()["uuid"]
    assert account.now() == 0
    api.made(f"/import/invoices/{uuid}/transactions", payment("t1", 1000))
    assert account.now() == 1000
    account.send("i2", "2026-02-05", amount_in_cents=3000)
    assert account.now() == 3000, "only the creation waits"


def test_churn_at_period_end(api: Calls, account: Account) -> None:
    account.send()
    api.cancelled(account.source, "2026-01-20", "e1")
    assert account.mrr()["2026-01"] == 0
    api.sandbox.control("PUT", "chartmogul/settings", {"account": {"churn_recognition": "churn_at_period_end"}})
    assert list(account.mrr().values())[:2] == [1000, 0]
    assert api.call("GET", "/account", include="churn_recognition")[1]["churn_recognition"] == "churn_at_period_end"


def test_auto_churn(api: Calls, account: Account) -> None:
    """Ten days after a period that nothing follows; a line that comes later reactivates."""
    account.send()
    account.send("i2", "2026-02-15")
    account.send("i3", "2026-05-01")
    assert list(account.mrr().values()) == [1000] * 6
    changes = {
        "account": {"auto_churn_subscription": True},
        "auto_churn_subscription_setting": {"enabled": True, "interval": 10},
    }
    api.sandbox.control("PUT", "chartmogul/settings", changes)
    assert list(account.mrr().values()) == [1000, 1000, 0, 0, 1000, 0]


def test_account_wide_handling_of_refunds_and_of_free_customers(api: Calls, account: Account) -> None:
    body = invoice(account.plan) | {"transactions": [payment("t1"), payment("t2", 1000, type="refund")]}
    api.invoice(account.customer, body)
    api.invoice(account.customer, invoice(account.plan, "i2", subscription_external_id="s2", amount_in_cents=0))
    path = f"/customers/{account.customer}"
    assert (account.now(), api.call("GET", path)[1]["status"]) == (1000, "Active")
    api.sandbox.control("PUT", "chartmogul/settings", {"account": {"refund_handling": "refund_full_only"}})
    assert (account.now(), api.call("GET", path)[1]["status"]) == (0, "Active")
    api.sandbox.control("PUT", "chartmogul/settings", {"account": {"churn_when_zero_mrr": True}})
    assert api.call("GET", path)[1]["status"] == "Cancelled"


def test_proration(account: Account) -> None:
    """The documented case: 25.00 more for half a month is 50.00 more MRR."""
    account.send(amount_in_cents=5000)
    half = {"service_period_start": "2026-01-20T00:00:00Z", "service_period_end": "2026-02-04T05:15:00Z"}
    account.send("i2", "2026-01-20", amount_in_cents=2500, prorated=True, **half)
    assert account.now() == 10000


def test_a_changed_line_moves_between_subscriptions(api: Calls, account: Account) -> None:
    item = account.send()["line_items"][0]
    path = f"/line_items/{item['uuid']}"
    status, body = api.call("PATCH", path, {"subscription_external_id": "s2", "amount_in_cents": 700})
    assert (status, body["subscription_external_id"], body["external_id"]) == (200, "s2", "i1-1")
    assert body["subscription_uuid"] != item["subscription_uuid"]
    listed = api.call("GET", f"/import/customers/{account.customer}/subscriptions")[1]["subscriptions"]
    assert [s["external_id"] for s in listed] == ["s2"]
    assert account.now() == 700
    assert api.call("PATCH", path, {"type": "one_time", "description": "Book"})[0] == 200
    assert account.now() == 0
    assert api.call("DELETE", path) == (204, None)


def test_a_plan_whose_interval_changes_counts_anew(api: Calls, account: Account) -> None:
    account.send()
    assert api.call("PATCH", f"/plans/{account.plan}", {"interval_count": 2})[0] == 202
    assert account.now() == 500


def test_the_subscription_goes_with_its_only_invoice(api: Calls, account: Account) -> None:
    """A cancellation without an id of its own goes with it, one with an id stays."""
    uuid = account.send(cancelled_at="2026-03-01")["uuid"]
    api.cancelled(account.source, "2026-04-01", "e1")
    known = api.call("GET", f"/import/customers/{account.customer}/subscriptions")[1]["subscriptions"][0]
    assert known["cancellation_dates"] == ["2026-03-01T00:00:00.000Z", "2026-04-01T00:00:00.000Z"]
    assert api.call("DELETE", f"/invoices/{uuid}") == (204, None)
    assert api.call("GET", f"/import/customers/{account.customer}/subscriptions")[1]["subscriptions"] == []
    events = api.call("GET", "/subscription_events")[1]["subscription_events"]
    assert [event["external_id"] for event in events] == ["e1"]
    content = api.sandbox.content("Keap")
    assert (content["mrr"], list(content["cancellations"])) == ({}, ["e1"])


def test_other_currencies_are_converted_in_metrics_only(api: Calls, account: Account) -> None:
    api.sandbox.control("PUT", "chartmogul/settings", {"exchange_rates": {"JPY": "0.0065"}})
    body = invoice(account.plan, amount_in_cents=550050) | {"currency": "JPY"}
    api.invoice(account.customer, body)
    assert account.mrr()["2026-01"] == 550050
    assert account.now() == 3575
    by_currency = api.sandbox.control("GET", "chartmogul/mrr")
    assert by_currency["2026-06"] == {"customers": {"c1": {"JPY": 550050}}, "total": {"JPY": 550050}}
    dates = {"start-date": "2026-01-01", "end-date": "2026-01-31", "interval": "month"}
    assert api.call("GET", "/metrics/mrr", **dates)[1]["entries"][0]["mrr"] == 3575
