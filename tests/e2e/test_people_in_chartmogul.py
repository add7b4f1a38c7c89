"""What people do in ChartMogul is respected (rule 6.8), with the store and without one."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.keap_rows import contact, order, payment, product, subscription, subscription_item
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import SOURCE, TargetRun, run_target, target_config

NOW = "2026-06-01T08:00:00Z"
LATER = "2026-06-02T08:00:00Z"


def account(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    """Two contacts with a paid order each."""
    return {
        "products": [product()],
        "contacts": [contact("11"), contact("12")],
        "subscriptions": [subscription("501", "11"), subscription("502", "12")],
        "orders": [
            order("9001", [subscription_item("1", "501")], 4900, contact_id="11"),
            order("9002", [subscription_item("2", "502")], 4900, contact_id="12"),
        ],
        "payments": [payment("71", ["9001"], 49.0), payment("72", ["9002"], 49.0)],
        **changes,
    }


class People:
    """Runs of the target, and what people do between them."""

    def __init__(self, sandbox: Sandbox, folder: Path, *, lasting: bool) -> None:
        sandbox.no_limits()
        sandbox.clock(NOW)
        self.sandbox = sandbox
        self._folder = folder
        self._store = str(folder / "store.sqlite") if lasting else None

    def run(self, rows: dict[str, list[dict[str, Any]]], now: str = NOW, code: int = 0) -> TargetRun:
        self.sandbox.clock(now)
        self.sandbox.clear_requests()
        config = target_config(self.sandbox, now=now, store_path=self._store)
        done = run_target(self._folder, config, account_messages(rows))
        assert done.code == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def edit(self, kind: str, external_id: str, **what: Any) -> None:
        self.sandbox.control("POST", "chartmogul/edit", {"kind": kind, "external_id": external_id, **what})

    def forget_answer(self, kind: str, external_id: str) -> None:
        """The store as a run leaves it that was killed after ChartMogul took a creation, before it heard of that."""
        assert self._store is not None
        with contextlib.closing(sqlite3.connect(self._store)) as database, database:
            owner = database.execute("SELECT owner FROM holding WHERE id = ?", (external_id,)).fetchone()[0]
            database.execute("DELETE FROM holding WHERE id = ?", (external_id,))
            database.execute("INSERT INTO intent VALUES (?, ?, 'create', NULL)", (kind, external_id))
            database.execute("INSERT INTO mark VALUES (?, '', '')", (owner,))
            database.execute("UPDATE meta SET value = '1' WHERE key = 'processed'")

    def writes(self) -> list[str]:
        """Methods of what was written; the preflight's request that can do nothing is not among them."""
        return [each["method"] for each in self.sandbox.writes() if each["status"] < 400]

    def invoices(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sandbox.content(SOURCE, LATER)["invoices"]
        return found


@pytest.fixture(params=[True, False], ids=["store", "no-store"])
def people(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> People:
    made = People(sandbox, tmp_path, lasting=request.param)
    made.run(account())
    return made


def test_rule_6_8_customers_that_were_merged_stay_so(people: People) -> None:
    """Their bills go on landing on the one customer; their fields are left as they are there."""
    people.edit("customer", "12", merge_into="11")
    people.run(account())
    assert people.writes() == []
    third = order("9003", [subscription_item("3", "502")], 4900, contact_id="12", order_time="2026-04-15T08:00:00Z")
    rows = account()
    rows["orders"].append(third)
    rows["contacts"][1] = contact("12", given_name="Renamed")
    people.run(rows, LATER)
    assert set(people.invoices()) == {"9001", "9002", "9003"}
    assert people.invoices()["9003"]["customer"] == "12"
    people.run(rows, LATER)
    assert people.writes() == []


def test_rule_6_8_a_disabled_invoice_stays_so(people: People) -> None:
    people.edit("invoice", "9002", disable=True)
    people.run(account())
    assert people.writes() == []
    rows = account()
    rows["contacts"][1] = contact("12", given_name="Renamed")
    people.run(rows, LATER)
    assert [entry["method"] for entry in people.sandbox.writes() if "customers" in entry["path"]] == ["PATCH"]


@pytest.mark.parametrize("people", [True], ids=["store"], indirect=True)
def test_rule_6_8_a_deleted_invoice_stays_so_until_its_order_changes(people: People) -> None:
    people.edit("invoice", "9002", delete=True)
    people.run(account())
    assert people.writes() == []
    rows = account()
    rows["payments"].append(payment("73", ["9002"], -10.0))
    people.run(rows, LATER)
    assert len(people.invoices()["9002"]["transactions"]) == 2


@pytest.mark.parametrize("people", [False], ids=["no-store"], indirect=True)
def test_rule_6_8_without_a_store_keap_wins(people: People) -> None:
    people.edit("invoice", "9002", delete=True)
    people.run(account())
    assert set(people.invoices()) == {"9001", "9002"}


@pytest.mark.parametrize("people", [True], ids=["store"], indirect=True)
def test_rule_6_8_edits_stay_after_a_run_was_killed_between_a_creation_and_its_answer(people: People) -> None:
    people.edit("invoice", "9002", delete=True)
    people.run(account())
    rows = account()
    rows["contacts"].append(contact("13"))
    rows["subscriptions"].append(subscription("503", "13"))
    rows["orders"].append(order("9003", [subscription_item("3", "503")], 4900, contact_id="13"))
    people.run(rows)
    people.forget_answer("invoice", "9003")
    people.run(rows, LATER)
    assert set(people.invoices()) == {"9001", "9003"}
