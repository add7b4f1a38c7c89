"""Native streams by the real command line: any tap's rows, the same guarantees as Keap's (rules 1.1 to 1.9)."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.native_rows import (
    cancellation,
    customer,
    invoice,
    line_item,
    messages,
    payment,
    plan,
    schema,
    shop,
    transaction,
)
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_messages import account_messages, line
from tests.support.target_process import TargetRun, run_target, target_command, target_config

NOW = "2026-06-01T08:00:00Z"
PREFIX = "shop-"
SOURCE = "Shop"


class Shop:
    """The target with a store of its own, or without one."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        sandbox.no_limits()
        self.at(NOW)

    def at(self, now: str) -> None:
        self.now = now
        self.sandbox.clock(now)

    def run(self, text: str, *, store: bool = True, **settings: Any) -> TargetRun:
        self.sandbox.clear_requests("chartmogul")
        return run_target(self.folder, self.config(store=store, **settings), text)

    def config(self, *, store: bool = True, **settings: Any) -> dict[str, Any]:
        base = {
            "now": self.now,
            "data_source_name": SOURCE,
            "external_id_prefix": PREFIX,
            "store_path": str(self.folder / "store.sqlite") if store else None,
            "report_path": str(self.folder / "report.json"),
        }
        return target_config(self.sandbox, **{**base, **settings})

    def kill_after(self, writes: int, text: str) -> None:
        """Start a run, and kill it once it has written so often."""
        source = self.folder / "input.jsonl"
        source.write_text(text)
        self.sandbox.clear_requests("chartmogul")
        with source.open("rb") as stdin:
            command = target_command(self.folder, self.config())
            process = subprocess.Popen(command, cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while process.poll() is None and len(self.sandbox.writes()) < writes:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=30)

    def good(self, text: str, **settings: Any) -> int:
        """Run without rejects; how many requests wrote."""
        done = self.run(text, **settings)
        assert done.code == 0, done.stderr
        assert done.state is not None
        return len(self.sandbox.writes())

    def content(self) -> dict[str, Any]:
        return self.sandbox.content(SOURCE, self.now)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found

    def lose_store(self) -> None:
        for path in self.folder.glob("store.sqlite*"):
            path.unlink()


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Shop:
    return Shop(sandbox, tmp_path)


def test_rows_become_what_they_say_and_a_second_run_writes_nothing(bridge: Shop) -> None:
    assert bridge.good(messages(**shop())) > 0
    content = bridge.content()
    assert content["customers"] == {
        "shop-acme/1": {"name": "Acme", "email": "billing@acme-example.com", "country": "US"}
    }
    assert content["plans"] == {"shop-gold": {"name": "Gold", "interval_count": 1, "interval_unit": "month"}}
    assert sorted(content["invoices"]) == ["shop-A-1", "shop-A-2"]
    first = content["invoices"]["shop-A-1"]
    assert first["customer"] == "shop-acme/1"
    assert [(key, each["amount_in_cents"], each["subscription"]) for key, each in first["line_items"].items()] == [
        ("shop-A-1/1", 4900, "shop-sub å1")
    ]
    assert list(first["transactions"]) == ["shop-ch_1"]
    assert list(content["cancellations"]) == ["shop-sub å1-cancelled-2026-03-01"]
    assert content["mrr"]["2026-02"] == {"shop-acme/1": 4900}
    assert content["mrr"]["2026-03"] == {}
    assert bridge.good(messages(**shop())) == 0
    report = bridge.report()
    assert report["account"]["customers"] == 1
    assert report["mrr"]["months"]


def test_rule_1_2_any_order_any_split_and_a_lost_store_end_the_same(bridge: Shop) -> None:
    bridge.good(messages(**shop()))
    wanted = bridge.content()
    bridge.sandbox.reset()
    bridge = Shop(bridge.sandbox, bridge.folder / "parts")
    rows = shop()
    for stream in ("customers", "plans", "invoices", "transactions", "subscription_cancellations"):
        for row in reversed(rows[stream]):
            bridge.good(messages(**{stream: [row]}))
    assert bridge.content() == wanted
    bridge.lose_store()
    assert bridge.good(messages(**dict(reversed(rows.items())))) == 0
    assert bridge.content() == wanted


