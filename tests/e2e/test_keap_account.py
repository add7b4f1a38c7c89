"""The stream `account`: its currency and its time zone count where the user set none (rules 1.10, 3.5, 4.1)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.support.commands import run_command
from tests.support.pipeline import BILLING, Pipeline
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_messages import account_messages, activate, line, record
from tests.support.singer_rows import Account, club_account
from tests.support.tap_process import catalog

SCHEMA = json.loads((ROOT / "tap-keap" / "tap_keap" / "schemas" / "account.json").read_text())
BEFORE_MIDNIGHT = "2026-01-04T23:30:00Z"
"""In Berlin it is the day on which the subscription starts."""


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    made = Bridge(sandbox, tmp_path)
    made.settings["report_path"] = str(tmp_path / "report.json")
    return made


def about(version: int = 1, **row: Any) -> str:
    """A complete read of `account`, as the tap brings it in every run."""
    announced = line({"type": "SCHEMA", "stream": "account", "schema": SCHEMA, "key_properties": ["id"]})
    return announced + record("account", {"id": "account", **row}, version) + activate("account", version)


def report_of(bridge: Bridge) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bridge.folder / "report.json").read_text())
    return found


def without_currency() -> Account:
    rows = club_account(2)
    odd = rows["orders"][0]
    odd["total"] = {"amount": 4900}
    for each in odd["order_items"]:
        each["price_per_unit"] = {"amount": 4900}
    return rows


def before_midnight() -> Account:
    rows = club_account(1)
    for name in ("order_time", "creation_time"):
        rows["orders"][0][name] = BEFORE_MIDNIGHT
    return rows


def trial(bridge: Bridge) -> str | None:
    found: str | None = bridge.content()["customers"]["1"].get("free_trial_started_at")
    return found


def taken_lines(stderr: str) -> list[str]:
    return re.findall(r"Taken from the Keap account.*", stderr)


def test_rule_4_1_an_order_without_currency_has_that_of_the_account(bridge: Bridge) -> None:
    rows = without_currency()
    assert bridge.run(account_messages(rows)).code == 7
    assert "101" not in bridge.content()["invoices"]
    arrived = about(currency_code="eur", time_zone="UTC") + account_messages(rows)
    refused = bridge.run(arrived)
    assert refused.code == 8, "as with any setting that changes months that are over (1.7)"
    done = bridge.good(arrived, force=True)
    assert bridge.content()["invoices"]["101"]["currency"] == "EUR"
    assert bridge.content()["invoices"]["102"]["currency"] == "USD", "an order's own wins"
    assert report_of(bridge)["account_settings"] == {
        "taken": {"currency": "EUR", "keap_timezone": "UTC"},
        "ignored": {},
    }
    assert not taken_lines(done.stderr), "the run before has said it"
    (said,) = taken_lines(refused.stderr)
    assert said.startswith("Taken from the Keap account, since they are not set: `currency` EUR, `keap_timezone` UTC.")


def test_rule_4_1_what_the_user_set_wins(bridge: Bridge) -> None:
    done = bridge.good(about(currency_code="EUR") + account_messages(without_currency()), currency="GBP")
    assert bridge.content()["invoices"]["101"]["currency"] == "GBP"
    assert not taken_lines(done.stderr)
    assert "account_settings" not in report_of(bridge)


def test_rule_4_1_what_the_items_are_priced_in_wins(bridge: Bridge) -> None:
    rows = without_currency()
    rows["orders"][0]["order_items"][0]["price_per_unit"]["currency_code"] = "CAD"
    bridge.good(about(currency_code="EUR") + account_messages(rows))
    assert bridge.content()["invoices"]["101"]["currency"] == "CAD"


def test_rule_1_7_the_first_row_on_an_existing_store_stops_nothing_and_changes_nothing(bridge: Bridge) -> None:
    rows = club_account(8)
    bridge.good(account_messages(rows))
    written = bridge.writes()
    first = bridge.good(about(currency_code="EUR", time_zone="America/New_York") + account_messages(rows))
    assert bridge.writes() == written
    assert len(taken_lines(first.stderr)) == 1
    assert "differ from the last run" in first.stderr
    again = bridge.good(about(2, currency_code="EUR", time_zone="America/New_York", name="X") + account_messages(rows))
    assert not taken_lines(again.stderr)
    assert "differ from the last run" not in again.stderr
    assert bridge.writes() == written


def test_rule_3_5_the_day_of_a_first_order_is_that_of_the_account(bridge: Bridge) -> None:
    bridge.settings["trial_source"] = "subscription"
    rows = before_midnight()
    bridge.good(account_messages(rows))
    assert trial(bridge) == BEFORE_MIDNIGHT
    bridge.good(about(time_zone="Europe/Berlin") + account_messages(rows))
    assert trial(bridge) is None
    assert report_of(bridge)["settings"] == {"keap_timezone": "Europe/Berlin", "trial_source": "subscription"}
    changed = bridge.good(about(2, time_zone="America/New_York") + account_messages(rows))
    assert "apply to the whole account: keap_timezone" in changed.stderr
    assert len(taken_lines(changed.stderr)) == 1
    assert trial(bridge) == BEFORE_MIDNIGHT


def test_rule_7_4_commands_decide_with_the_same_settings(bridge: Bridge) -> None:
    bridge.settings["trial_source"] = "subscription"
    bridge.good(about(time_zone="Europe/Berlin", currency_code="EUR") + account_messages(before_midnight()))
    shown = run_command(bridge.folder, bridge.config(), "explain", "contact:1")
    assert "customer 1: as it should be" in shown.stdout, shown.stderr
    tried = run_command(bridge.folder, bridge.config(), "preview", "--format", "json")
    assert json.loads(tried.stdout)["settings"] == {}, tried.stderr
    tried = run_command(bridge.folder, bridge.config(), "preview", "--format", "json", "--set", "keap_timezone=UTC")
    found = json.loads(tried.stdout)
    assert found["settings"] == {"keap_timezone": {"before": "Europe/Berlin", "after": "UTC"}}
    assert [each["account"] for each in found["accounts"]] == ["contacts:1"]
    written = bridge.writes()
    synced = run_command(bridge.folder, bridge.config(), "sync")
    assert synced.code == 0, synced.stderr
    assert bridge.writes() == written
    state = json.loads(run_command(bridge.folder, bridge.config(), "status", "--format", "json").stdout)
    assert state["streams"]["account"]["records"] == 1
    assert state["due"] == []
    refused = run_command(bridge.folder, bridge.config(), "explain", "account:account")
    assert refused.code == 2


def test_rule_1_5_a_zone_or_currency_that_does_not_exist_is_ignored(bridge: Bridge) -> None:
    row = {"currency_code": "DOLLARS", "time_zone": "Mars/Olympus Mons"}
    done = bridge.good(about(**row) + account_messages(club_account(1)))
    warned = [each for each in done.stderr.splitlines() if "cannot be" in each]
    assert [re.findall(r"`(\w+)` cannot be", each) for each in warned] == [["currency"], ["keap_timezone"]]
    assert report_of(bridge)["account_settings"] == {
        "taken": {},
        "ignored": {"currency": "DOLLARS", "keap_timezone": "Mars/Olympus Mons"},
    }
    again = bridge.good(about(2, **row) + account_messages(club_account(1)))
    assert "cannot be" not in again.stderr


def test_rule_1_5_a_row_that_cannot_be_read_leaves_the_last_one_in_force(bridge: Bridge) -> None:
    rows = without_currency()
    bridge.good(about(currency_code="EUR") + account_messages(rows))
    bridge.run(about(2, currency_code="CAD") + account_messages(rows), force=True)
    assert bridge.content()["invoices"]["101"]["currency"] == "CAD"
    written = bridge.writes()
    done = bridge.run(about(3, currency_code=5) + account_messages(rows))
    assert done.code == 7
    (found,) = report_of(bridge)["rejects"]
    assert (found["stream"], found["id"], found["field"]) == ("account", "account", "currency_code")
    assert report_of(bridge)["account_settings"]["taken"] == {"currency": "CAD"}
    assert bridge.writes() == written


def test_rule_1_8_a_row_that_is_gone_leaves_its_settings_in_force(bridge: Bridge) -> None:
    rows = without_currency()
    bridge.good(about(currency_code="EUR") + account_messages(rows))
    written = bridge.writes()
    gone = line({"type": "SCHEMA", "stream": "account", "schema": SCHEMA, "key_properties": ["id"]})
    done = bridge.good(gone + activate("account", 9) + account_messages(rows))
    assert "differ from the last run" not in done.stderr
    assert bridge.writes() == written


def test_another_tap_may_have_a_stream_of_that_name(bridge: Bridge) -> None:
    other = line(
        {"type": "SCHEMA", "stream": "account", "schema": {"properties": {"id": {}}}, "key_properties": ["id"]}
    )
    done = bridge.good(other + record("account", {"id": "acme"}) + account_messages(club_account(1)))
    assert "Ignoring streams that this target does not use: account" in done.stderr


def test_the_row_that_the_tap_reads(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    pipeline = Pipeline(sandbox, tmp_path, target={"dry_run": True})
    (tmp_path / "catalog.json").write_text(json.dumps(catalog("account", *BILLING)))
    done = pipeline.run()
    assert done.tap_code == 0, str(done)
    assert done.report["account_settings"]["taken"] == {"currency": "USD", "keap_timezone": "UTC"}
    assert done.report["records"]["account"] == 1
