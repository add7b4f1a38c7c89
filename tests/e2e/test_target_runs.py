"""Whole runs of the target against the sandbox: what is written, what waits, rehearsals, and changed settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages, record, schema, state
from tests.support.singer_rows import Account, club_account
from tests.support.worked_accounts import ACCOUNTS

LATER = "2026-03-21T08:00:00Z"
NOTHING = changed_messages({name: club_account(1)[name] for name in ("products", "subscriptions")})


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    return Bridge(sandbox, tmp_path)


def report_of(bridge: Bridge) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bridge.folder / "report.json").read_text())
    return found


def reporting(bridge: Bridge) -> Bridge:
    bridge.settings["report_path"] = str(bridge.folder / "report.json")
    return bridge


def quiet(account: Account) -> str:
    """What a run brings when nothing changed in Keap."""
    return changed_messages({name: account[name] for name in ("products", "subscriptions")})


# -- what is written (1.1, 1.3)


def test_only_what_changed_is_written(bridge: Bridge) -> None:
    rows = club_account(5)
    bridge.good(account_messages(rows))
    bridge.sandbox.clear_requests()
    rows["orders"][0]["due_time"] = "2026-02-01T00:00:00Z"
    rows["orders"][0]["modification_time"] = "2026-03-01T00:00:00Z"
    bridge.good(changed_messages({**rows, "orders": rows["orders"][:1], "payments": [], "contacts": []}))
    taken = [(entry["method"], entry["status"]) for entry in bridge.sandbox.writes() if entry["status"] < 400]
    assert taken == [("PATCH", 200)]
    invoice = bridge.content()["invoices"]["101"]
    assert invoice["due_date"] == "2026-02-01T00:00:00Z"
    assert len(invoice["transactions"]) == 1, "its payment is known though it did not come again"


def test_the_order_of_streams_and_records_does_not_matter(bridge: Bridge) -> None:
    """1.1."""
    rows = club_account(4)
    bridge.good(account_messages(rows))
    expected = bridge.content()
    bridge.sandbox.reset()
    bridge.sandbox.no_limits()
    bridge.clock(bridge.now)
    lines = account_messages(rows).splitlines(keepends=True)
    schemas = [line for line in lines if '"SCHEMA"' in line]
    records = [line for line in lines if '"type":"RECORD"' in line]
    rest = [line for line in lines if '"STATE"' in line or "ACTIVATE" in line]
    bridge.good("".join([*reversed(schemas), *reversed(records), *rest]), store_path=None)
    assert bridge.content() == expected


def test_records_of_one_id_the_last_one_wins(bridge: Bridge) -> None:
    rows = club_account(1)
    first = {**rows["contacts"][0], "given_name": "Earlier"}
    bridge.good(schema("contacts") + record("contacts", first) + account_messages(rows))
    assert bridge.content()["customers"]["1"]["name"] == "Zenobia1 Quillfeather1"


def test_an_account_that_comes_in_pieces(bridge: Bridge) -> None:
    """1.8: an order may come before its contact, a payment before its order: decided again when it comes."""
    rows = club_account(2)
    bridge.good(account_messages(rows))
    expected = bridge.content()
    bridge.sandbox.reset()
    bridge.sandbox.no_limits()
    bridge.clock(bridge.now)
    bridge.store.unlink()
    bridge.good(account_messages({"payments": rows["payments"][2:]}))
    assert bridge.writes() == 0
    bridge.good(changed_messages({name: rows[name] for name in ("products", "subscriptions", "orders")}))
    bridge.good(changed_messages({**rows, "orders": [], "payments": rows["payments"][:2]}))
    assert bridge.content() == expected


# -- what waits, is invalid, or is refused (1.5)


def test_a_future_order_waits_in_the_store(bridge: Bridge) -> None:
    rows = club_account(1)
    rows["orders"][-1]["order_time"] = "2026-05-01T10:00:00Z"
    reporting(bridge)
    first = bridge.good(account_messages(rows))
    assert first.state is not None
    assert list(bridge.content()["invoices"]) == ["101"]
    bridge.clock("2026-04-01T00:00:00Z")
    bridge.good(quiet(rows))
    (waiting,) = report_of(bridge)["waiting"]
    assert (waiting["stream"], waiting["id"], waiting["due"]) == ("orders", "102", "2026-05-01T10:00:00Z")
    assert (waiting["since"], waiting["new"]) == ("2026-03-20T08:00:00Z", False)
    bridge.clock("2026-05-02T00:00:00Z")
    bridge.good(quiet(rows))
    assert sorted(bridge.content()["invoices"]) == ["101", "102"]
    assert report_of(bridge)["waiting"] == []


def test_an_invalid_record_is_listed_in_every_run_until_it_is_mended(bridge: Bridge) -> None:
    """The last valid version goes on to count."""
    reporting(bridge)
    rows = club_account(2)
    bridge.good(account_messages(rows))
    before = bridge.content()
    broken = {**rows["orders"][0], "order_time": "2026-02-31T00:00:00Z"}
    for messages in (changed_messages({**rows, "orders": [broken]}), quiet(rows), quiet(rows)):
        done = bridge.run(messages)
        assert done.code == 7, done.stderr
        found = [(each["stream"], each["id"], each["field"]) for each in report_of(bridge)["rejects"]]
        assert found == [("orders", "101", "order_time")]
        assert bridge.content() == before
    bridge.good(quiet(rows), accepted_rejects=["orders:101"])
    bridge.good(changed_messages({**rows, "orders": [{**rows["orders"][0], "due_time": "2026-02-01T00:00:00Z"}]}))
    assert report_of(bridge)["rejects"] == []
    assert bridge.content()["invoices"]["101"]["due_date"] == "2026-02-01T00:00:00Z"


def test_what_chartmogul_refuses_is_tried_again_once_a_day(bridge: Bridge) -> None:
    rows = club_account(2)
    rows["subscriptions"][0].update(active=False, end_date="2026-03-10")
    reporting(bridge)
    bridge.sandbox.clock("2026-03-01T00:00:00Z")  # ChartMogul's clock is behind: it takes no cancellation of tomorrow
    first = bridge.run(account_messages(rows))
    assert first.code == 7, first.stderr
    assert first.state is not None, "STATE says what is stored, not what ChartMogul took"
    bridge.sandbox.clear_requests()
    bridge.now = "2026-03-20T09:00:00Z"
    again = bridge.run(quiet(rows))
    assert again.code == 7, again.stderr
    assert bridge.writes() == 0, "not before a day has passed"
    (refused,) = report_of(bridge)["refusals"]
    assert (refused["kind"], refused["id"], refused["new"]) == ("event", "1001-cancelled-2026-03-10", False)
    bridge.clock("2026-03-21T09:00:00Z")
    bridge.good(quiet(rows))
    assert list(bridge.content()["cancellations"]) == ["1001-cancelled-2026-03-10"]
    assert report_of(bridge)["refusals"] == []


# -- rehearsals (1.9)


def test_a_dry_run_leaves_no_trace(bridge: Bridge) -> None:
    reporting(bridge)
    messages = account_messages(club_account(3))
    elsewhere = bridge.folder / "stores"
    dry = bridge.good(messages, dry_run=True, store_path=str(elsewhere / "store.sqlite"))
    assert not elsewhere.exists()
    assert (dry.stdout, bridge.writes()) == ("", 0)
    told = report_of(bridge)
    assert told["counts"]["invoices"]["created"] == 6
    assert told["mrr"]["months"] != told["mrr"]["months_before"]
    bridge.good(messages)
    assert len(bridge.content()["invoices"]) == 6


def test_a_dry_run_leaves_the_store_as_it_was(bridge: Bridge) -> None:
    bridge.good(account_messages(club_account(1)))
    before = {path.name: path.read_bytes() for path in bridge.folder.glob("store.sqlite*")}
    dry = bridge.good(account_messages(club_account(3)), dry_run=True, customer_scope="all")
    assert dry.stdout == ""
    assert {path.name: path.read_bytes() for path in bridge.folder.glob("store.sqlite*")} == before
    bridge.good(account_messages(club_account(3)))
    assert len(bridge.content()["customers"]) == 3


def test_only_contacts_decides_these_and_keeps_the_others_marked(bridge: Bridge) -> None:
    """1.9: what arrived of others is stored: they need not come again."""
    bridge.good(account_messages(club_account(3)), only_contacts=["2"])
    assert list(bridge.content()["customers"]) == ["2"]
    bridge.good(quiet(club_account(3)))
    assert len(bridge.content()["customers"]) == 3


# -- changed settings (1.10)


def test_changed_settings_apply_to_the_whole_account(bridge: Bridge) -> None:
    """Without a record of those whom they concern; what they would change in months that are over needs `force`."""
    rows = club_account(3)
    bridge.good(account_messages(rows))
    nothing = quiet(rows)
    bridge.good(nothing, customer_scope="all")
    bridge.sandbox.clear_requests()
    stopped = bridge.run(nothing, exclude_products=["31"])
    assert stopped.code == 8, stopped.stderr
    assert "exclude_products" in stopped.last_line
    assert "MRR" in stopped.last_line
    assert (bridge.writes(), len(bridge.content()["invoices"])) == (0, 6)
    forced = bridge.good(nothing, exclude_products=["31"], force=True)
    assert "exclude_products" in forced.stderr
    assert bridge.content()["invoices"] == {}
    bridge.good(nothing, force=True)
    assert len(bridge.content()["invoices"]) == 6
    bridge.sandbox.clear_requests()
    quiet_again = bridge.good(nothing)
    assert "differ from the last run" not in quiet_again.stderr
    assert bridge.writes() == 0


def test_a_changed_setting_makes_no_difference_to_a_fresh_load(bridge: Bridge) -> None:
    """An order without a currency is invalid until a setting names one."""
    rows = club_account(2)
    nameless = {"amount": 4900}
    rows["orders"][0]["total"] = rows["orders"][0]["order_items"][0]["price_per_unit"] = nameless
    done = bridge.run(account_messages(rows))
    assert done.code == 7, done.stderr
    assert sorted(bridge.content()["invoices"]) == ["102", "201", "202"]
    bridge.good(quiet(rows), currency="USD", force=True)
    assert sorted(bridge.content()["invoices"]) == ["101", "102", "201", "202"]


# -- what people did in ChartMogul (1.11)


def test_drift_is_reported_and_stays_until_it_is_resent(bridge: Bridge) -> None:
    """A deletion changes the number of records that ChartMogul counts, which each run asks for."""
    rows = club_account(3)
    reporting(bridge)
    bridge.good(account_messages(rows))
    bridge.sandbox.control("POST", "chartmogul/edit", {"kind": "invoice", "external_id": "201", "delete": True})
    bridge.sandbox.clear_requests()
    bridge.clock(LATER)
    bridge.good(quiet(rows))
    listed = report_of(bridge)["lists"]["deleted_in_chartmogul"]
    assert [(each["kind"], each["id"]) for each in listed["entries"]] == [("invoice", "201")]
    assert "resend" in listed["what_to_do"]
    bridge.good(quiet(rows))
    assert bridge.writes() == 0
    assert "201" not in bridge.content()["invoices"]
    bridge.good(quiet(rows), resend=True, only_contacts=["2"])
    assert "201" in bridge.content()["invoices"]


def test_holdings_are_listed_anew_when_they_are_old(bridge: Bridge) -> None:
    """An edit changes no number: it is found by the listing after `relist_days`, and reported while it lasts."""
    rows = club_account(2)
    reporting(bridge)
    bridge.good(account_messages(rows))
    named = {"kind": "customer", "external_id": "2", "changes": {"name": "By hand"}}
    bridge.sandbox.control("POST", "chartmogul/edit", named)
    for now, listed in (("2026-03-26T08:00:00Z", []), ("2026-03-28T08:00:00Z", ["2"]), ("2026-03-29T08:00:00Z", ["2"])):
        bridge.clock(now)
        bridge.sandbox.clear_requests()
        bridge.good(quiet(rows))
        edited = report_of(bridge)["lists"].get("edited", {"entries": []})["entries"]
        assert [each["id"] for each in edited] == listed
        assert bridge.writes() == 0
    assert bridge.content()["customers"]["2"]["name"] == "By hand"


# -- what no one may read, and stream maps


def test_nothing_secret_or_personal_in_any_output(bridge: Bridge) -> None:
    path = ACCOUNTS / "07-invalid-emails.json"
    keap = json.loads(path.read_text())["runs"][0]["keap"]
    reporting(bridge)
    done = bridge.run(account_messages(keap), environment={"LOGLEVEL": "DEBUG"})
    assert done.code == 0, done.stderr
    told = done.stderr + done.stdout + (bridge.folder / "report.json").read_text()
    secrets = [bridge.sandbox.chartmogul_api_key]
    for contact in keap["contacts"]:
        secrets += [each["email"] for each in contact.get("email_addresses") or () if each.get("email")]
        secrets += [contact[name] for name in ("given_name", "family_name") if len(contact.get(name) or "") > 3]
    assert len(secrets) > 5
    assert [secret for secret in secrets if secret in told] == []


def test_a_stream_map_that_fails_is_the_users_mistake(bridge: Bridge) -> None:
    done = bridge.run(account_messages(club_account(2)), stream_maps={"contacts": {"given_name": "int(given_name)"}})
    assert done.code == 2
    assert "Setting `stream_maps`: a record of contacts cannot be mapped (ValueError)" in done.stderr


def test_stream_maps_change_records_on_their_way(bridge: Bridge) -> None:
    """The SDK's own feature: slower, since each record goes through Python; the content is what the map makes."""
    rows = club_account(2)
    maps = {"contacts": {"given_name": "record['given_name'] + '!'"}}
    bridge.good(account_messages(rows), stream_maps=maps)
    assert bridge.content()["customers"]["2"]["name"] == "Zenobia2! Quillfeather2"
    assert len(bridge.content()["invoices"]) == 4