def test_rule_1_6_without_a_store_everything_is_sent_but_no_state_goes_out(bridge: Shop) -> None:
    done = bridge.run(messages(**shop()), store=False)
    assert done.code == 0, done.stderr
    assert done.states == []
    assert sorted(bridge.content()["invoices"]) == ["shop-A-1", "shop-A-2"]
    assert bridge.run(messages(**shop()), store=False).code == 0
    assert bridge.sandbox.writes() == []


def test_rule_1_1_what_comes_before_what_it_needs_waits_for_it(bridge: Shop) -> None:
    rows = shop()
    early = {stream: rows[stream] for stream in ("transactions", "subscription_cancellations", "invoices")}
    for stream, each in early.items():
        assert bridge.good(messages(**{stream: each})) == 0
    waiting = {(each["stream"], each["id"]) for each in bridge.report()["waiting"]}
    assert waiting == {
        ("invoices", "A-1"),
        ("invoices", "A-2"),
        ("transactions", "ch_1"),
        ("transactions", "ch_2"),
        ("subscription_cancellations", "sub å1-cancelled-2026-03-01"),
    }
    bridge.good(messages(customers=rows["customers"], plans=rows["plans"]))
    split = bridge.content()
    bridge.sandbox.reset()
    other = Shop(bridge.sandbox, bridge.folder / "whole")
    other.good(messages(**rows))
    assert split == other.content()


@pytest.mark.parametrize("lost", [False, True])
def test_an_invoice_that_changes_its_customer_moves_with_its_transactions(bridge: Shop, lost: bool) -> None:
    bridge.good(messages(**shop()))
    if lost:
        bridge.lose_store()
    moved = invoice(owner="other shop")
    again = {"customers": [customer("other shop", name="Other")], "invoices": [moved]}
    assert bridge.good(messages(**again)) > 0
    content = bridge.content()
    assert content["invoices"]["shop-A-1"]["customer"] == "shop-other shop"
    assert list(content["invoices"]["shop-A-1"]["transactions"]) == ["shop-ch_1"]
    assert content["invoices"]["shop-A-2"]["customer"] == "shop-acme/1"
    assert bridge.report()["counts"]["invoices"]["moved"] == 1
    assert bridge.good(messages(**again)) == 0


def test_a_transaction_that_changes_its_invoice_leaves_the_other(bridge: Shop) -> None:
    bridge.good(messages(**shop()))
    for invoices in ([], [invoice("A-3", "other")]):
        home = "A-3" if invoices else "A-2"
        others = [customer("other")] if invoices else []
        rows = {
            "customers": others,
            "invoices": invoices,
            "transactions": [transaction("ch_1", home, amount_in_cents=0)],
        }
        bridge.good(messages(**rows))
        owners = {row: name for name, each in bridge.content()["invoices"].items() for row in each["transactions"]}
        assert owners == {"shop-ch_1": f"shop-{home}", "shop-ch_2": "shop-A-2"}


def test_a_cancellation_with_an_id_moves_and_is_withdrawn(bridge: Shop) -> None:
    rows = shop()
    for day, wanted in (("2026-03-01", "2026-03-01"), ("2026-04-01", "2026-04-01"), (None, None)):
        rows["subscription_cancellations"] = [cancellation(day, external_id="end-1")]
        bridge.good(messages(**rows))
        found = {key: each["effective_date"][:10] for key, each in bridge.content()["cancellations"].items()}
        assert found == ({"shop-end-1": wanted} if wanted else {})
        assert bridge.good(messages(**rows)) == 0


def test_a_cancellation_without_an_id_is_another_one_on_another_day_until_a_complete_read(bridge: Shop) -> None:
    bridge.good(messages(**shop()))
    later = {"subscription_cancellations": [cancellation("2026-04-01")]}
    bridge.good(messages(**later))
    assert len(bridge.content()["cancellations"]) == 2
    bridge.good(messages(**later), hard_delete=True)
    assert len(bridge.content()["cancellations"]) == 2, "not read completely"
    bridge.good(messages(whole=1, **later))
    assert len(bridge.content()["cancellations"]) == 2, "hard_delete is off"
    assert bridge.run(messages(**later), hard_delete=True).code == 8, (
        "a changed setting, and months that are over (1.7)"
    )
    bridge.good(messages(**later), hard_delete=True, force=True)
    assert list(bridge.content()["cancellations"]) == ["shop-sub å1-cancelled-2026-04-01"]


