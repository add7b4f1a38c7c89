"""What arrives, what is gone by a whole read, and what a STATE may say (rules 1.5, 1.6, 1.8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_chartmogul.billing.nodes import node
from target_chartmogul.store import records as store_records
from target_chartmogul.store.store import Store
from tests.unit.store.source import CONTACT, ORDER, PRODUCT, open_store, payload, put

NOW = datetime(2026, 11, 27, tzinfo=UTC)
A, B = node(CONTACT, 1), node(CONTACT, 2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def test_the_last_version_counts_and_the_first_waits_until_it_is_accepted(store: Store) -> None:
    for text in ("one", "two", "three"):
        put(store, ORDER, 70, A, text=text)
        store.records.flush()
    record = store.records.get(node(ORDER, 70))
    assert record is not None
    assert (record.payload, record.previous) == (payload(A, text="three"), payload(A, text="one"))
    store.outcomes.finish([node(ORDER, 70)], now=NOW)
    assert store.records.get(node(ORDER, 70)) == record
    store.outcomes.finish([node(ORDER, 70)], now=NOW, accepted=[node(ORDER, 70)])
    assert store.records.get(node(ORDER, 70)) == record._replace(previous=None)


def test_of_two_versions_in_one_batch_the_later_counts(store: Store) -> None:
    put(store, ORDER, 70, A, text="one")
    put(store, ORDER, 70, B, text="two")
    record = store.records.get(node(ORDER, 70))
    assert record is not None
    assert (record.payload, record.previous) == (payload(B, text="two"), None)
    assert store.accounts.account(A).nodes == [A]


def test_an_invalid_version_lies_beside_the_last_valid_one(store: Store) -> None:
    put(store, ORDER, 70, A)
    store.records.flush()
    for reason in ("no date", "no date", "no total"):
        store.records.put_invalid(ORDER, 70, b'{"id":70}', "date", reason)
        store.records.flush()
    [record] = store.records.invalid()
    assert (record.payload, record.previous) == (b'{"id":70}', payload(A))
    assert msgspec.json.decode(record.invalid or b"") == {"field": "date", "reason": "no total"}
    assert store.accounts.account(A).records == [record]
    store.outcomes.finish([A, node(ORDER, 70)], now=NOW, accepted=[node(ORDER, 70)])
    assert list(store.records.invalid()) == [record]
    put(store, ORDER, 70, A)
    assert list(store.records.invalid()) == []


def test_of_the_catalogue_the_last_valid_version_counts(store: Store) -> None:
    """No decision accepts it."""
    for text in ("one", "two"):
        put(store, PRODUCT, 9, text=text)
        store.records.flush()
    store.records.put_invalid(PRODUCT, 9, b'{"id":9}', "name", "no name")
    [record] = store.records.catalogue()
    assert record.previous == payload(text="two")
    put(store, PRODUCT, 9, text="three")
    [record] = store.records.catalogue()
    assert (record.payload, record.previous) == (payload(text="three"), None)


def test_an_invalid_version_of_the_same_bytes_may_become_valid(store: Store) -> None:
    store.records.put_invalid(ORDER, 70, payload(A), "date", "no date")
    store.records.flush()
    put(store, ORDER, 70, A)
    assert store.accounts.account(A).nodes == [A, node(ORDER, 70)]


def test_what_a_whole_read_lacked_is_gone_until_it_comes_again(store: Store) -> None:
    for number in (1, 2, 3):
        put(store, ORDER, number, A, version=100)
    assert store.records.activate(ORDER, 100) == 0
    store.commit()
    put(store, ORDER, 2, A, version=100)
    assert store.records.activate(ORDER, 100) == 0  # the same version: an incremental read of a tap that keeps it


def _whole_read(folder: Path, version: int, *numbers: int) -> int:
    store = open_store(folder)
    for number in numbers:
        put(store, ORDER, number, A, version=version)
    gone = store.records.activate(ORDER, version)
    store.commit()
    store.close()
    return gone


@pytest.mark.parametrize("version", [100, 2**70])
def test_a_read_over_several_runs_began_with_its_first_part(tmp_path: Path, version: int) -> None:
    """What came into being after its page had been read is not gone by it (rule 6.7)."""
    later = datetime(2026, 11, 28, tzinfo=UTC)
    _whole_read(tmp_path, 99, 1, 2, 3)
    for number, now in ((1, NOW), (2, later)):
        store = open_store(tmp_path)
        put(store, ORDER, number, A, version=version)
        store.commit([version], now)
        store.close()
    store = open_store(tmp_path)
    put(store, ORDER, 4, A, version=version)
    assert store.records.activate(ORDER, version) == 1
    assert store.records.read_began(ORDER) == NOW
    assert store.records.read_began(CONTACT) is None
    store.close()


def test_gone_by_one_whole_read_and_back_by_the_next(tmp_path: Path) -> None:
    assert _whole_read(tmp_path, 100, 1, 2, 3) == 0
    store = open_store(tmp_path)
    store.finish_first_read()
    store.outcomes.finish([A, *(node(ORDER, each) for each in (1, 2, 3))], now=NOW)
    store.close()
    assert _whole_read(tmp_path, 101, 1, 3, 4) == 1
    store = open_store(tmp_path)
    assert [record.number for record in store.accounts.account(A).records if record.gone] == [2]
    assert store.accounts.count_due(NOW) == 2
    assert store.records.counts() == {ORDER: 3}
    store.close()
    assert _whole_read(tmp_path, 102, 1, 2, 3, 4) == 0
    assert _whole_read(tmp_path, 103) == 4


def test_a_row_without_the_version_makes_a_read_that_deletes_nothing(store: Store) -> None:
    for number in (1, 2, 3):
        put(store, ORDER, number, A)
    store.commit()
    put(store, ORDER, 1, A, version=100)
    put(store, ORDER, 2, A)
    assert store.records.activate(ORDER, 100) == 0


def test_rows_that_cannot_be_read_are_seen(tmp_path: Path) -> None:
    _whole_read(tmp_path, 100, 1, 2, 3)
    store = open_store(tmp_path)
    store.records.put_invalid(ORDER, 1, b"{", "date", "no date", version=101)
    store.records.saw(ORDER, 101, 2)
    assert store.records.activate(ORDER, 101) == 1
    store.close()


def test_a_product_that_is_gone_marks_nothing(store: Store) -> None:
    put(store, PRODUCT, 1)
    put(store, ORDER, 70, A, node(PRODUCT, 1))
    store.records.flush()
    store.finish_first_read()
    store.outcomes.finish([A, node(ORDER, 70)], now=NOW)
    store.records.gone(node(PRODUCT, 1))
    assert store.records.catalogue()[0].gone
    put(store, PRODUCT, 1)
    assert not store.records.catalogue()[0].gone
    assert store.accounts.count_due(NOW) == 0


def test_another_text_under_the_same_number_is_not_taken(store: Store) -> None:
    store.records.put(ORDER, 70, payload(A), [A], id_text="in_1")
    store.records.flush()
    store.records.put(ORDER, 70, payload(B), [B], id_text="in_2")
    store.records.flush()
    assert store.records.collided == [(ORDER, "in_2")]
    record = store.records.get(node(ORDER, 70))
    assert record is not None
    assert record.payload == payload(A)


_CUTS = st.lists(st.lists(st.integers(1, 12), max_size=8), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(1, 12)), _CUTS, st.booleans())
def test_a_read_that_is_resumed_knows_what_the_earlier_runs_saw(before: set[int], runs, told: bool) -> None:
    """Of what no run saw, if each run's STATE said that the read goes on; else of what the last run did not see."""
    with TemporaryDirectory() as folder:
        _whole_read(Path(folder), 100, *before)
        for numbers in runs[:-1]:
            store = open_store(Path(folder))
            for number in numbers:
                put(store, ORDER, number, A, version=101)
            store.commit([101] if told else [])
            store.close()
        gone = _whole_read(Path(folder), 101, *runs[-1])
        arrived = {number for numbers in runs for number in numbers}
        seen = arrived if told else set(runs[-1])
        assert gone == len((before | arrived) - seen)
        store = open_store(Path(folder))
        assert store._file.rows("SELECT count(*) FROM seen") == [(0,)]
        assert store._file.rows("SELECT count(*) FROM read") == [(0,)]
        store.close()


