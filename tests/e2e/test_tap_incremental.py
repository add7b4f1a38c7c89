"""State, look-back, resuming and rows that change meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import TapRun, arguments, key_config, parse, run_tap

NOW = "2026-03-01T00:00:00Z"
GROUP = ("contacts", "orders", "payments", "order_payments", "transactions")


def dollars(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency_code": "USD", "formatted_amount": f"${cents / 100:.2f}"}


def order(number: int, contact: str, changed: str = "2025-01-10T10:00:00Z") -> dict[str, Any]:
    return {
        "id": str(number),
        "title": f"Order {number}",
        "status": "PAID",
        "contact": {"id": contact, "email": f"c{contact}@example.com"},
        "total": dollars(4900),
        "total_paid": dollars(4900),
        "creation_time": "2025-01-10T10:00:00Z",
        "order_time": "2025-01-10T10:00:00Z",
        "modification_time": changed,
        "invoice_id": str(number + 70000),
        "order_items": [{"id": str(number + 80000), "name": "Membership", "item_type": "PRODUCT", "quantity": 1}],
    }


def payment(number: int, orders: list[int], contact: str, at: str = "2025-01-10T10:05:00Z") -> dict[str, Any]:
    return {
        "id": str(number),
        "amount": 49.0,
        "status": "APPROVED",
        "type": "Credit Card",
        "contact_id": contact,
        "order_ids": [str(order_id) for order_id in orders],
        "payment_time": at,
        "update_time": at,
    }


def contact(number: str, changed: str = "2025-01-01T00:00:00Z") -> dict[str, Any]:
    return {"id": number, "given_name": "Kim", "create_time": "2025-01-01T00:00:00Z", "update_time": changed}


def account(**streams: list[dict[str, Any]]) -> dict[str, Any]:
    empty: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in ("contacts", "products", "subscriptions", "orders", "payments", "transactions", "order_payments")
    }
    return {**empty, **streams}


@pytest.fixture
def keap(sandbox: Sandbox) -> Sandbox:
    """Three contacts with two old orders each; order 12 and 22 share payment 500."""
    sandbox.no_limits(["keap"])
    sandbox.clock(NOW)
    sandbox.load(
        account(
            contacts=[contact("1"), contact("2"), contact("3")],
            orders=[order(11, "1"), order(12, "1"), order(21, "2"), order(22, "2"), order(31, "3"), order(32, "3")],
            payments=[
                payment(411, [11], "1"),
                payment(421, [21], "2"),
                payment(500, [12, 22], "1"),
                payment(431, [31], "3"),
                payment(432, [32], "3"),
            ],
            order_payments=[
                {"id": "912", "invoice_id": "70012", "payment_id": "500", "amount": 20.0, "pay_status": "APPROVED"},
                {"id": "922", "invoice_id": "70022", "payment_id": "500", "amount": 29.0, "pay_status": "APPROVED"},
            ],
        )
    )
    return sandbox


def sync(keap: Sandbox, directory: Path, state: dict[str, Any] | None = None, **settings: Any) -> TapRun:
    run = run_tap(directory, key_config(keap, **{"now": NOW, **settings}), state=state, streams=GROUP)
    assert run.code == 0, run.stderr
    return run


def test_nothing_new_brings_nothing_old(keap: Sandbox, tmp_path: Path) -> None:
    first = sync(keap, tmp_path)
    assert first.counts == {"contacts": 3, "orders": 6, "payments": 5, "order_payments": 2}
    second = sync(keap, tmp_path, first.state)
    # Rows at the bookmark itself come again: Keap does not say whether its filters include their bound.
    assert set(second.ids("orders")) <= set(first.ids("orders"))
    assert second.state == first.state


def test_each_row_once_a_run(keap: Sandbox, tmp_path: Path) -> None:
    first = sync(keap, tmp_path)
    for number in (11, 12):
        keap.put("orders", order(number, "1", "2026-02-20T08:00:00Z"))
    keap.put("payments", payment(500, [12, 22], "1", "2026-02-25T00:00:00Z"))
    keap.put("contacts", contact("1", "2026-02-21T00:00:00Z"))
    run = sync(keap, tmp_path, quiet(first.state), lookback_days=30)
    for stream in ("contacts", "orders", "payments"):
        assert len(run.ids(stream)) == len(set(run.ids(stream))), stream
    assert run.bookmark("payments")["replication_key_value"] == "2026-02-25T00:00:00.000Z"
    assert run.bookmark("orders")["replication_key_value"] == "2026-02-20T08:00:00.000Z"


def test_order_payments_only_where_a_payment_has_two_orders(keap: Sandbox, tmp_path: Path) -> None:
    keap.clear_requests("keap")
    sync(keap, tmp_path)
    asked = [entry["path"] for entry in keap.requests("keap") if entry["path"].endswith("/payments")]
    assert sorted(path.split("/v2/")[1] for path in asked) == [
        "orders/12/payments",
        "orders/22/payments",
        "sales/payments",
    ]


def test_lookback_and_whole_reread_of_payments(keap: Sandbox, tmp_path: Path) -> None:
    first = sync(keap, tmp_path)
    assert first.bookmark("payments")["last_full_read"] == "2026-03-01T00:00:00.000Z"
    keap.put("payments", payment(600, [], "1", "2026-02-01T00:00:00Z"))
    keap.put("payments", payment(601, [], "1", "2025-12-15T00:00:00Z"))
    state = sync(keap, tmp_path, first.state).state
    keap.put("payments", payment(602, [], "1", "2025-12-20T00:00:00Z"))  # entered later, dated earlier
    keap.put("payments", payment(603, [], "1", "2024-12-20T00:00:00Z"))  # before any look-back
    soon = sync(keap, tmp_path, state, now="2026-03-05T00:00:00Z")
    assert "602" in soon.ids("payments")
    assert "603" not in soon.ids("payments")
    later = sync(keap, tmp_path, soon.state, now="2026-03-08T00:00:00Z")
    assert "603" in later.ids("payments")
    assert later.bookmark("payments")["last_full_read"] == "2026-03-08T00:00:00.000Z"


def test_a_bookmark_that_the_target_lowered_is_taken(keap: Sandbox, tmp_path: Path) -> None:
    keap.put("orders", order(41, "1", "2026-02-01T00:00:00Z"), order(42, "1", "2026-02-10T00:00:00Z"))
    first = sync(keap, tmp_path)
    held = {**first.state, "bookmarks": {**first.state["bookmarks"]}}
    held["bookmarks"]["orders"] = {
        "replication_key": "modification_time",
        "replication_key_value": "2026-01-31T01:00:00+01:00",
    }
    run = sync(keap, tmp_path, held, lookback_days=0)
    assert sorted(run.ids("orders"), key=int)[-2:] == ["41", "42"]
    assert run.bookmark("orders")["replication_key_value"] == "2026-02-10T00:00:00.000Z"


def test_start_date_bounds_what_keap_can_filter(keap: Sandbox, tmp_path: Path) -> None:
    keap.put("orders", order(41, "3", "2026-02-01T00:00:00Z"))
    run = sync(keap, tmp_path, start_date="2026-01-01")
    assert run.ids("orders") == ["41"]
    assert run.ids("contacts") == []
    assert run.bookmark("orders")["replication_key_value"] == "2026-02-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"orders": {"replication_key": "id", "replication_key_value": "5"}}, "bookmark on 'id'"),
        ({"invoices": {}}, "unknown stream 'invoices'"),
        ({"orders": {"partitions": []}}, "unknown entry 'partitions'"),
        ({"orders": {"replication_key": "modification_time", "replication_key_value": "soon"}}, "cannot be read"),
    ],
)
def test_a_state_of_another_version_is_refused(
    keap: Sandbox, tmp_path: Path, entry: dict[str, Any], words: str
) -> None:
    run = run_tap(tmp_path, key_config(keap), state={"bookmarks": entry})
    assert run.code == 2
    assert words in run.last_line
    assert "another version" in run.last_line
    assert not run.messages


def quiet(state: dict[str, Any]) -> dict[str, Any]:
    """The state as after later runs: bookmarks past all old rows, so that only what changes comes."""
    keys = {"contacts": "update_time", "orders": "modification_time", "payments": "payment_time"}
    bookmarks = {
        name: {**state["bookmarks"][name], "replication_key": key, "replication_key_value": "2026-02-01T00:00:00.000Z"}
        for name, key in keys.items()
    }
    return {"bookmarks": {**state["bookmarks"], **bookmarks}}


# -- interruption ------------------------------------------------------------------------------------------------------


def many(sandbox: Sandbox, rows: int = 400) -> None:
    contacts = [contact(str(number)) for number in range(1, 51)]
    orders = [
        order(1000 + number, str(number % 50 + 1), f"2025-0{number % 9 + 1}-1{number % 10}T00:00:0{number % 10}Z")
        for number in range(rows)
    ]
    payments = [payment(5000 + number, [1000 + number], str(number % 50 + 1)) for number in range(rows)]
    sandbox.no_limits(["keap"])
    sandbox.clock(NOW)
    sandbox.load(account(contacts=contacts, orders=orders, payments=payments))


def killed_run(command: list[str], after_states: int, how: signal.Signals) -> TapRun:
    """Start the command, end it after so many STATE lines, and keep what came."""
    lines: list[str] = []
    states = 0
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            states += '"type":"STATE"' in line
            if states == after_states:
                os.kill(process.pid, how)
                states += 1000
        code = process.wait(timeout=30)
        errors.seek(0)
        return TapRun(code, errors.read(), parse("".join(lines)))


@pytest.mark.parametrize(
    ("after_states", "how"),
    [(1, signal.SIGKILL), (4, signal.SIGKILL), (6, signal.SIGTERM), (7, signal.SIGKILL), (9, signal.SIGTERM)],
)
def test_killed_at_any_page_and_resumed_the_union_is_one_run(
    sandbox: Sandbox, tmp_path: Path, after_states: int, how: signal.Signals
) -> None:
    many(sandbox)
    config = key_config(sandbox, now=NOW, page_size=50)
    whole = run_tap(tmp_path, config, streams=GROUP)
    sandbox.faults("keap", latency_ms=20)
    first = killed_run(arguments(tmp_path, config, streams=GROUP), after_states, how)
    assert first.code == (-9 if how is signal.SIGKILL else 143), first.stderr
    acknowledged = up_to_last_state(first)
    sandbox.clear_requests("keap")
    second = run_tap(tmp_path, config, state=acknowledged.state, streams=GROUP)
    assert second.code == 0, second.stderr
    for stream in ("contacts", "orders", "payments"):
        assert set(acknowledged.ids(stream)) | set(second.ids(stream)) == set(whole.ids(stream)), stream
        assert second.bookmark(stream) == whole.bookmark(stream)
    resumed = acknowledged.state["bookmarks"].get("orders", {}).get("full_read")
    if resumed:
        listings = [entry["query"] for entry in sandbox.requests("keap") if entry["path"].endswith("/orders")]
        assert "id>" + resumed["after_id"] in unquote(str(listings[0])), "it went on where it stopped"


def up_to_last_state(run: TapRun) -> TapRun:
    """What a reader keeps of an interrupted run: everything up to the last STATE."""
    last = max((place for place, message in enumerate(run.messages) if message["type"] == "STATE"), default=-1)
    return TapRun(run.code, run.stderr, run.messages[: last + 1])


def test_incremental_reads_resume_in_mid_stream(sandbox: Sandbox, tmp_path: Path) -> None:
    many(sandbox)
    config = key_config(sandbox, now=NOW, page_size=20, start_date="2024-01-01")
    state = {
        "bookmarks": {
            "orders": {"replication_key": "modification_time", "replication_key_value": "2025-01-01T00:00:00Z"}
        }
    }
    sandbox.faults("keap", latency_ms=20)
    first = killed_run(arguments(tmp_path, config, state=state, streams=("orders",)), 8, signal.SIGKILL)
    kept = up_to_last_state(first)
    second = run_tap(tmp_path, config, state=kept.state, streams=("orders",))
    assert set(kept.ids("orders")) | set(second.ids("orders")) == {str(1000 + number) for number in range(400)}
    assert len(second.ids("orders")) < 400


def stamp(seconds: float = 0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def latest(*runs: TapRun) -> dict[str, str]:
    """What a reader holds of each order after these runs."""
    return {row["id"]: row["modification_time"] for run in runs for row in run.rows.get("orders", [])}


def held(sandbox: Sandbox) -> dict[str, str]:
    return {row["id"]: row["modification_time"] for row in sandbox.account()["orders"]}


def test_ten_thousand_rows_that_change_while_they_are_paged(sandbox: Sandbox, tmp_path: Path) -> None:
    many(sandbox, 2000)
    sandbox.clock(None)
    sandbox.faults("keap", latency_ms=20)
    config = key_config(sandbox, page_size=50)
    entry = {"replication_key": "modification_time", "replication_key_value": "2024-12-01T00:00:00Z"}
    state = {"bookmarks": {"orders": entry}}
    changed = 0
    done = threading.Event()

    def mutate() -> None:
        nonlocal changed
        until = time.monotonic() + 40
        while time.monotonic() < until and not (done.is_set() and changed >= 10_000):
            rows = [order(1000 + (changed + step) % 2000, "1", stamp(2)) for step in range(250)]
            sandbox.put("orders", *rows)
            changed += len(rows)

    thread = threading.Thread(target=mutate)
    thread.start()
    first = run_tap(tmp_path, config, state=state, streams=("orders",), timeout=100)
    endless = not thread.is_alive() and changed > 10_250
    done.set()
    thread.join()
    assert first.code == 0, first.stderr
    assert not endless, "the read ended only when the changes did"
    assert changed >= 10_000
    time.sleep(3)
    second = run_tap(tmp_path, config, state=first.state or state, streams=("orders",))
    assert latest(first, second) == held(sandbox)


def test_whole_reads_lose_nothing_to_changes_meanwhile(sandbox: Sandbox, tmp_path: Path) -> None:
    """A row that was read changes, and then one that was not: the bookmark must not step over the first change."""
    many(sandbox, 600)
    sandbox.clock(None)
    sandbox.faults("keap", latency_ms=500)
    sandbox.clear_requests("keap")
    config = key_config(sandbox, page_size=50)

    def asked() -> int:
        return sum(entry["path"].endswith("/orders") for entry in sandbox.requests("keap"))

    def mutate() -> None:
        while asked() < 3:
            time.sleep(0.02)
        sandbox.put("orders", order(1001, "1", stamp()))
        time.sleep(2.5)
        sandbox.put("orders", order(1599, "1", stamp()))

    thread = threading.Thread(target=mutate)
    thread.start()
    first = run_tap(tmp_path, config, streams=("orders",), timeout=60)
    thread.join()
    sandbox.faults("keap")
    assert len(first.ids("orders")) == len(set(first.ids("orders"))) == 600
    assert latest(first)["1599"] == held(sandbox)["1599"], "the second change came before its page"
    assert latest(first)["1001"] != held(sandbox)["1001"], "the first change came after its page"
    second = run_tap(tmp_path, config, state=first.state, streams=("orders",))
    assert latest(first, second) == held(sandbox)
