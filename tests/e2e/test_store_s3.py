"""A store behind `s3://`: uploaded when it changed, locked, left unfinished by a killed run, and unreachable."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.support.s3_store import s3_store
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages, state
from tests.support.singer_rows import club_account

BUCKET = "stores"
KEY = "keap/store.sqlite"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 service on loopback with one bucket, and the environment that leads to it."""
    with s3_store(monkeypatch, BUCKET) as client:
        yield client


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path, store: Any) -> Bridge:
    bridge = Bridge(sandbox, tmp_path)
    bridge.settings["store_path"] = f"s3://{BUCKET}/{KEY}"
    return bridge


def keys(store: Any) -> list[str]:
    """Without what says which run wrote last."""
    found = sorted(each["Key"] for each in store.list_objects_v2(Bucket=BUCKET).get("Contents", ()))
    return [each for each in found if each != f"{KEY}.writer"]


def uploaded(store: Any) -> datetime:
    found: datetime = store.head_object(Bucket=BUCKET, Key=KEY)["LastModified"]
    return found


def put_lock(store: Any, until: datetime) -> None:
    body = json.dumps({"token": "another", "until": until.isoformat()}).encode()
    store.put_object(Bucket=BUCKET, Key=f"{KEY}.lock", Body=body)


def test_it_is_kept_and_used(bridge: Bridge, store: Any) -> None:
    first = bridge.good(account_messages(club_account(5)))
    assert first.state is not None
    assert keys(store) == [KEY], "and the lock is gone"
    bridge.sandbox.clear_requests()
    bridge.good(changed_messages(club_account(5)))
    assert bridge.writes() == 0
    assert len(bridge.sandbox.requests("chartmogul")) <= 5


def test_nothing_new_is_not_uploaded(bridge: Bridge, store: Any) -> None:
    bridge.good(account_messages(club_account(5)))
    old = {"Body": store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read(), "Metadata": {"by": "the test"}}
    store.put_object(Bucket=BUCKET, Key=KEY, **old)
    bridge.good(changed_messages(club_account(5)))
    assert store.head_object(Bucket=BUCKET, Key=KEY)["Metadata"] == {"by": "the test"}
    rows = club_account(5)
    rows["orders"][0]["due_time"] = "2026-02-01T00:00:00Z"
    bridge.good(changed_messages(rows))
    assert store.head_object(Bucket=BUCKET, Key=KEY)["Metadata"] == {}


def test_it_is_packed_and_holds_no_name_in_clear(bridge: Bridge, store: Any) -> None:
    bridge.good(account_messages(club_account(60)))
    body = store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    assert len(body) < 100_000
    assert b"Zenobia" not in body


def test_another_run_holds_it(bridge: Bridge, store: Any) -> None:
    put_lock(store, datetime.now(UTC) + timedelta(minutes=3))
    done = bridge.run(account_messages(club_account(1)))
    assert done.code == 9, done.stderr
    assert "Another run holds the store" in done.last_line
    assert keys(store) == [f"{KEY}.lock"]


def test_the_lock_of_a_killed_run_runs_out(bridge: Bridge, store: Any) -> None:
    put_lock(store, datetime.now(UTC) - timedelta(seconds=1))
    bridge.good(account_messages(club_account(1)))
    assert keys(store) == [KEY]


@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.long), 9])
def test_a_run_that_was_killed_while_it_wrote_is_finished_by_the_next(bridge: Bridge, store: Any, after: int) -> None:
    """Its records and STATE went up before it wrote, with the flag `unfinished`: the next run asks ChartMogul."""
    bridge.good(account_messages(club_account(2)))
    before = bridge.writes()
    bridge.sandbox.faults("chartmogul", latency_ms=60)
    running = bridge.start(account_messages(club_account(12)))
    bridge.wait_for_writes(before + after)
    running.process.kill()
    killed = running.finish()
    assert killed.code == -signal.SIGKILL
    assert killed.state is not None
    bridge.sandbox.faults("chartmogul")
    assert keys(store) == [KEY, f"{KEY}.lock"]
    put_lock(store, datetime.now(UTC) - timedelta(seconds=1))
    told = json.dumps({"type": "STATE", "value": killed.state}) + "\n"
    quiet = {name: club_account(12)[name] for name in ("products", "subscriptions")}
    bridge.good(told + changed_messages(quiet))
    content = bridge.content()
    assert (len(content["customers"]), len(content["invoices"])) == (12, 24)
    bridge.sandbox.clear_requests()
    bridge.good(changed_messages(quiet))
    assert bridge.writes() == 0