@pytest.mark.parametrize("lost", [False, True])
def test_a_cancellation_to_come_is_scheduled_and_becomes_one_on_its_day(bridge: Shop, lost: bool) -> None:
    rows = shop()
    rows["subscription_cancellations"] = [cancellation("2026-06-10", external_id="end-1")]
    bridge.good(messages(**rows))
    assert list(bridge.content()["scheduled"]) == ["shop-end-1-scheduled"]
    bridge.at("2026-06-09T08:00:00Z")
    assert bridge.good(messages(**rows)) == 0
    bridge.at("2026-06-11T08:00:00Z")
    if lost:
        bridge.lose_store()
    bridge.good(messages(**rows) if lost else messages(customers=[]))
    content = bridge.content()
    assert content["scheduled"] == {}
    assert content["cancellations"]["shop-end-1"]["effective_date"][:10] == "2026-06-10"
    assert bridge.good(messages(**rows)) == 0


def test_rule_1_8_what_a_complete_read_did_not_bring_is_gone(bridge: Shop) -> None:
    rows = shop()
    rows["customers"].append(customer("gone"))
    rows["invoices"].append(invoice("G-1", "gone", line_items=[line_item("G-1/1", subscription_external_id="g")]))
    rows["transactions"].append(transaction("ch_9", "G-1"))
    bridge.good(messages(whole=1, **rows))
    left = shop()
    del left["transactions"][1]
    bridge.good(messages(whole=2, **left))
    assert sorted(bridge.content()["invoices"]) == ["shop-A-1", "shop-A-2", "shop-G-1"], "hard_delete is off"
    gone = {each["id"] for each in bridge.report()["lists"]["gone_rows"]["entries"]}
    assert gone == {"customers:gone", "invoices:G-1", "transactions:ch_2", "transactions:ch_9"}
    bridge.good(messages(whole=3, **left), hard_delete=True, force=True)
    content = bridge.content()
    assert sorted(content["customers"]) == ["shop-acme/1"]
    assert sorted(content["invoices"]) == ["shop-A-1", "shop-A-2"]
    assert not content["invoices"]["shop-A-2"].get("transactions")
    assert bridge.good(messages(whole=4, **left), hard_delete=True) == 0


def test_rule_1_8_a_row_that_is_rejected_is_not_gone(bridge: Shop) -> None:
    bridge.good(messages(whole=1, **shop()))
    bad = shop()
    del bad["invoices"][1]["line_items"][0]["plan_external_id"]
    done = bridge.run(messages(whole=2, **bad), hard_delete=True)
    assert done.code == 7, done.stderr
    assert sorted(bridge.content()["invoices"]) == ["shop-A-1", "shop-A-2"]
    assert bridge.good(messages(whole=3, **shop()), hard_delete=True) == 0


def test_rule_1_7_a_complete_read_that_brings_almost_nothing_is_stopped(bridge: Shop) -> None:
    many = [customer(f"c {number}") for number in range(12)]
    bridge.good(messages(customers=many))
    done = bridge.run(messages(whole=1, customers=many[:2]), hard_delete=True)
    assert done.code == 8
    assert bridge.sandbox.writes() == []
    assert "10 of 12 customers" in done.last_line


def test_a_line_that_moves_leaves_its_invoice_and_one_on_two_invoices_is_named(bridge: Shop) -> None:
    rows = {"customers": [customer()], "plans": [plan()]}
    more = line_item("L", 100, subscription_external_id="s2")
    first, second = invoice("A-1", line_items=[line_item("A-1/1"), more]), invoice("A-2", date="2026-01-06")
    bridge.good(messages(**rows, invoices=[first, second]))
    both = {**second, "line_items": [*second["line_items"], more]}
    done = bridge.run(messages(invoices=[both]))
    assert done.code == 7, done.stderr
    assert bridge.sandbox.writes() == []
    (reject,) = bridge.report()["rejects"]
    assert (reject["stream"], reject["id"], reject["field"]) == ("invoices", "A-2", "line_items.1.external_id")
    assert bridge.run(messages(customers=[])).code == 7, "it is outstanding"
    bridge.good(messages(invoices=[invoice("A-1")]))
    found = {key: sorted(each["line_items"]) for key, each in bridge.content()["invoices"].items()}
    assert found == {"shop-A-1": ["shop-A-1/1"], "shop-A-2": ["shop-A-2/1", "shop-L"]}
    new = invoice("A-3", "other shop", date="2026-01-07", line_items=[more])
    other = {"customers": [customer("other shop")], "invoices": [new]}
    assert bridge.run(messages(**other)).code == 7, "its line is in an invoice of another customer"
    bridge.good(messages(invoices=[second]))
    found = {key: sorted(each["line_items"]) for key, each in bridge.content()["invoices"].items()}
    assert found == {"shop-A-1": ["shop-A-1/1"], "shop-A-2": ["shop-A-2/1"], "shop-A-3": ["shop-L"]}


