"""ChartMogul's official Python client drives every resource that the project uses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import chartmogul
import pytest
from promise import Promise

from tests.contract.chartmogul_calls import invoice, line, payment
from tests.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"


@pytest.fixture
def config(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[chartmogul.Config]:
    monkeypatch.setenv("NO_PROXY", "*")
    sandbox.clock(NOW)
    sandbox.limits("chartmogul", enabled=False)
    made = chartmogul.Config(sandbox.chartmogul_api_key, request_timeout=10, max_retries=0)
    made.uri = sandbox.chartmogul_url
    return made


@pytest.fixture
def source(config: chartmogul.Config) -> str:
    return ask(chartmogul.DataSource.create(config, data={"name": "Keap"})).uuid


def ask(promise: Promise) -> Any:
    return promise.get()


def customer(config: chartmogul.Config, source: str, external_id: str = "c1", **fields: Any) -> Any:
    data = {"data_source_uuid": source, "external_id": external_id, **fields}
    return ask(chartmogul.Customer.create(config, data=data))


def plan(config: chartmogul.Config, source: str, external_id: str = "p1") -> Any:
    data = {
        "data_source_uuid": source, "external_id": external_id, "name": "Gold", "interval_count": 1,
        "interval_unit": "month",
    }  # fmt: skip
    return ask(chartmogul.Plan.create(config, data=data))


def imported(config: chartmogul.Config, uuid: str, *invoices: dict[str, Any]) -> Any:
    return ask(chartmogul.Invoice.create(config, uuid=uuid, data={"invoices": list(invoices)})).invoices


def test_ping_and_account(config: chartmogul.Config) -> None:
    assert ask(chartmogul.Ping.ping(config)).data == "pong!"
    account = ask(chartmogul.Account.retrieve(config, include="churn_recognition,refund_handling"))
    assert account.churn_recognition == "churn_at_time_of_cancelation"
    assert account.refund_handling == "refund_ignore"
    assert account.currency == "USD"
    assert not hasattr(account, "auto_churn_subscription")


def test_a_wrong_key_is_refused(config: chartmogul.Config) -> None:
    config.auth = ("wrong", "")
    with pytest.raises(chartmogul.APIError) as refusal:
        ask(chartmogul.Ping.ping(config))
    assert b"No valid API key provided" in refusal.value.args[0]


def test_data_sources(config: chartmogul.Config, source: str) -> None:
    listed = ask(chartmogul.DataSource.all(config, name="Keap", with_invoice_handling_setting=True))
    assert [s.uuid for s in listed.data_sources] == [source]
    handling = listed.data_sources[0].invoice_handling_setting
    assert handling["manual"]["prevent_subscription_for_invoice_voided"] is True
    flags = {"with_processing_status": True, "with_auto_churn_subscription_setting": True}
    one = ask(chartmogul.DataSource.retrieve(config, uuid=source, **flags))
    assert one.processing_status.pending == 0
    assert one.auto_churn_subscription_setting.enabled is False
    assert one.system == "Custom"
    assert ask(chartmogul.DataSource.destroy(config, uuid=source)) is None
    assert ask(chartmogul.DataSource.all(config)).data_sources == []


def test_customers(config: chartmogul.Config, source: str) -> None:
    made = customer(
        config, source, name="Mara Quill", company="Quill & Co", email="mara@example.com", country="US",
        state="US-AZ", city="Tempe", zip="85281", lead_created_at="2025-03-04 16:21:09 UTC",
        attributes={"tags": ["gold"], "custom": [{"type": "Integer", "key": "age", "value": 7}]},
    )  # fmt: skip
    assert made.uuid.startswith("cus_")
    assert (made.state, made.address.state, made.address.country) == ("AZ", "Arizona", "United States")
    assert made.lead_created_at == datetime(2025, 3, 4, 16, 21, 9, tzinfo=UTC)
    assert made.attributes.tags == ["gold"]
    assert made.attributes.custom == {"age": 7}
    found = ask(chartmogul.Customer.all(config, data_source_uuid=source, external_id="c1")).entries
    assert [c.uuid for c in found] == [made.uuid]
    changed = ask(chartmogul.Customer.modify(config, uuid=made.uuid, data={"company": None, "zip": "1"}))
    assert (changed.company, changed.zip, changed.name) == ("", "1", "Mara Quill")
    assert ask(chartmogul.Customer.search(config, email="MARA@example.com")).entries[0].uuid == made.uuid
    ask(chartmogul.Customer.destroy(config, uuid=made.uuid))
    with pytest.raises(chartmogul.APIError) as refusal:
        ask(chartmogul.Customer.retrieve(config, uuid=made.uuid))
    assert f'Customer \\"{made.uuid[4:]}\\" does not exist'.encode() in refusal.value.args[0]


def test_tags_and_custom_attributes(config: chartmogul.Config, source: str) -> None:
    uuid = customer(config, source, email="mara@example.com").uuid
    assert ask(chartmogul.Tags.add(config, uuid=uuid, data={"tags": ["a", "b", "a"]})).tags == ["a", "b"]
    assert ask(chartmogul.Tags.remove(config, uuid=uuid, data={"tags": ["a"]})).tags == ["b"]
    typed = {"custom": [{"type": "String", "key": "channel", "value": "web"}]}
    assert ask(chartmogul.CustomAttributes.add(config, uuid=uuid, data=typed)).custom == {"channel": "web"}
    put = ask(chartmogul.CustomAttributes.update(config, uuid=uuid, data={"custom": {"channel": "shop"}}))
    assert put.custom == {"channel": "shop"}
    attributes = ask(chartmogul.Attributes.retrieve(config, uuid=uuid))
    assert attributes is not None
    by_email = {"email": "mara@example.com", "tags": ["vip"]}
    assert ask(chartmogul.Tags.add_by_email(config, data=by_email)).entries[0].attributes.tags == ["b", "vip"]
    assert ask(chartmogul.CustomAttributes.remove(config, uuid=uuid, data={"custom": ["channel"]})).custom == {}


def test_plans(config: chartmogul.Config, source: str) -> None:
    made = plan(config, source)
    assert ask(chartmogul.Plan.retrieve(config, uuid=made.uuid)).name == "Gold"
    # The client drops the body of a 202.
    assert ask(chartmogul.Plan.modify(config, uuid=made.uuid, data={"name": "Silver"})) is None
    listed = ask(chartmogul.Plan.all(config, data_source_uuid=source, external_id="p1"))
    assert [(p.uuid, p.name) for p in listed.plans] == [(made.uuid, "Silver")]
    ask(chartmogul.Plan.destroy(config, uuid=made.uuid))
    assert ask(chartmogul.Plan.all(config, data_source_uuid=source)).plans == []


def test_invoices(config: chartmogul.Config, source: str) -> None:
    owner, gold = customer(config, source).uuid, plan(config, source).uuid
    first = invoice(gold) | {"transactions": [payment("t1", 1000)], "due_date": "2026-01-12"}
    one, two = imported(config, owner, first, invoice(gold, "i2", "2026-02-05"))
    assert one.line_items[0].subscription_uuid == two.line_items[0].subscription_uuid
    assert one.transactions[0].amount_in_cents == 1000
    assert one.due_date == datetime(2026, 1, 12, tzinfo=UTC)
    of_customer = ask(chartmogul.Invoice.all(config, uuid=owner))
    assert of_customer.customer_uuid == owner
    assert {i.external_id for i in of_customer.invoices} == {"i1", "i2"}
    by_id = ask(chartmogul.Invoice.retrieve(config, data_source_uuid=source, external_id="i1"))
    assert (by_id.uuid, by_id.status, by_id.customer_external_id) == (one.uuid, "paid", "c1")
    # The client's own `Invoice.modify` goes to a path below the customer, which does not exist.
    modify = chartmogul.Invoice._method("modify", "patch", "/invoices{/uuid}").__get__(None, chartmogul.Invoice)
    changed = ask(modify(config, data_source_uuid=source, external_id="i1", data={"due_date": None}))
    assert changed.due_date is None
    status = chartmogul.Invoice.update_status(
        config, data_source_uuid=source, external_id="i2", data={"status": "written_off"}
    )
    ask(status)
    assert ask(chartmogul.Invoice.retrieve(config, uuid=two.uuid)).status == "written_off"
    ask(chartmogul.Invoice.destroy(config, uuid=one.uuid))
    ask(chartmogul.Invoice.destroy_all(config, data_source_uuid=source, customer_uuid=owner))
    assert ask(chartmogul.Invoice.all(config)).invoices == []


def test_line_items(config: chartmogul.Config, source: str) -> None:
    owner, gold = customer(config, source).uuid, plan(config, source).uuid
    uuid = imported(config, owner, invoice(gold))[0].uuid
    extra = line(gold, external_id="l2", subscription_external_id="s2", tax_amount_in_cents=100)
    made = ask(chartmogul.LineItem.create(config, uuid=uuid, data=extra))
    assert (made.uuid[:3], made.tax_amount_in_cents, made.quantity) == ("li_", 100, 1)
    by_id = {"data_source_uuid": source, "external_id": "l2"}
    assert ask(chartmogul.LineItem.retrieve(config, **by_id)).uuid == made.uuid
    changed = ask(chartmogul.LineItem.modify(config, **by_id, data={"amount_in_cents": 2000}))
    assert (changed.amount_in_cents, changed.tax_amount_in_cents) == (2000, 100)
    ask(chartmogul.LineItem.destroy(config, uuid=made.uuid))
    with pytest.raises(chartmogul.APIError):
        ask(chartmogul.LineItem.retrieve(config, uuid=made.uuid))


def test_transactions(config: chartmogul.Config, source: str) -> None:
    owner, gold = customer(config, source).uuid, plan(config, source).uuid
    uuid = imported(config, owner, invoice(gold))[0].uuid
    made = ask(chartmogul.Transaction.create(config, uuid=uuid, data=payment("t1", 400)))
    assert (made.uuid[:3], made.amount_in_cents, made.result) == ("tr_", 400, "successful")
    by_id = {"data_source_uuid": source, "external_id": "t1"}
    changed = ask(chartmogul.Transaction.modify(config, **by_id, data={"result": "failed"}))
    assert (changed.result, changed.amount_in_cents) == ("failed", 400)
    assert ask(chartmogul.Transaction.retrieve(config, uuid=made.uuid)).result == "failed"
    ask(chartmogul.Transaction.destroy(config, **by_id))
    assert ask(chartmogul.Invoice.retrieve(config, uuid=uuid)).transactions == []


def test_subscriptions_and_their_cancellation(config: chartmogul.Config, source: str) -> None:
    owner, gold = customer(config, source).uuid, plan(config, source).uuid
    imported(config, owner, invoice(gold, quantity=5))
    active = ask(chartmogul.Customer.subscriptions(config, uuid=owner)).entries[0]
    assert (active.mrr, active.arr, active.status, active.quantity) == (1000, 12000, "active", 5)
    assert (active.plan, active.billing_cycle, active.billing_cycle_count) == ("Gold", "month", 1)
    assert active.end_date == datetime(2026, 2, 5, tzinfo=UTC)
    with pytest.warns(DeprecationWarning, match="list_imported"):
        known = ask(chartmogul.CustomerSubscription.list_imported(config, uuid=owner)).subscriptions[0]
    assert known.uuid != active.uuid
    ask(chartmogul.CustomerSubscription.cancel(config, uuid=known.uuid, data={"cancelled_at": "2026-03-01"}))
    ended = ask(chartmogul.Customer.subscriptions(config, uuid=owner)).entries[0]
    assert (ended.mrr, ended.status, ended.end_date) == (0, "inactive", datetime(2026, 3, 1, tzinfo=UTC))
    assert ask(chartmogul.Customer.retrieve(config, uuid=owner)).status == "Cancelled"
    ask(chartmogul.CustomerSubscription.modify(config, uuid=known.uuid, data={"cancellation_dates": []}))
    assert ask(chartmogul.Customer.subscriptions(config, uuid=owner)).entries[0].status == "active"


def test_subscription_events(config: chartmogul.Config, source: str) -> None:
    customer(config, source)
    event = {
        "data_source_uuid": source, "customer_external_id": "c1", "subscription_external_id": "s1",
        "event_type": "subscription_cancelled", "event_date": "2026-05-18T09:48:34Z",
        "effective_date": "2026-05-18T00:01:00Z", "external_id": "e1",
    }  # fmt: skip
    made = ask(chartmogul.SubscriptionEvent.create(config, data={"subscription_event": event}))
    assert made.effective_date == datetime(2026, 5, 18, 0, 1, tzinfo=UTC)
    changed = ask(
        chartmogul.SubscriptionEvent.modify_with_params(
            config, external_id="e1", data_source_uuid=source, data={"effective_date": "2026-05-01"}
        )
    )
    assert (changed.id, changed.effective_date) == (made.id, datetime(2026, 5, 1, tzinfo=UTC))
    listed = ask(chartmogul.SubscriptionEvent.all(config, data_source_uuid=source, external_id="e1"))
    assert [e.id for e in listed.subscription_events] == [made.id]
    ask(chartmogul.SubscriptionEvent.destroy_with_params(config, data={"id": made.id}))
    assert ask(chartmogul.SubscriptionEvent.all(config)).subscription_events == []


def test_merging_and_splitting(config: chartmogul.Config, source: str) -> None:
    gold = plan(config, source).uuid
    one, two = customer(config, source, "c1").uuid, customer(config, source, "c2", name="Li Ma").uuid
    imported(config, one, invoice(gold))
    sides = {"from": {"customer_uuid": one}, "into": {"data_source_uuid": source, "external_id": "c2"}}
    ask(chartmogul.Customer.merge(config, data=sides))
    with pytest.raises(chartmogul.APIError):
        ask(chartmogul.Customer.retrieve(config, uuid=one))
    merged = ask(chartmogul.Customer.all(config, data_source_uuid=source, external_id="c1")).entries[0]
    assert (merged.uuid, merged.mrr, merged.external_ids) == (two, 1000, ["c2", "c1"])
    assert merged.attributes.tags == ["merged-customer"]
    later = invoice(gold, "i2", "2026-02-05") | {"customer_external_id": "c1"}
    imported(config, two, later)
    ask(
        chartmogul.Customer.unmerge(
            config, data={"customer_uuid": two, "data_source_uuid": source, "external_id": "c1"}
        )
    )
    split = ask(chartmogul.Customer.all(config, data_source_uuid=source, external_id="c1")).entries[0]
    assert split.uuid not in {one, two}
    assert split.mrr == 1000
    assert {i.external_id for i in ask(chartmogul.Invoice.all(config, uuid=split.uuid)).invoices} == {"i1", "i2"}
    assert ask(chartmogul.Customer.retrieve(config, uuid=two)).mrr == 0


def test_metrics_and_activities(config: chartmogul.Config, source: str) -> None:
    gold = plan(config, source).uuid
    one, two = customer(config, source, "c1").uuid, customer(config, source, "c2").uuid
    imported(config, one, invoice(gold), invoice(gold, "i2", "2026-02-05", amount_in_cents=1500))
    imported(config, two, invoice(gold, "i3", "2026-02-10", subscription_external_id="s2"))
    ended = {
        "data_source_uuid": source, "customer_external_id": "c1", "subscription_external_id": "s1",
        "event_type": "subscription_cancelled", "event_date": "2026-03-03", "effective_date": "2026-03-03",
    }  # fmt: skip
    ask(chartmogul.SubscriptionEvent.create(config, data={"subscription_event": ended}))
    imported(config, one, invoice(gold, "i4", "2026-04-04", amount_in_cents=700))
    span = {"start_date": "2026-01-01", "end_date": "2026-04-30", "interval": "month"}
    mrr = ask(chartmogul.Metrics.mrr(config, **span))
    assert [(str(e.date), e.mrr) for e in mrr.entries] == [
        ("2026-01-31", 1000), ("2026-02-28", 2500), ("2026-03-31", 1000), ("2026-04-30", 1700),
    ]  # fmt: skip
    assert [e.mrr_new_business for e in mrr.entries] == [1000, 1000, 0, 0]
    assert [e.mrr_expansion for e in mrr.entries] == [0, 500, 0, 0]
    assert [e.mrr_churn for e in mrr.entries] == [0, 0, -1500, 0]
    assert [e.mrr_reactivation for e in mrr.entries] == [0, 0, 0, 700]
    assert (mrr.summary.current, mrr.summary.previous, mrr.summary.percentage_change) == (1700, 1000, 70)
    whole = ask(chartmogul.Metrics.all(config, **span)).entries
    assert [e.customers for e in whole] == [1, 2, 1, 2]
    assert [e.customer_churn_rate for e in whole] == [0, 0, 50, 0]
    assert [e.arpa for e in whole] == [1000, 1250, 1000, 850]
    assert whole[3].mrr_churn_rate == -70
    counted = ask(chartmogul.Metrics.customer_count(config, **span)).entries
    assert [e.customers for e in counted] == [1, 2, 1, 2]
    page = ask(chartmogul.Activity.all(config, per_page=3))
    rest = ask(chartmogul.Activity.all(config, per_page=3, cursor=page.cursor))
    assert (page.has_more, rest.has_more) == (True, False)
    kinds = [(a.type, a.activity_mrr_movement, a.activity_mrr) for a in [*page.entries, *rest.entries]]
    assert kinds == [
        ("new_biz", 1000, 1000), ("expansion", 500, 1500), ("new_biz", 1000, 1000),
        ("churn", -1500, 0), ("reactivation", 700, 700),
    ]  # fmt: skip
    of_one = ask(chartmogul.CustomerActivity.all(config, uuid=one)).entries
    assert [a.type for a in of_one] == ["reactivation", "churn", "expansion", "new_biz"]


def test_bulk_import(config: chartmogul.Config, source: str, sandbox: Sandbox) -> None:
    sandbox.control("PUT", "chartmogul/settings", {"import_queued": 0, "import_processing": 0})
    data = {
        "external_id": "load-1",
        "customers": [{"external_id": "c1", "name": "Mara Quill"}],
        "plans": [{"external_id": "p1", "name": "Gold", "interval_count": 1, "interval_unit": "month"}],
        "invoices": [{"external_id": "i1", "date": "2026-01-05", "currency": "USD", "customer_external_id": "c1"}],
        "line_items": [
            {**line("unused"), "plan_external_id": "p1", "invoice_external_id": "i1"},
        ],
        "transactions": [{**payment("t1", 1000), "invoice_external_id": "i1"}],
    }
    made = ask(chartmogul.JsonImport.create(config, data_source_uuid=source, data=data))
    assert made.status == "queued"
    done = ask(chartmogul.JsonImport.retrieve(config, data_source_uuid=source, id="load-1"))
    assert (done.id, done.status) == (made.id, "completed")
    assert done.status_details["c1"]["invoices"] == {"status": "imported"}
    found = ask(chartmogul.Invoice.all(config, data_source_uuid=source)).invoices[0]
    assert (found.status, found.line_items[0].plan_uuid[:3]) == ("paid", "pl_")
    assert ask(chartmogul.Customer.all(config, data_source_uuid=source)).entries[0].mrr == 1000


def test_lists_are_paged_by_cursor(config: chartmogul.Config, source: str) -> None:
    names = [f"c{number}" for number in range(5)]
    for name in names:
        customer(config, source, name)
    found: list[str] = []
    query: dict[str, Any] = {"data_source_uuid": source, "per_page": 2}
    for _ in range(3):
        page = ask(chartmogul.Customer.all(config, **query))
        found += [c.external_id for c in page.entries]
        query["cursor"] = page.cursor
    assert found == names
    assert page.has_more is False
    assert page.cursor is not None
    assert ask(chartmogul.Customer.all(config, **query)).entries == []