def test_who_lost_the_lock_writes_nothing_more_and_uploads_nothing(bridge: Bridge, store: Any) -> None:
    bridge.good(account_messages(club_account(1)))
    bridge.sandbox.faults("chartmogul", latency_ms=300)
    began = bridge.writes()
    running = bridge.start(account_messages(club_account(40)))
    bridge.wait_for_writes(began + 5)
    put_lock(store, datetime.now(UTC) + timedelta(minutes=3))
    before = uploaded(store), store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    done = running.finish(120)
    bridge.sandbox.faults("chartmogul")
    assert done.code == 9, done.stderr
    assert (uploaded(store), store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()) == before
    assert json.loads(store.get_object(Bucket=BUCKET, Key=f"{KEY}.lock")["Body"].read())["token"] == "another"


def test_a_dry_run_uploads_nothing(bridge: Bridge, store: Any) -> None:
    bridge.good(account_messages(club_account(1)), dry_run=True)
    assert keys(store) == []


@pytest.mark.parametrize("bookmark", [False, True])
def test_damage_is_noticed(bridge: Bridge, store: Any, bookmark: bool) -> None:
    messages = account_messages(club_account(3))
    bridge.good(messages)
    body = store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    store.put_object(Bucket=BUCKET, Key=KEY, Body=body[: len(body) // 2])
    bridge.sandbox.clear_requests()
    if bookmark:
        done = bridge.run(state(orders="2026-02-05T10:00:00Z") + changed_messages(club_account(3)))
        assert (done.code, done.stdout) == (10, '{"bookmarks":{}}\n'), done.stderr
    bridge.good(messages)
    assert bridge.writes() == 0
    assert any("damaged" in key for key in keys(store))


def test_an_object_that_is_not_ours_is_left_untouched(bridge: Bridge, store: Any) -> None:
    store.put_object(Bucket=BUCKET, Key=KEY, Body=b"month,amount\n" * 50)
    done = bridge.run(account_messages(club_account(1)))
    assert done.code == 2, done.stderr
    assert store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"month,amount\n" * 50


@pytest.mark.parametrize("address", ["s3://no-such-bucket/store.sqlite", "s3:///store.sqlite", "nowhere://x/y"])
def test_a_place_that_cannot_be_used(bridge: Bridge, address: str) -> None:
    done = bridge.run(account_messages(club_account(1)), store_path=address)
    assert done.code in {2, 4}, done.stderr
    assert "Traceback" not in done.stderr
    assert "store_path" in done.last_line or "store" in done.last_line
    assert bridge.writes() == 0


def test_an_older_copy_that_was_put_back_is_noticed(bridge: Bridge, store: Any) -> None:
    """By the object beside it, though the newer run had only updated an invoice, and Keap is as the copy knows it."""
    rows = club_account(3)
    bridge.good(account_messages(rows))
    older = store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    rows["orders"][0]["due_time"] = "2026-02-01T00:00:00Z"
    bridge.good(account_messages(rows))
    assert bridge.content()["invoices"]["101"]["due_date"] == "2026-02-01T00:00:00Z"
    store.put_object(Bucket=BUCKET, Key=KEY, Body=older)
    bridge.good(account_messages(club_account(3)))
    assert "due_date" not in bridge.content()["invoices"]["101"]
    bridge.sandbox.clear_requests()
    bridge.good(account_messages(club_account(3)))
    assert bridge.writes() == 0
    assert len(bridge.sandbox.requests("chartmogul")) <= 5