def test_a_status_is_written_changed_and_taken_back(bridge: Shop) -> None:
    rows = {"customers": [customer()], "plans": [plan()]}
    for status, mrr in (("voided", {}), ("open", {"shop-acme/1": 4900}), ("written_off", {}), ("voided", {})):
        text = messages(**rows, invoices=[invoice(status=status, transactions=[])])
        bridge.good(text)
        content = bridge.content()
        assert content["invoices"]["shop-A-1"].get("status") == (None if status == "open" else status)
        assert content["mrr"].get("2026-02", {}) == mrr
        assert bridge.good(text) == 0


def test_an_invoice_that_chartmogul_does_not_disable_is_refused_by_name(bridge: Shop) -> None:
    rows = {"customers": [customer()], "plans": [plan()]}
    done = bridge.run(messages(**rows, invoices=[invoice(disabled=True)]))
    assert done.code == 7, done.stderr
    (refusal,) = bridge.report()["refusals"]
    assert (refusal["id"], refusal["field"], refusal["records"]) == ("A-1", "disabled", ["invoices:A-1"])
    bridge.good(messages(invoices=[invoice(disabled=True, status="voided")]))
    assert bridge.content()["mrr"].get("2026-02", {}) == {}


def test_an_invoice_with_nested_transactions_has_exactly_these(bridge: Shop) -> None:
    rows = {"customers": [customer()], "plans": [plan()]}
    two = [payment("t1", amount_in_cents=1900), payment("t2", amount_in_cents=3000)]
    for nested, wanted in (
        (two, ["shop-t1", "shop-t2"]),
        (None, ["shop-t1", "shop-t2"]),
        (two[:1], ["shop-t1"]),
        ([], []),
    ):
        more = {} if nested is None else {"transactions": nested}
        text = messages(**rows, invoices=[invoice(**more)])
        bridge.good(text)
        assert sorted(bridge.content()["invoices"]["shop-A-1"]["transactions"]) == wanted
        assert bridge.good(text) == 0
    both = messages(**rows, invoices=[invoice(transactions=two)], transactions=[transaction("t3")])
    done = bridge.run(both)
    assert done.code == 7, done.stderr
    (reject,) = bridge.report()["rejects"]
    assert (reject["stream"], reject["id"], reject["field"]) == ("transactions", "t3", "invoice_external_id")
    assert sorted(bridge.content()["invoices"]["shop-A-1"]["transactions"]) == ["shop-t1", "shop-t2"]


def test_rule_1_5_each_bad_row_costs_itself_alone(bridge: Shop) -> None:
    rows = shop()
    bad = {
        "customers": [customer("c2", country="XX"), customer("c3", lead_created_at="soon"), {"name": "nobody"}],
        "plans": [plan("p2", interval_unit="week"), plan("p3", interval_count=1.0)],
        "invoices": [
            invoice("B-1", currency="XXX"),
            invoice("B-2", line_items=[]),
            invoice("B-3", line_items=[line_item("B-3/1", 49.5)]),
            invoice("B-4", line_items=[line_item("B-4/1", prorated=True)]),
            invoice("B-5", date="2026-02-30"),
        ],
        "transactions": [transaction("x1", date=None), transaction("x2", amount_in_cents="4900")],
        "subscription_cancellations": [cancellation(None)],
    }
    done = bridge.run(messages(**{stream: bad[stream] + each for stream, each in rows.items()}))
    assert done.code == 7
    found = {(each["stream"], each["id"], each["field"]) for each in bridge.report()["rejects"]}
    assert found == {
        ("customers", "c2", "country"),
        ("customers", "c3", "lead_created_at"),
        ("customers", "(no id)", "external_id"),
        ("plans", "p2", "interval_unit"),
        ("plans", "p3", "interval_count"),
        ("invoices", "B-1", "currency"),
        ("invoices", "B-2", "line_items"),
        ("invoices", "B-3", "line_items.0.amount_in_cents"),
        ("invoices", "B-4", "line_items.0.prorated"),
        ("invoices", "B-5", "date"),
        ("transactions", "x1", "date"),
        ("transactions", "x2", "amount_in_cents"),
        ("subscription_cancellations", "sub å1", "effective_date"),
    }
    assert sorted(bridge.content()["invoices"]) == ["shop-A-1", "shop-A-2"]
    assert "Acme" not in done.stderr
    assert "acme-example" not in done.stderr
    assert bridge.run(messages(customers=[])).code == 7, "they are outstanding"
    other = Shop(bridge.sandbox, bridge.folder / "other")
    accepted = other.run(messages(plans=bad["plans"]), accepted_rejects=["plans:p2", "plans:p3"])
    assert accepted.code == 0, accepted.stderr


