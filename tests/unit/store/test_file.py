"""The store's file: whose it is, who may read it, and what leaves it as it was (rules 1.3, 1.6, 1.9)."""

from __future__ import annotations

import os
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.nodes import node
from target_chartmogul.billing.objects import Customer
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.store import file as store_file
from target_chartmogul.store.errors import StoreDamagedError, StoreError, StoreInUseError, store_errors
from target_chartmogul.store.outcomes import Figure, Memory, Note
from target_chartmogul.store.place import StorePlace
from target_chartmogul.store.store import Store
from tests.unit.store.source import CONTACT, ORDER, PRODUCT, SOURCE, put

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def _run(store: Store, version: int) -> None:
    """A whole run; only the version of its whole read differs from run to run."""
    put(store, PRODUCT, 1, version=version)
    put(store, CONTACT, 7, version=version)
    put(store, ORDER, 70, node(CONTACT, 7), node(PRODUCT, 1), version=version)
    for stream in (PRODUCT, CONTACT, ORDER):
        assert store.records.activate(stream, version) == 0
    store.records.input_complete()
    store.meta.told("orders", b'{"replication_key_value":"2026-11-26"}')
    store.meta.add_streams_read(["orders", "contacts"])
    store.meta.put("prefix", "keap-")
    store.commit()
    store.finish_first_read()
    for account in store.accounts.due(NOW):
        customer = Customer(external_id="7", name="N")
        store.holdings.acknowledged(Change(action="create", kind="customer", external_id="7", desired=customer), {})
        store.outcomes.finish(
            account.nodes,
            now=NOW,
            notes=[Note(node(ORDER, 70), "remark", "70", "4.2", b"{}")],
            figures={node(CONTACT, 7): [Figure("2026-11", "USD", "mrr", 5)]},
            memories=[Memory(node(CONTACT, 7), "first seen", "7", b'"2026-11-27"')],
            accepted=account.nodes,
        )
    assert list(store.accounts.due(NOW)) == []


def test_a_run_with_nothing_new_leaves_every_byte_as_it_was(path: Path) -> None:
    before = None
    for version in (1, 2, 3):
        place = StorePlace(str(path), SOURCE)
        store = place.open()
        _run(store, version)
        place.save()
        assert store.changed == (before is None)
        place.close()
        assert before in {None, path.read_bytes()}
        before = path.read_bytes()
    assert sorted(each.name for each in path.parent.iterdir()) == ["store.sqlite", "store.sqlite.lock"]


def test_only_its_owner_may_read_it(path: Path) -> None:
    place = StorePlace(str(path), SOURCE)
    put(place.open(), CONTACT, 7)
    place.save()
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    place.close()
    assert set(modes.values()) == {0o600}
    assert "store.sqlite-wal" in modes


@pytest.mark.parametrize("content", [b"not a store", b"x" * 5000, b"SQLite format 3\x00"])
def test_a_file_that_is_not_a_store_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for options in ({}, {"dry_run": True}, {"read_only": True}):
        with pytest.raises(ConfigurationError, match=r"store_path: .* is not a store of this target"):
            StorePlace(str(path), SOURCE, **options).open()
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == ["store.sqlite"]


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE meta(key, value)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="is not a store"):
        StorePlace(str(path), SOURCE).open()
    assert path.read_bytes() == before


def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder"):
        StorePlace(str(tmp_path), SOURCE).open()
    assert list(tmp_path.iterdir()) == []


def test_a_newer_format_is_left_as_it_is(path: Path) -> None:
    StorePlace(str(path), SOURCE).open().close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=2")
    database.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"newer version of this target \(format 2, this one reads 1\)"):
        StorePlace(str(path), SOURCE).open()
    assert path.read_bytes() == before


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file.sqlite3, "sqlite_version_info", (3, 33, 0))
    with pytest.raises(ConfigurationError, match=r"needs 3\.34"):
        StorePlace(str(path), SOURCE).open()
    assert not path.exists()


def _filled(path: Path) -> None:
    place = StorePlace(str(path), SOURCE)
    store = place.open()
    for number in range(500):
        put(store, ORDER, number, node(CONTACT, number), text="x" * 200)
    place.save()
    place.close()


