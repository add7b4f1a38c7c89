"""A ledger behind `s3://`: kept, locked, lost with a run that was killed, and unreachable."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_target_runs import NOW, Bridge, account
from tests.support.s3_store import s3_store
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages

BUCKET = "ledgers"
KEY = "keap/store.sqlite"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 service on loopback with one bucket, and the environment that leads to it."""
    with s3_store(monkeypatch, BUCKET) as client:
        yield client


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path, store: Any) -> Bridge:
    sandbox.no_limits()
    sandbox.clock(NOW)
    bridge = Bridge(sandbox, tmp_path)
    bridge.settings["store_path"] = f"s3://{BUCKET}/{KEY}"
    return bridge


def keys(store: Any) -> list[str]:
    return sorted(each["Key"] for each in store.list_objects_v2(Bucket=BUCKET).get("Contents", ()))


def put_lock(store: Any, until: datetime) -> None:
    body = json.dumps({"token": "another", "until": until.isoformat()}).encode()
    store.put_object(Bucket=BUCKET, Key=f"{KEY}.lock", Body=body)


def test_it_is_kept_and_used(bridge: Bridge, store: Any) -> None:
    messages = account_messages(account(5))
    assert bridge.run(messages).code == 0
    assert keys(store) == [KEY], "and the lock is gone"
    bridge.sandbox.clear_requests()
    again = bridge.run(messages)
    assert (again.code, bridge.writes()) == (0, 0), again.stderr
    assert len(bridge.sandbox.requests("chartmogul")) <= 5


def test_another_run_holds_it(bridge: Bridge, store: Any) -> None:
    put_lock(store, datetime.now(UTC) + timedelta(minutes=3))
    done = bridge.run(account_messages(account()))
    assert done.code == 9, done.stderr
    assert "another run holds the ledger" in done.last_line
    assert keys(store) == [f"{KEY}.lock"]


def test_the_lock_of_a_killed_run_runs_out(bridge: Bridge, store: Any) -> None:
    put_lock(store, datetime.now(UTC) - timedelta(seconds=1))
    assert bridge.run(account_messages(account())).code == 0
    assert keys(store) == [KEY]


def test_a_killed_run_leaves_a_ledger_that_nobody_believes(bridge: Bridge, store: Any) -> None:
    """Rule 1.6: what it wrote is in no ledger, so the next run asks ChartMogul."""
    assert bridge.run(account_messages(account(2))).code == 0
    bridge.sandbox.faults("chartmogul", latency_ms=60)
    running = bridge.start(account_messages(account(12)))
    bridge.wait_for_writes(bridge.writes() + 9)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    bridge.sandbox.faults("chartmogul")
    assert keys(store) == [KEY, f"{KEY}.lock"]
    put_lock(store, datetime.now(UTC) - timedelta(seconds=1))
    done = bridge.run(account_messages(account(12)))
    assert done.code == 0, done.stderr
    assert "rebuilt" in done.stderr
    assert len(bridge.content()["invoices"]) == 24


def test_a_dry_run_uploads_nothing(bridge: Bridge, store: Any) -> None:
    assert bridge.run(account_messages(account()), dry_run=True).code == 0
    assert keys(store) == []


def test_damage_is_noticed(bridge: Bridge, store: Any) -> None:
    messages = account_messages(account(3))
    assert bridge.run(messages).code == 0
    store.put_object(Bucket=BUCKET, Key=KEY, Body=b"no database at all" * 500)
    bridge.sandbox.clear_requests()
    assert bridge.run(messages).code == 0
    assert bridge.writes() == 0


def test_no_such_bucket(bridge: Bridge) -> None:
    done = bridge.run(account_messages(account()), store_path="s3://elsewhere/store.sqlite")
    assert done.code == 4, done.stderr
    assert "ledger's store" in done.last_line
    assert "Traceback" not in done.stderr
    assert bridge.writes() == 0