def test_what_chartmogul_refuses_is_outstanding_until_it_changes(bridge: Shop) -> None:
    rows = shop()
    rows["transactions"].append(transaction("too much"))
    done = bridge.run(messages(**rows))
    assert done.code == 7
    (refusal,) = bridge.report()["refusals"]
    assert refusal["records"] == ["invoices:A-1"]
    assert sorted(bridge.content()["invoices"]) == ["shop-A-2"]
    assert bridge.run(messages(customers=[])).code == 7, "it is outstanding, though nothing arrived"
    bridge.good(messages(transactions=[transaction("too much", amount_in_cents=0)]))
    assert sorted(bridge.content()["invoices"]) == ["shop-A-1", "shop-A-2"]


def test_rule_3_7_a_plan_is_renamed(bridge: Shop) -> None:
    bridge.good(messages(**shop()))
    assert bridge.good(messages(plans=[plan(name="Gold again")])) == 2, "the key's probe, and the plan"
    assert bridge.content()["plans"]["shop-gold"]["name"] == "Gold again"


def test_rules_3_3_and_9_9_addresses_that_are_none_cost_no_customer(bridge: Shop) -> None:
    rows = {"customers": [customer("no at", email="nobody"), customer("fine")]}
    bridge.good(messages(**rows))
    content = bridge.content()
    assert "email" not in content["customers"]["shop-no at"]
    assert [each["id"] for each in bridge.report()["lists"]["dropped_emails"]["entries"]] == ["no at"]
    assert bridge.good(messages(**rows)) == 0


def test_ids_that_are_numbers_of_any_length_are_ids(bridge: Shop) -> None:
    long = "9" * 40
    rows = {
        "customers": [customer(long), customer("007"), customer(7)],
        "plans": [plan(1)],
        "invoices": [invoice(long, long, line_items=[line_item(2, plan_external_id=1, subscription_external_id=long)])],
    }
    bridge.good(messages(**rows))
    assert sorted(bridge.content()["customers"]) == ["shop-007", "shop-7", f"shop-{long}"]
    assert sorted(bridge.content()["invoices"]) == [f"shop-{long}"]
    bridge.lose_store()
    assert bridge.good(messages(**rows)) == 0


@pytest.mark.parametrize("prefix", [None, "42"])
def test_rule_1_4_without_a_prefix_of_its_own_nothing_begins(bridge: Shop, prefix: str | None) -> None:
    done = bridge.run(messages(**shop()), external_id_prefix=prefix)
    assert done.code == 2
    assert "external_id_prefix" in done.last_line
    assert bridge.sandbox.requests("chartmogul") == []


def test_keaps_streams_and_native_ones_are_not_mixed(bridge: Shop) -> None:
    keap = account_messages({})
    for place, text in enumerate((schema("invoices") + keap, keap + schema("transactions"))):
        done = Shop(bridge.sandbox, bridge.folder / str(place)).run(text)
        assert done.code == 2
        assert "one run" in done.last_line
    bridge.good(messages(**shop()))
    other = bridge.run(keap)
    assert other.code == 2
    assert "store" in other.last_line
    assert bridge.sandbox.writes() == []


def test_only_contacts_is_about_keap(bridge: Shop) -> None:
    done = bridge.run(messages(**shop()), only_contacts=["1"])
    assert done.code == 2
    assert "only_contacts" in done.last_line