def test_another_version_begins_a_read_anew(tmp_path: Path) -> None:
    _whole_read(tmp_path, 100, 1, 2, 3)
    store = open_store(tmp_path)
    put(store, ORDER, 1, A, version=101)
    store.commit([101])
    store.close()
    assert _whole_read(tmp_path, 102, 2, 3) == 1


def test_a_store_knows_what_was_told_and_what_is_plainly_earlier(store: Store) -> None:
    def plain(value: str) -> bytes:
        return msgspec.json.encode({"replication_key": "last_updated", "replication_key_value": value})

    assert not store.meta.knows("orders", plain("2026-01-01"))
    whole = msgspec.json.encode({"replication_key_value": "2026-11-20", "full_read": {"page": 3}})
    for entry in (plain("2026-11-01T00:00:00Z"), whole, plain("2026-11-25T10:00:00Z")):
        store.meta.told("orders", entry)
    assert store.meta.knows("orders", whole)
    assert store.meta.knows("orders", plain("2026-11-25T12:00:00+02:00"))
    assert store.meta.knows("orders", plain("2025-11-25"))
    assert not store.meta.knows("orders", plain("2026-11-25T10:00:01Z"))
    assert not store.meta.knows("orders", msgspec.json.encode({"replication_key_value": "2026-11-20", "full_read": 4}))
    assert not store.meta.knows("contacts", plain("2025-11-25"))
    assert store.meta.last_told("orders") == plain("2026-11-25T10:00:00Z")