def test_a_store_that_was_cut_off_is_set_aside_and_a_new_one_begun(path: Path) -> None:
    _filled(path)
    os.truncate(path, path.stat().st_size // 2)
    place = StorePlace(str(path), SOURCE)
    with pytest.raises(StoreDamagedError):
        place.open()
    with pytest.raises(StoreInUseError):
        StorePlace(str(path), SOURCE).open()
    aside = place.set_aside()
    assert aside.startswith("store.sqlite.damaged-")
    assert place.open().records.counts() == {}
    place.close()
    assert (path.parent / aside).exists()


def test_damage_is_found_when_its_page_is_read(path: Path) -> None:
    _filled(path)
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = os.urandom(len(content) - 3 * 4096)
    path.write_bytes(content)
    place = StorePlace(str(path), SOURCE)
    with pytest.raises(StoreDamagedError), store_errors():
        list(place.open().accounts.all())
    place.set_aside()
    assert not path.exists()
    place.close()


def test_a_second_run_waits_for_the_first_and_a_reader_does_not(path: Path) -> None:
    place = StorePlace(str(path), SOURCE)
    store = place.open()
    put(store, CONTACT, 7)
    store.commit()
    put(store, CONTACT, 8)
    store.records.flush()
    with pytest.raises(StoreInUseError, match=r"another run holds the store \(store.sqlite\)"):
        StorePlace(str(path), SOURCE).open()
    reader = StorePlace(str(path), SOURCE, read_only=True)
    assert reader.open().records.counts() == {CONTACT: 1}
    store.commit()
    assert reader.store is not None
    assert reader.store.records.counts() == {CONTACT: 2}
    with pytest.raises(StoreError), store_errors():
        reader.store.meta.put("prefix", "x")
    reader.close()
    place.close()


def test_there_is_nothing_to_read_before_the_first_run(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no store at"):
        StorePlace(str(path), SOURCE, read_only=True).open()
    assert list(path.parent.iterdir()) == []


def test_a_rehearsal_without_a_store_creates_nothing(path: Path) -> None:
    place = StorePlace(str(path.parent / "deep" / "store.sqlite"), SOURCE, dry_run=True)
    _run(place.open(), 1)
    place.save()
    place.close()
    assert list(path.parent.iterdir()) == []


def test_a_rehearsal_sees_what_it_writes_and_leaves_the_store_as_it_was(path: Path) -> None:
    _filled(path)
    before = path.read_bytes()
    place = StorePlace(str(path), SOURCE, dry_run=True)
    store = place.open()
    for number in range(400, 3000):
        put(store, ORDER, number, node(CONTACT, number), text="y" * 2000, version=2)
    assert store.records.activate(ORDER, 2) == 400
    store.finish_first_read()
    place.save(unfinished=True)
    assert store.records.counts() == {ORDER: 2600}
    assert store.accounts.count_due(NOW) == 3000
    place.close()
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["store.sqlite", "store.sqlite.lock"]


def test_what_was_not_committed_is_not_there_after_a_crash(path: Path) -> None:
    _filled(path)
    store = Store(path, SOURCE)
    put(store, CONTACT, 1)
    store.records.flush()
    store._file.database.close()
    again = Store(path, SOURCE)
    assert again.records.counts() == {ORDER: 500}
    again.close()
    store.records.close()


def test_what_chartmogul_acknowledged_lasts_at_once(path: Path) -> None:
    store = Store(path, SOURCE)
    put(store, CONTACT, 7)
    store.records.flush()
    customer = Customer(external_id="7")
    store.holdings.acknowledged(Change(action="create", kind="customer", external_id="7", desired=customer), {})
    store._file.database.close()
    again = Store(path, SOURCE)
    assert again.holdings.counts() == {"customer": 1}
    again.close()
    store.records.close()


def test_a_failed_transaction_leaves_nothing(path: Path) -> None:
    store = Store(path, SOURCE)

    def fail() -> None:
        with store.transaction():
            store.meta.put("a", "1")
            with store.transaction():
                store.meta.put("b", "2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.meta.get("a") is store.meta.get("b") is None
    store.close()