def test_a_dry_run_writes_nothing_and_tells_the_figures(bridge: Shop) -> None:
    done = bridge.run(messages(**shop()), dry_run=True)
    assert done.code == 0, done.stderr
    assert done.state is None
    assert bridge.sandbox.writes() == []
    report = bridge.report()
    assert report["counts"]["invoices"]["created"] == 2
    assert report["mrr"]["months"]
    assert bridge.good(messages(**shop())) > 0


def test_only_objects_with_the_prefix_are_touched(bridge: Shop) -> None:
    bridge.good(messages(customers=[customer("theirs")]), external_id_prefix="other-")
    bridge.lose_store()
    done = bridge.run(messages(whole=1, **shop()), hard_delete=True, force=True)
    assert done.code == 0, done.stderr
    assert sorted(bridge.content()["customers"]) == ["other-theirs", "shop-acme/1"]


def test_a_stream_map_feeds_it_from_any_tap(bridge: Shop) -> None:
    maps = {
        "accounts": {
            "__alias__": "customers",
            "__key_properties__": ["external_id"],
            "external_id": "'a' + str(id)",
            "name": "title",
            "__else__": None,
        },
        "ended": {
            "__alias__": "subscription_cancellations",
            "__key_properties__": ["external_id"],
            "external_id": "id",
            "customer_external_id": "'a' + str(account)",
            "subscription_external_id": "id",
            "cancelled_at": "ended_on",
            "__else__": None,
        },
    }
    kinds = {"id": {"type": "integer"}, "title": {"type": "string"}}
    ends = {"id": {"type": "string"}, "account": {"type": "integer"}, "ended_on": {"type": ["string", "null"]}}

    def singer(ended: list[dict[str, Any]], version: int = 1) -> str:
        parts = []
        for stream, properties in (("accounts", kinds), ("ended", ends)):
            message = {"stream": stream, "schema": {"type": "object", "properties": properties}}
            parts.append(line({"type": "SCHEMA", **message, "key_properties": ["id"]}))
        rows = [("accounts", {"id": 5, "title": "Acme"}), *(("ended", row) for row in ended)]
        for stream, row in rows:
            parts.append(line({"type": "RECORD", "stream": stream, "record": row, "version": version}))
        activated = [
            line({"type": "ACTIVATE_VERSION", "stream": stream, "version": version}) for stream in ("accounts", "ended")
        ]
        return "".join([*parts, *activated, line({"type": "STATE", "value": {}})])

    both = [{"id": "s1", "account": 5, "ended_on": "2026-02-01"}, {"id": "s2", "account": 5, "ended_on": "2026-03-01"}]
    settings = {"stream_maps": maps, "hard_delete": True}
    bridge.good(singer(both), **settings)
    assert list(bridge.content()["customers"]) == ["shop-a5"]
    assert sorted(bridge.content()["cancellations"]) == ["shop-s1", "shop-s2"]
    assert bridge.good(singer(both), **settings) == 0
    bridge.good(singer([{**both[0], "ended_on": None}], 2), **settings)
    assert bridge.content()["cancellations"] == {}


def documented(title: str) -> str:
    """A block of the documentation's page on these streams."""
    page = (ROOT / "docs" / "chartmogul-streams.md").read_text()
    (found,) = re.findall(rf"`{re.escape(title)}`:\n\n```\w+\n(.*?)```", page, re.DOTALL)
    return str(found)


def test_the_documented_lines_do_what_they_say(bridge: Shop) -> None:
    text = documented("shop.jsonl")
    settings = json.loads(documented("chartmogul.json"))
    assert settings["external_id_prefix"] == PREFIX
    done = bridge.run(text)
    assert done.code == 0, done.stderr
    content = bridge.content()
    assert list(content["invoices"]["shop-A-1"]["transactions"]) == ["shop-ch_1"]
    assert content["mrr"]["2026-01"] == {"shop-acme": 4900}
    assert content["mrr"]["2026-03"] == {}


