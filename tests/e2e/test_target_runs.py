"""Whole runs of the target against the sandbox: state, ledger, guards, rehearsals, signals, and what comes again."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_messages import account_messages, record, schema, state
from tests.support.target_process import SOURCE, run_target, target_command, target_config
from tests.support.worked_accounts import ACCOUNTS

NOW = "2026-03-20T08:00:00Z"


def account(contacts: int = 1, *, first: int = 1, orders: int = 2) -> dict[str, list[dict[str, Any]]]:
    """Contacts with a monthly subscription and some paid orders each."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("contacts", "subscriptions", "orders", "payments", "products")
    }
    rows["products"].append(
        {"id": "31", "name": "Club", "subscription_plans": [{"id": "7", "billing_cycle": "MONTHLY"}]}
    )
    for number in range(first, first + contacts):
        contact, subscription = str(number), str(1000 + number)
        rows["contacts"].append(
            {"id": contact, "given_name": f"N{number}", "update_time": f"2026-01-01T00:00:{number % 60:02d}Z"}
        )
        rows["subscriptions"].append(
            {
                "id": subscription,
                "contact_id": contact,
                "product_id": "31",
                "subscription_plan_id": "7",
                "active": True,
                "billing_cycle": "MONTH",
                "billing_frequency": 1,
                "start_date": "2026-01-05",
            }
        )
        for place in range(1, orders + 1):
            order = str(number * 100 + place)
            when = f"2026-0{place}-05T10:00:00Z"
            money = {"amount": 4900, "currency_code": "USD"}
            rows["orders"].append(
                {
                    "id": order,
                    "status": "PAID",
                    "total": money,
                    "contact": {"id": contact},
                    "order_time": when,
                    "creation_time": when,
                    "modification_time": when,
                    "order_items": [
                        {
                            "id": f"{order}1",
                            "name": "Club",
                            "quantity": 1,
                            "item_type": "SUBSCRIPTION",
                            "subscription_id": subscription,
                            "product": {"id": "31", "name": "Club"},
                            "price_per_unit": money,
                            "subscription_plan": {"id": "7", "frequency": 1, "cycle_type": "MONTHLY"},
                        }
                    ],
                }
            )
            rows["payments"].append(
                {
                    "id": f"{order}9",
                    "type": "Credit Card",
                    "amount": 49.0,
                    "status": "APPROVED",
                    "payment_time": when,
                    "contact_id": contact,
                    "order_ids": [order],
                }
            )
    return rows