def test_of_a_streams_history_the_last_thousand_entries_are_known(store: Store) -> None:
    for number in range(1100):
        store.meta.told("orders", b'{"page":%d}' % number)
    assert store.meta.knows("orders", b'{"page":100}')
    assert not store.meta.knows("orders", b'{"page":99}')


def test_an_older_copy_does_not_know_what_was_told_later(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.meta.told("orders", b'{"page":1}')
    store.checkpoint()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "store.sqlite").write_bytes((tmp_path / "store.sqlite").read_bytes())
    store.meta.told("orders", b'{"page":2}')
    store.commit()
    older = open_store(copy)
    assert older.meta.knows("orders", b'{"page":1}')
    assert not older.meta.knows("orders", b'{"page":2}')
    older.close()
    store.close()


def test_before_the_first_read_is_done_nothing_is_marked(store: Store) -> None:
    put(store, ORDER, 70, A)
    assert store.accounts.count_due(NOW) == 0
    store.finish_first_read()
    assert store.accounts.count_due(NOW) == 1
    store.outcomes.finish([A, node(ORDER, 70)], now=NOW)
    store.finish_first_read()
    assert store.accounts.count_due(NOW) == 0


def test_batches_of_any_size_end_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for size in (1, 3, 1000):
        monkeypatch.setattr(store_records, "_BATCH", size)
        folder = tmp_path / str(size)
        folder.mkdir()
        store = open_store(folder)
        store.finish_first_read()
        for number in range(50):
            put(store, ORDER, number % 20, node(CONTACT, number % 20 % 7))
        found.append((store.accounts.count_due(NOW), [each.nodes for each in store.accounts.all()]))
        store.close()
    assert found[0] == found[1] == found[2]