def test_a_stream_under_another_name_ends_a_read_too(bridge: Bridge) -> None:
    """1.8: ACTIVATE_VERSION names the tap's stream, records come under the map's."""
    rows = club_account(3)
    named = account_messages(rows).replace('"stream":"subscriptions"', '"stream":"keap_subs"')
    maps = {"keap_subs": {"__alias__": "subscriptions"}}
    bridge.good(named, stream_maps=maps)
    rows["subscriptions"].pop()
    gone = changed_messages({"subscriptions": rows["subscriptions"], "products": rows["products"]})
    bridge.good(gone.replace('"stream":"subscriptions"', '"stream":"keap_subs"'), stream_maps=maps)
    assert [each.partition("-")[0] for each in bridge.content()["cancellations"]] == ["1003"]


# -- the end of a run's time


def test_time_is_up(bridge: Bridge) -> None:
    bridge.sandbox.faults("chartmogul", latency_ms=200)
    messages = account_messages(club_account(40))
    done = bridge.run(messages, max_run_minutes=0.02)
    assert done.code == 6, done.stderr
    assert "max_run_minutes" in done.last_line
    assert done.state is not None
    bridge.sandbox.faults("chartmogul")
    bridge.good(quiet(club_account(40)))
    assert len(bridge.content()["invoices"]) == 80


def test_a_state_of_nothing_read_is_a_first_run(bridge: Bridge) -> None:
    bridge.good(state() + account_messages(club_account(1)))
    assert len(bridge.content()["invoices"]) == 2
