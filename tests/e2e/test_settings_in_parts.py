"""Settings that change while not every account is decided: each is decided with them in the end (rules 1.7, 1.10)."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_people_in_chartmogul import account
from tests.support.bridge import Bridge
from tests.support.keap_rows import order, subscription, subscription_item
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages, state

CUT = state(read={"selected": ["orders", "payments"], "complete": ["orders"], "start_date": None})


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    made = Bridge(sandbox, tmp_path)
    made.clock("2026-06-01T08:00:00Z")
    return made


def unpaid() -> dict[str, list[dict[str, Any]]]:
    return account(payments=[])


def with_an_order_of_last_month() -> dict[str, list[dict[str, Any]]]:
    rows = account()
    rows["subscriptions"].append(subscription("503", "12"))
    item = subscription_item("3", "503")
    rows["orders"].append(order("9003", [item], 4900, contact_id="12", order_time="2026-05-15T08:00:00Z"))
    return rows


def test_rule_1_10_a_first_load_of_some_contacts_with_another_setting(bridge: Bridge) -> None:
    bridge.good(account_messages(unpaid()), only_contacts=["11"], unpaid_orders="skip")
    assert bridge.content()["invoices"] == {}
    bridge.good(account_messages(unpaid()), force=True)
    assert set(bridge.content()["invoices"]) == {"9001", "9002"}
    before = bridge.writes()
    bridge.good(account_messages(unpaid()))
    assert bridge.writes() == before


def test_rule_1_10_contacts_left_out_are_decided_with_changed_settings_later(bridge: Bridge) -> None:
    bridge.good(account_messages(unpaid()))
    bridge.good(account_messages(unpaid()), only_contacts=["11"], unpaid_orders="skip", force=True)
    assert set(bridge.content()["invoices"]) == {"9002"}
    assert bridge.run(account_messages(unpaid()), unpaid_orders="skip").code == 8
    bridge.good(account_messages(unpaid()), unpaid_orders="skip", force=True)
    assert bridge.content()["invoices"] == {}


def test_rule_1_7_what_records_change_is_not_blamed_on_settings(bridge: Bridge) -> None:
    bridge.good(account_messages(account()))
    bridge.good(account_messages(with_an_order_of_last_month()), customer_tags={"5": "vip"})
    assert "9003" in bridge.content()["invoices"]


def test_rule_1_10_changed_settings_wait_for_a_complete_input(bridge: Bridge) -> None:
    """Else months that are over could change without `force`."""
    bridge.good(account_messages(unpaid()))
    before = bridge.content()
    quiet = {name: unpaid()[name] for name in ("products", "subscriptions")}
    done = bridge.run(changed_messages(quiet) + CUT, unpaid_orders="skip")
    assert done.code == 6, done.stderr
    assert "unpaid_orders" in done.last_line
    assert bridge.content() == before
    assert bridge.run(account_messages(unpaid()), unpaid_orders="skip").code == 8
    bridge.good(account_messages(unpaid()), unpaid_orders="skip", force=True)
    assert bridge.content()["invoices"] == {}


def test_rule_7_2_figures_are_of_what_chartmogul_took(bridge: Bridge) -> None:
    """And what was refused is tried again by a daily schedule, also if that starts a little early."""
    refuse = {"match": {"method": "POST", "path_regex": "/import/customers/"}, "kind": "422_deep", "times": 1}
    bridge.sandbox.faults("chartmogul", script=[refuse])
    assert bridge.run(account_messages(account())).code == 7
    assert len(bridge.content()["invoices"]) == 1
    assert mrr(bridge) == 4900
    bridge.sandbox.faults("chartmogul")
    bridge.clock("2026-06-02T07:59:58Z")
    bridge.good(account_messages(account()))
    assert len(bridge.content()["invoices"]) == 2
    assert mrr(bridge) == 9800


def mrr(bridge: Bridge) -> int:
    """As the store adds it up."""
    with contextlib.closing(sqlite3.connect(bridge.store)) as database:
        return int(database.execute("SELECT sum(value) FROM total WHERE name = 'mrr'").fetchone()[0])
