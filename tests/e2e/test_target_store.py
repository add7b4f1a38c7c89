"""The store's file in whole runs (rule 1.6): whose it is, who may read it, and what becomes of a bad one."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import stat
from pathlib import Path

import pytest

from target_chartmogul.billing.nodes import node
from target_chartmogul.sources.keap.stored import CONTACTS
from tests.support.bridge import Bridge
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages, line, state
from tests.support.singer_rows import club_account
from tests.support.target_process import run_fresh


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    return Bridge(sandbox, tmp_path)


def test_a_lost_store_is_filled_by_a_whole_read(bridge: Bridge) -> None:
    """And nothing is written then, since ChartMogul has it all."""
    messages = account_messages(club_account(5))
    bridge.good(messages)
    bridge.store.unlink()
    bridge.sandbox.clear_requests()
    bridge.good(messages)
    assert bridge.writes() == 0
    bridge.sandbox.clear_requests()
    bridge.good(account_messages(club_account(5)))
    assert bridge.writes() == 0
    assert len(bridge.sandbox.requests("chartmogul")) <= 5


def test_a_run_with_nothing_new_leaves_the_file_as_it_was(bridge: Bridge) -> None:
    bridge.good(account_messages(club_account(5)))
    before = bridge.store.read_bytes()
    bridge.good(account_messages(club_account(5)))
    assert bridge.store.read_bytes() == before


def test_it_is_for_its_owner_only(bridge: Bridge) -> None:
    bridge.good(account_messages(club_account(1)))
    for path in bridge.folder.glob("store.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_damaged_one_is_kept_aside(bridge: Bridge, cut: float) -> None:
    """A whole read fills a new one; with a bookmark: see `test_target_state`."""
    messages = account_messages(club_account(30))
    bridge.good(messages)
    content = bridge.store.read_bytes()
    bridge.store.write_bytes(content[: int(len(content) * cut)])
    bridge.sandbox.clear_requests()
    done = bridge.good(messages)
    assert bridge.writes() == 0
    (aside,) = bridge.folder.glob("store.sqlite.damaged-*")
    assert aside.name in done.stderr


def test_rule_1_9_a_rehearsal_leaves_a_damaged_one_as_it_is(bridge: Bridge) -> None:
    messages = account_messages(club_account(3))
    bridge.good(messages)
    content = bridge.store.read_bytes()[:20_000]
    bridge.store.write_bytes(content)
    done = bridge.run(messages, dry_run=True)
    assert (done.code, done.stdout) == (10, ""), done.stderr
    assert "The store is damaged" in done.last_line
    assert bridge.store.read_bytes() == content
    assert not list(bridge.folder.glob("*.damaged-*"))


def test_damage_within_is_found_when_it_is_read(bridge: Bridge) -> None:
    """Pages of records overwritten, the head whole: the run ends, and the next one begins anew."""
    messages = account_messages(club_account(60))
    bridge.good(messages)
    content = bytearray(bridge.store.read_bytes())
    middle = len(content) // 2
    content[8192:middle] = b"\xa5" * (middle - 8192)
    bridge.store.write_bytes(content)
    bridge.sandbox.clear_requests()
    done = bridge.run(messages)
    if done.code != 0:
        assert done.code == 10, done.stderr
        assert done.stdout == '{"bookmarks":{}}\n'
        bridge.good(messages)
    assert bridge.writes() == 0
    assert list(bridge.folder.glob("store.sqlite.damaged-*"))
    assert len(bridge.content()["invoices"]) == 120


@pytest.mark.parametrize("foreign", [b"month,amount\n2026-01,4900\n" * 40, b"short"], ids=["csv", "short"])
def test_a_file_that_is_not_ours_is_left_untouched(bridge: Bridge, foreign: bytes) -> None:
    bridge.store.write_bytes(foreign)
    done = bridge.run(account_messages(club_account(1)))
    assert done.code == 2, done.stderr
    assert "not a store of this target" in done.last_line
    assert bridge.store.read_bytes() == foreign
    assert (done.stdout, bridge.writes()) == ("", 0)


def test_somebody_elses_database_is_left_untouched(bridge: Bridge) -> None:
    with sqlite3.connect(bridge.store) as other:
        other.execute("CREATE TABLE accounts(id)")
    other.close()
    before = bridge.store.read_bytes()
    done = bridge.run(account_messages(club_account(1)))
    assert done.code == 2, done.stderr
    assert bridge.store.read_bytes() == before


def test_a_folder(bridge: Bridge) -> None:
    done = bridge.run(account_messages(club_account(1)), store_path=str(bridge.folder))
    assert done.code == 2, done.stderr
    assert "is a folder" in done.last_line


def test_a_newer_one_is_left_untouched(bridge: Bridge) -> None:
    bridge.good(account_messages(club_account(1)))
    with sqlite3.connect(bridge.store) as store:
        store.execute("PRAGMA user_version=1000")
    store.close()
    before = bridge.store.read_bytes()
    done = bridge.run(account_messages(club_account(2)))
    assert done.code == 2, done.stderr
    assert "newer version" in done.last_line
    assert bridge.store.read_bytes() == before


def test_it_belongs_to_one_prefix(bridge: Bridge) -> None:
    bridge.good(account_messages(club_account(1)))
    done = bridge.run(account_messages(club_account(1)), external_id_prefix="keap-")
    assert done.code == 2, done.stderr
    assert "external_id_prefix" in done.last_line


def test_it_belongs_to_one_kind_of_source(bridge: Bridge) -> None:
    """Keap's records, or ChartMogul's objects."""
    bridge.settings["external_id_prefix"] = "shop-"
    bridge.good(account_messages(club_account(1)))
    customer = {"external_id": "c-1", "name": "One"}
    properties = {"external_id": {"type": "string"}, "name": {"type": "string"}}
    native = line(
        {
            "type": "SCHEMA",
            "stream": "customers",
            "schema": {"type": "object", "properties": properties},
            "key_properties": ["external_id"],
        }
    ) + line({"type": "RECORD", "stream": "customers", "record": customer})
    done = bridge.run(native + state())
    assert done.code == 2, done.stderr
    assert "store_path" in done.last_line


@pytest.mark.long
def test_one_run_at_a_time(bridge: Bridge) -> None:
    bridge.sandbox.faults("chartmogul", latency_ms=2000)
    messages = account_messages(club_account(10))
    first = bridge.start(messages)
    try:
        bridge.wait_for_writes(1)
        second = bridge.run(messages)
        assert second.code == 9
        assert "Another run" in second.last_line
    finally:
        bridge.sandbox.faults("chartmogul")
        first.process.send_signal(signal.SIGTERM)
        first.finish(60)
    bridge.good(messages), "the lock ends with its run"


@pytest.mark.parametrize("kilobytes", [60, *(pytest.param(size, marks=pytest.mark.long) for size in (8, 300))])
def test_a_full_disk(bridge: Bridge, kilobytes: int) -> None:
    """No file may grow beyond so much: SQLite is told the same as by a full disk. No STATE says what is not kept."""
    messages = account_messages(club_account(60))

    def leave_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    done = run_fresh(bridge.folder, bridge.config(), messages, limit=leave_room)
    assert done.code == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert " | ERROR " in done.last_line
    assert "store" in done.last_line or "disk" in done.last_line
    bridge.good(messages)
    content = bridge.content()
    assert len(content["invoices"]) == 120
    bridge.sandbox.clear_requests()
    bridge.good(changed_messages(club_account(60)))
    assert bridge.writes() == 0


def test_another_id_under_the_same_number_is_reported(bridge: Bridge) -> None:
    rows = club_account(2)
    bridge.good(account_messages(rows))
    with contextlib.closing(sqlite3.connect(bridge.store)) as database, database:
        database.execute("UPDATE record SET id_text = 'in_1' WHERE node = ?", (node(CONTACTS, 1),))
    done = bridge.run(account_messages(rows))
    assert done.code == 7, done.stderr
    assert "1 rejected record" in done.last_line


def test_rule_1_3_a_subscription_that_cannot_be_read_writes_nothing_day_after_day(bridge: Bridge) -> None:
    """Its account is decided in every run, since nothing says what it is."""
    rows = club_account(2)
    rows["subscriptions"][0]["contact_id"] = "?"
    settings = {"accepted_rejects": [f"subscriptions:{rows['subscriptions'][0]['id']}"]}
    bridge.good(account_messages(rows), **settings)
    with contextlib.closing(sqlite3.connect(bridge.store)) as database:
        assert ("undecided_subscriptions",) in database.execute("SELECT why FROM mark").fetchall()
    before = bridge.store.read_bytes()
    bridge.clock("2026-03-21T08:00:00Z")
    bridge.good(account_messages(rows), **settings)
    assert bridge.store.read_bytes() == before


def test_a_store_that_older_rules_decided_ends_like_a_fresh_run(bridge: Bridge) -> None:
    """Rule 1.10: a new version's rules decide every account again, though neither records nor settings changed."""
    messages = account_messages(club_account(5))
    bridge.good(messages)
    fresh = bridge.content()
    settings = _meta(bridge.store, "settings")
    bridge.good(messages, invoices_since="2999-01-01", force=True)
    assert bridge.content() != fresh, "this is what the older rules made of the account"
    _meta(bridge.store, "settings", settings)
    bridge.good(messages)
    assert bridge.content() != fresh, "with the rules of now it counts as decided"
    _meta(bridge.store, "rules", "0")
    bridge.good(messages, force=True)
    assert bridge.content() == fresh


def _meta(store: Path, name: str, value: str | None = None) -> str:
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        if value is not None:
            database.execute("UPDATE meta SET value = ? WHERE key = ?", (value, name))
        (found,) = database.execute("SELECT value FROM meta WHERE key = ?", (name,)).fetchone()
    return str(found)