class Bridge:
    """The target with a ledger of its own in this test's folder."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.ledger = folder / "store.sqlite"
        self.settings: dict[str, Any] = {"now": NOW, "store_path": str(self.ledger)}

    def config(self, **settings: Any) -> dict[str, Any]:
        return target_config(self.sandbox, **{**self.settings, **settings})

    def run(self, messages: str, **settings: Any) -> Any:
        return run_target(self.folder, self.config(**settings), messages)

    def start(self, messages: str, **settings: Any) -> subprocess.Popen[bytes]:
        """Start it with all its input, and do not wait."""
        source = self.folder / "input.jsonl"
        source.write_text(messages)
        with source.open("rb") as stdin:
            return subprocess.Popen(
                target_command(self.folder, self.config(**settings)),
                cwd=ROOT,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

    def content(self) -> dict[str, Any]:
        return self.sandbox.content(SOURCE, NOW)

    def writes(self) -> int:
        return len(self.sandbox.writes())

    def wait_for_writes(self, number: int) -> None:
        deadline = time.monotonic() + 180
        while self.writes() < number:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    sandbox.no_limits()
    sandbox.clock(NOW)
    return Bridge(sandbox, tmp_path)


def bookmark(run: Any, stream: str) -> str | None:
    value: str | None = run.state["bookmarks"][stream].get("replication_key_value")
    return value


# -- a run with nothing new (1.3)


def test_nothing_new_is_not_written_and_hardly_read(bridge: Bridge) -> None:
    messages = account_messages(account(30))
    assert bridge.run(messages).code == 0
    bridge.sandbox.clear_requests()
    again = bridge.run(messages)
    assert (again.code, bridge.writes()) == (0, 0)
    assert len(bridge.sandbox.requests("chartmogul")) <= 5


def test_a_lost_ledger_is_read_back(bridge: Bridge) -> None:
    """1.6: and then nothing is written either."""
    messages = account_messages(account(5))
    assert bridge.run(messages).code == 0
    bridge.ledger.unlink()
    bridge.sandbox.clear_requests()
    assert bridge.run(messages).code == 0
    assert bridge.writes() == 0
    bridge.sandbox.clear_requests()
    assert bridge.run(messages).code == 0
    assert len(bridge.sandbox.requests("chartmogul")) <= 5


def test_only_what_changed_is_written(bridge: Bridge) -> None:
    rows = account(5)
    assert bridge.run(account_messages(rows)).code == 0
    bridge.sandbox.clear_requests()
    rows["orders"][0]["due_time"] = "2026-02-01T00:00:00Z"
    rows["orders"][0]["modification_time"] = "2026-03-01T00:00:00Z"
    changed = {**rows, "orders": rows["orders"][:1], "payments": rows["payments"][:1], "contacts": rows["contacts"][:1]}
    assert bridge.run(account_messages(changed, whole=["subscriptions"])).code == 0
    assert [
        (entry["method"], entry["status"]) for entry in bridge.sandbox.writes() if "plans" not in entry["path"]
    ] == [("PATCH", 200)]
    assert bridge.content()["invoices"]["101"]["due_date"] == "2026-02-01T00:00:00Z"


def test_the_order_of_streams_and_records_does_not_matter(bridge: Bridge) -> None:
    """1.1."""
    rows = account(4)
    assert bridge.run(account_messages(rows)).code == 0
    expected = bridge.content()
    bridge.sandbox.reset()
    bridge.sandbox.no_limits()
    bridge.sandbox.clock(NOW)
    lines = account_messages(rows).splitlines(keepends=True)
    schemas = [line for line in lines if '"SCHEMA"' in line]
    records = [line for line in lines if '"RECORD"' in line]
    rest = [line for line in lines if '"STATE"' in line or "ACTIVATE" in line]
    mixed = "".join([*reversed(schemas), *reversed(records), *rest])
    assert bridge.run(mixed, store_path=None).code == 0
    assert bridge.content() == expected


# -- what waits (1.5)


def future_order(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    rows["orders"][-1]["order_time"] = "2026-05-01T10:00:00Z"
    return rows


def test_a_future_order_waits_in_the_ledger(bridge: Bridge) -> None:
    messages = account_messages(future_order(account()))
    first = bridge.run(messages)
    assert first.code == 0
    assert bookmark(first, "orders") == "2026-02-05T10:00:00Z", "the state goes on"
    assert list(bridge.content()["invoices"]) == ["101"]
    nothing_new = account_messages(
        {name: rows for name, rows in account().items() if name in {"products", "subscriptions"}},
        whole=["subscriptions"],
    )
    bridge.sandbox.clock("2026-05-02T00:00:00Z")
    later = bridge.run(nothing_new, now="2026-05-02T00:00:00Z")
    assert later.code == 0
    assert sorted(bridge.content()["invoices"]) == ["101", "102"]
    with sqlite3.connect(bridge.ledger) as ledger:
        assert ledger.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_future_order_holds_the_state_without_a_ledger(bridge: Bridge) -> None:
    rows = future_order(account(2))
    rows["orders"].append({**rows["orders"][0], "modification_time": "2026-03-15T00:00:00Z"})
    done = bridge.run(account_messages(rows), store_path=None)
    assert done.code == 0
    assert bookmark(done, "orders") == "2026-02-05T10:00:00Z", "not past the order that waits"
    assert bookmark(done, "payments") == "2026-02-05T10:00:00Z"


@pytest.mark.parametrize("lasting", [True, False], ids=["ledger", "no-ledger"])
def test_what_chartmogul_refuses_is_tried_again(bridge: Bridge, lasting: bool) -> None:
    """Kept in the ledger, so that it need not be read again; without one the state is held at it."""
    rows = account(2)
    rows["subscriptions"][0].update(active=False, end_date="2026-03-10")
    settings = {} if lasting else {"store_path": None}
    bridge.sandbox.clock("2026-03-01T00:00:00Z")  # ChartMogul's clock is behind: it takes no cancellation of tomorrow
    first = bridge.run(account_messages(rows), **settings)
    assert first.code == 7, first.stderr
    assert bridge.content()["cancellations"] == {}
    assert bookmark(first, "orders") == ("2026-02-05T10:00:00Z" if lasting else "2026-01-05T10:00:00Z")
    bridge.sandbox.clock(NOW)
    again = {name: rows[name] for name in ("products", "subscriptions")} if lasting else rows
    second = bridge.run(account_messages(again, whole=["subscriptions"]), **settings)
    assert second.code == 0, second.stderr
    assert list(bridge.content()["cancellations"]) == ["1001-cancelled-2026-03-10"]
    if lasting:
        with sqlite3.connect(bridge.ledger) as ledger:
            assert ledger.execute("SELECT count(*) FROM kept").fetchone() == (0,)


# -- guards (1.7)


def test_too_many_deletes_need_force(bridge: Bridge) -> None:
    rows = account(12)
    assert bridge.run(account_messages(rows)).code == 0
    gone = account_messages({**rows, "orders": rows["orders"][:10], "payments": rows["payments"][:10]})
    bridge.sandbox.clear_requests()
    stopped = bridge.run(gone, hard_delete=True)
    assert stopped.code == 8, stopped.stderr
    assert "14 of 24 invoices" in stopped.last_line
    assert (bridge.writes(), stopped.stdout) == (0, "")
    forced = bridge.run(gone, hard_delete=True, force=True)
    assert forced.code == 0, forced.stderr
    assert len(bridge.content()["invoices"]) == 10


def test_an_empty_source_after_a_state_needs_a_full_refresh(bridge: Bridge) -> None:
    messages = state(orders="2026-01-01T00:00:00Z") + account_messages(account())
    stopped = bridge.run(messages)
    assert stopped.code == 8
    assert "--full-refresh" in stopped.last_line
    assert bridge.writes() == 0


def test_a_tap_that_was_stopped_before_the_payments(bridge: Bridge) -> None:
    messages = account_messages(account())
    assert bridge.run(messages).code == 0
    lines = messages.splitlines(keepends=True)
    before_payments = lines[: next(place for place, line in enumerate(lines) if '"stream":"payments"' in line)]
    bridge.sandbox.clear_requests()
    stopped = bridge.run("".join(before_payments), store_path=None)
    assert stopped.code == 8, stopped.stderr
    assert "payments" in stopped.last_line
    assert bridge.writes() == 0


def test_another_prefix_in_the_source(bridge: Bridge) -> None:
    assert bridge.run(account_messages(account())).code == 0
    stopped = bridge.run(account_messages(account()), external_id_prefix="keap-", store_path=None)
    assert stopped.code == 8
    assert "external_id_prefix" in stopped.last_line


def test_a_ledger_of_another_source(bridge: Bridge) -> None:
    assert bridge.run(account_messages(account())).code == 0
    stopped = bridge.run(account_messages(account()), data_source_name="Other")
    assert stopped.code == 8
    assert "would be created" in stopped.last_line


# -- rehearsals (1.9)


def test_a_dry_run_leaves_no_trace(bridge: Bridge) -> None:
    report = bridge.folder / "report.json"
    messages = account_messages(account(3))
    elsewhere = bridge.folder / "ledgers"
    dry = bridge.run(messages, dry_run=True, report_path=str(report), store_path=str(elsewhere / "store.sqlite"))
    assert dry.code == 0, dry.stderr
    assert not elsewhere.exists()
    assert (dry.stdout, bridge.writes(), bridge.ledger.exists()) == ("", 0, False)
    told = json.loads(report.read_text())
    assert told["counts"]["invoices"]["created"] == 6
    assert told["mrr"]["months"] != told["mrr"]["months_before"]
    real = bridge.run(messages)
    assert real.code == 0
    assert len(bridge.content()["invoices"]) == 6


def test_a_dry_run_beside_a_ledger_does_not_touch_it(bridge: Bridge) -> None:
    assert bridge.run(account_messages(account(1))).code == 0
    before = bridge.ledger.read_bytes()
    assert bridge.run(account_messages(account(3)), dry_run=True).code == 0
    assert bridge.ledger.read_bytes() == before
    assert bridge.run(account_messages(account(3))).code == 0
    assert len(bridge.content()["customers"]) == 3


def test_only_contacts_emits_no_state(bridge: Bridge) -> None:
    done = bridge.run(account_messages(account(3)), only_contacts=["2"])
    assert (done.code, done.stdout) == (0, "")
    assert list(bridge.content()["customers"]) == ["2"]
    assert bridge.run(account_messages(account(3))).state is not None
    assert len(bridge.content()["customers"]) == 3


# -- the ledger (1.6)


def test_two_runs_on_one_ledger(bridge: Bridge) -> None:
    bridge.sandbox.faults("chartmogul", latency_ms=2000)
    messages = account_messages(account(60))
    first = bridge.start(messages)
    try:
        bridge.wait_for_writes(1)
        second = bridge.run(messages)
        assert second.code == 9
        assert "another run" in second.last_line
    finally:
        bridge.sandbox.faults("chartmogul")
        first.terminate()
        first.communicate(timeout=60)
    assert bridge.run(messages).code == 0, "the lock ends with its run"


@pytest.mark.parametrize("damage", ["text", "cut", "older"])
def test_a_ledger_that_cannot_be_used_is_kept_aside(bridge: Bridge, damage: str) -> None:
    messages = account_messages(account(3))
    assert bridge.run(messages).code == 0
    if damage == "text":
        bridge.ledger.write_text("not a database, but long enough to be taken for one" * 50)
    elif damage == "cut":
        bridge.ledger.write_bytes(bridge.ledger.read_bytes()[:9000])
    else:
        with sqlite3.connect(bridge.ledger) as ledger:
            ledger.execute("UPDATE meta SET value = '0' WHERE key = 'format'")
    bridge.sandbox.clear_requests()
    done = bridge.run(messages)
    assert done.code == 0, done.stderr
    assert bridge.writes() == 0
    assert list(bridge.folder.glob("store.sqlite.damaged-*"))
    assert "kept as" in done.stderr


def test_the_ledger_is_for_its_owner_only(bridge: Bridge) -> None:
    assert bridge.run(account_messages(account())).code == 0
    assert bridge.ledger.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("most", [60_000, 200_000])
def test_a_full_disk(bridge: Bridge, most: int) -> None:
    """No file may grow beyond so many bytes: at the first write of the ledger, and in the middle of applying."""
    messages = account_messages(account(60))
    done = subprocess.run(
        target_command(bridge.folder, bridge.config()),
        cwd=ROOT,
        input=messages.encode(),
        capture_output=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert done.returncode == 4, done.stderr
    assert done.stdout == b"", "no state without a ledger that keeps what it stands for"
    assert b"Traceback" not in done.stderr
    assert bridge.run(messages).code == 0
    assert len(bridge.content()["invoices"]) == 120


# -- ends before the end


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("lasting", [True, False], ids=["ledger", "no-ledger"])
def test_a_signal_stops_at_a_safe_point(bridge: Bridge, signum: int, code: int, lasting: bool) -> None:
    rows = account(20)
    messages = account_messages(rows)
    settings = {} if lasting else {"store_path": None}
    bridge.sandbox.faults("chartmogul", latency_ms=100)
    running = bridge.start(messages, **settings)
    bridge.wait_for_writes(15)
    running.send_signal(signum)
    stdout, stderr = running.communicate(timeout=30)
    assert running.returncode == code, stderr
    assert b"Traceback" not in stderr
    told = json.loads(stdout)
    written = bridge.content()
    assert 0 < len(written["invoices"]) < 40
    if lasting:
        assert told["bookmarks"]["orders"]["replication_key_value"] == "2026-02-05T10:00:00Z"
        rows = {name: rows[name] for name in ("products", "subscriptions")}
    else:
        assert told["bookmarks"]["orders"]["replication_key_value"] == "2026-01-05T10:00:00Z"
    bridge.sandbox.faults("chartmogul")
    assert bridge.run(account_messages(rows, whole=["subscriptions"]), **settings).code == 0
    assert len(bridge.content()["invoices"]) == 40


def test_time_is_up(bridge: Bridge) -> None:
    bridge.sandbox.faults("chartmogul", latency_ms=200)
    messages = account_messages(account(40))
    done = bridge.run(messages, max_run_minutes=0.05)
    assert done.code == 6, done.stderr
    assert "max_run_minutes" in done.last_line
    bridge.sandbox.faults("chartmogul")
    assert bridge.run(messages).code == 0
    assert len(bridge.content()["invoices"]) == 80


@pytest.mark.parametrize("lasting", [True, False], ids=["ledger", "no-ledger"])
@pytest.mark.parametrize("after", [1, 7, 23])
def test_killed_and_run_again(bridge: Bridge, after: int, lasting: bool) -> None:
    """1.2: the same content, nothing doubled."""
    messages = account_messages(account(10))
    settings = {} if lasting else {"store_path": None}
    bridge.sandbox.faults("chartmogul", latency_ms=60)
    running = bridge.start(messages, **settings)
    bridge.wait_for_writes(after)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    bridge.sandbox.faults("chartmogul")
    done = bridge.run(messages, **settings)
    assert done.code == 0, done.stderr
    content = bridge.content()
    assert (len(content["customers"]), len(content["invoices"])) == (10, 20)
    bridge.sandbox.clear_requests()
    assert bridge.run(messages, store_path=None).code == 0
    assert bridge.writes() == 0


def test_the_key_is_withdrawn_in_the_middle(bridge: Bridge) -> None:
    script = [{"match": {"method": "POST", "path_regex": "/invoices"}, "kind": "401", "times": 1000, "after": 3}]
    bridge.sandbox.faults("chartmogul", script=script)
    done = bridge.run(account_messages(account(10)))
    assert done.code == 3, done.stderr
    assert done.state is not None, "what was not sent is kept in the ledger"
    bridge.sandbox.faults("chartmogul")
    rest = account_messages(
        {name: account(10)[name] for name in ("products", "subscriptions")}, whole=["subscriptions"]
    )
    assert bridge.run(rest).code == 0
    assert len(bridge.content()["invoices"]) == 20


# -- what the ledger says, and what no one may read


def test_nothing_secret_or_personal_in_any_output(bridge: Bridge) -> None:
    path = ACCOUNTS / "07-invalid-emails.json"
    keap = json.loads(path.read_text())["runs"][0]["keap"]
    report = bridge.folder / "report.json"
    done = run_target(
        bridge.folder, bridge.config(report_path=str(report)), account_messages(keap), environment={"LOGLEVEL": "DEBUG"}
    )
    assert done.code == 0, done.stderr
    told = done.stderr + done.stdout + report.read_text()
    secrets = [bridge.sandbox.chartmogul_api_key]
    for contact in keap["contacts"]:
        secrets += [each["email"] for each in contact.get("email_addresses") or () if each.get("email")]
        secrets += [contact[name] for name in ("given_name", "family_name") if len(contact.get(name) or "") > 3]
    assert len(secrets) > 5
    assert [secret for secret in secrets if secret in told] == []


def test_settings_that_change_are_told(bridge: Bridge) -> None:
    """1.10."""
    messages = account_messages(account())
    assert bridge.run(messages).code == 0
    done = bridge.run(messages, churn_fallback="paid_through")
    assert "Settings differ from the last run's (churn_fallback)" in done.stderr


def test_records_of_one_id_the_last_one_wins(bridge: Bridge) -> None:
    rows = account()
    first = {**rows["contacts"][0], "given_name": "Earlier"}
    messages = schema("contacts") + record("contacts", first) + account_messages(rows)
    assert bridge.run(messages).code == 0
    assert bridge.content()["customers"]["1"]["name"] == "N1"


def test_a_stream_map_that_fails_is_the_users_mistake(bridge: Bridge) -> None:
    done = bridge.run(account_messages(account(2)), stream_maps={"contacts": {"given_name": "int(given_name)"}})
    assert done.code == 2
    assert "setting `stream_maps`: a record of contacts cannot be mapped (ValueError)" in done.stderr


def test_stream_maps_change_records_on_their_way(bridge: Bridge) -> None:
    """The SDK's own feature: slower, since each record goes through Python; the content is what the map makes."""
    messages = account_messages(account(2))
    maps = {"contacts": {"given_name": "record['given_name'] + '!'"}}
    assert bridge.run(messages, stream_maps=maps).code == 0
    assert bridge.content()["customers"]["2"]["name"] == "N2!"
    assert len(bridge.content()["invoices"]) == 4