def test_the_documented_stream_map_feeds_whole_invoices(bridge: Shop) -> None:
    (loader,) = yaml.safe_load(documented("meltano.yml"))["plugins"]["loaders"]
    maps = loader["config"]["stream_maps"]
    whole, text = {"type": "integer"}, {"type": ["string", "null"]}
    streams: dict[str, dict[str, Any]] = {
        "accounts": {"id": whole, "title": text},
        "bills": {
            **dict.fromkeys(("id", "account_id", "subscription_id", "cents"), whole),
            **dict.fromkeys(("product", "billed_on", "until", "paid_on"), text),
        },
        "subscriptions": {"id": whole, "account_id": whole, "ended_on": text},
    }
    bill = {"account_id": 5, "subscription_id": 9, "product": "Gold", "cents": 4900}
    first = {**bill, "id": 1, "billed_on": "2026-01-05", "until": "2026-02-05", "paid_on": "2026-01-06"}
    second = {**bill, "id": 2, "billed_on": "2026-02-05", "until": "2026-03-05", "paid_on": None}
    ending = {"id": 9, "account_id": 5, "ended_on": "2026-03-05"}
    rows = {"accounts": [{"id": 5, "title": "Acme"}], "bills": [first, second], "subscriptions": [ending]}
    parts = []
    for stream, properties in streams.items():
        message = {"stream": stream, "schema": {"type": "object", "properties": properties}, "key_properties": ["id"]}
        parts.append(line({"type": "SCHEMA", **message}))
        parts += [line({"type": "RECORD", "stream": stream, "record": row}) for row in rows[stream]]
    singer = "".join([*parts, line({"type": "STATE", "value": {}})])
    bridge.good(singer, stream_maps=maps)
    content = bridge.content()
    assert content["plans"] == {"shop-Gold": {"name": "Gold", "interval_count": 1, "interval_unit": "month"}}
    assert {key: list(each["transactions"]) for key, each in content["invoices"].items()} == {
        "shop-1": ["shop-1-paid"],
        "shop-2": [],
    }
    assert list(content["cancellations"]) == ["shop-9"]
    assert content["mrr"]["2026-02"] == {"shop-5": 4900}
    assert content["mrr"]["2026-03"] == {}
    assert bridge.good(singer, stream_maps=maps) == 0


def moved_shop() -> dict[str, list[dict[str, Any]]]:
    """The shop after a move: one invoice belongs to another customer, a payment to another invoice."""
    rows = shop()
    rows["customers"].append(customer("other shop", name="Other"))
    rows["invoices"][0] = invoice(owner="other shop")
    rows["transactions"] = [transaction("ch_2", date="2026-02-06"), transaction("ch_1", "A-2")]
    rows["subscription_cancellations"] = [cancellation("2026-04-01", owner="other shop", external_id="end-1")]
    return rows


@pytest.mark.parametrize(("writes", "lost"), [(2, True), (3, False), (4, True), (5, False)])
def test_rule_1_2_a_move_that_was_killed_ends_as_if_it_had_not_been(bridge: Shop, writes: int, lost: bool) -> None:
    bridge.good(messages(**shop()))
    bridge.sandbox.faults("chartmogul", latency_ms=80)
    bridge.kill_after(writes, messages(**moved_shop()))
    bridge.sandbox.faults("chartmogul")
    if lost:
        bridge.lose_store()
    bridge.good(messages(**moved_shop()))
    content = bridge.content()
    assert {key: (each["customer"], list(each["transactions"])) for key, each in content["invoices"].items()} == {
        "shop-A-1": ("shop-other shop", ["shop-ch_2"]),
        "shop-A-2": ("shop-acme/1", ["shop-ch_1"]),
    }
    assert sorted(content["cancellations"]) == ["shop-end-1", "shop-sub å1-cancelled-2026-03-01"]
    assert bridge.good(messages(**moved_shop())) == 0


@pytest.mark.long
def test_rule_1_2_through_a_failing_network(bridge: Shop) -> None:
    kinds = ["500", "503", "429", "reset_before", "reset_after", "truncated"]
    bridge.sandbox.faults("chartmogul", rate=0.2, kinds=kinds, seed=7)
    bridge.good(messages(**shop()))
    bridge.good(messages(**moved_shop()))
    bridge.sandbox.faults("chartmogul")
    failing = bridge.content()
    assert bridge.good(messages(**moved_shop())) == 0
    bridge.sandbox.reset()
    calm = Shop(bridge.sandbox, bridge.folder / "calm")
    calm.good(messages(**shop()))
    calm.good(messages(**moved_shop()))
    assert calm.content() == failing
