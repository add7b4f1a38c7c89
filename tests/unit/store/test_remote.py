"""A store behind a URL: fetched, put back as it changed, and held by one run at a time (rule 1.6)."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import fsspec
import msgspec
import pytest

from target_chartmogul.failures import ConfigurationError
from target_chartmogul.store import remote as store_remote
from target_chartmogul.store.errors import LockLostError, StoreDamagedError, StoreError, StoreInUseError
from target_chartmogul.store.place import StorePlace
from tests.unit.store.source import CONTACT, SOURCE, put

URL = "memory://bucket/store.gz"
PATH, LOCK = "/bucket/store.gz", "/bucket/store.gz.lock"


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    monkeypatch.setattr(store_remote, "SETTLE_SECONDS", 0)
    found = fsspec.filesystem("memory")
    yield found
    found.store.clear()
    found.pseudo_dirs[:] = [""]


def _place(**options: bool) -> StorePlace:
    return StorePlace(URL, SOURCE, **options)


def _count(**options: bool) -> dict[int, int]:
    place = _place(**options)
    found = place.open().records.counts()
    place.close()
    return found


def _filled(number: int = 7) -> None:
    place = _place()
    put(place.open(), CONTACT, number)
    place.save()
    place.close()


def test_it_is_there_for_the_next_run_compressed_and_unlocked(files) -> None:
    _filled()
    assert gzip.decompress(files.cat_file(PATH)).startswith(b"SQLite format 3\x00")
    assert files.find("/bucket") == [PATH]
    assert _count() == {CONTACT: 1}


def test_what_did_not_change_is_not_uploaded(files, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled()
    uploads = []
    put_file = type(files).put_file
    monkeypatch.setattr(type(files), "put_file", lambda *args, **more: uploads.append(1) or put_file(*args, **more))
    place = _place()
    store = place.open()
    put(store, CONTACT, 7)
    place.save()
    place.save(unfinished=False)
    assert uploads == []
    put(store, CONTACT, 8)
    place.save(unfinished=True)
    place.save(unfinished=True)
    assert uploads == [1]
    place.save(unfinished=False)
    assert uploads == [1, 1]
    place.close()


def test_a_run_that_broke_off_is_known_until_one_comes_to_its_end(files) -> None:
    place = _place()
    put(place.open(), CONTACT, 7)
    place.save(unfinished=True)
    files.rm_file(LOCK)  # the run was killed
    again = _place()
    store = again.open()
    assert store.unfinished
    again.save()  # before a STATE goes out: the run is not at its end
    assert store.unfinished
    again.save(unfinished=False)
    again.close()
    reader = _place(read_only=True)
    assert not reader.open().unfinished
    reader.close()
    place.close()


def test_what_was_not_saved_is_not_there(files) -> None:
    _filled()
    place = _place()
    put(place.open(), CONTACT, 8)
    place.close()
    assert _count() == {CONTACT: 1}


def test_a_rehearsal_and_a_reader_leave_no_trace_and_need_no_lock(files) -> None:
    _filled()
    before = dict(files.store)
    running = _place()
    running.open()
    place = _place(dry_run=True)
    put(place.open(), CONTACT, 8)
    place.save(unfinished=True)
    place.close()
    assert _count(read_only=True) == {CONTACT: 1}
    running.close()
    assert files.store == before


def test_nothing_to_read_yet() -> None:
    with pytest.raises(ConfigurationError, match="there is no store yet"):
        _place(read_only=True).open()


def test_one_run_at_a_time(files) -> None:
    place = _place()
    place.open()
    with pytest.raises(StoreInUseError, match="its lock ends at"):
        _place().open()
    place.close()
    _filled()


def _lock(token: str, until: datetime) -> bytes:
    return msgspec.json.encode({"token": token, "until": until})


def test_a_lock_that_ended_is_taken_over(files) -> None:
    files.pipe_file(LOCK, _lock("killed", datetime.now(UTC) - timedelta(seconds=1)))
    place = _place()
    place.open()
    assert place.still_mine()
    place.close()
    assert not files.exists(LOCK)


def test_of_two_that_take_over_the_same_lock_the_later_has_it(files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.pipe_file(LOCK, _lock("killed", datetime.now(UTC) - timedelta(seconds=1)))
    other = _lock("other", datetime.now(UTC) + timedelta(seconds=99))
    monkeypatch.setattr(store_remote.time, "sleep", lambda _: files.pipe_file(LOCK, other))
    with pytest.raises(StoreInUseError, match="just taken"):
        _place().open()
    assert files.cat_file(LOCK) == other


def test_who_lost_the_lock_uploads_nothing_and_does_not_unlock(files, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled()
    before = files.cat_file(PATH)
    place = _place()
    put(place.open(), CONTACT, 8)
    other = _lock("other", datetime.now(UTC) + timedelta(seconds=99))
    files.pipe_file(LOCK, other)
    with pytest.raises(LockLostError):
        place.save()
    assert not place.still_mine()
    with pytest.raises(LockLostError):
        place.check_mine()
    place.close()
    assert files.cat_file(PATH) == before
    assert files.cat_file(LOCK) == other


def test_a_renewal_notices_that_the_lock_is_anothers(files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_remote, "RENEW_SECONDS", 0.01)
    place = _place()
    place.open()
    assert place._remote is not None
    files.pipe_file(LOCK, _lock("other", datetime.now(UTC) + timedelta(seconds=99)))
    place._remote._renewing.join(timeout=10)
    assert not place.still_mine()
    place.close()


def test_a_lock_that_was_not_renewed_in_time_is_not_ours_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_remote, "LOCK_SECONDS", -1)
    place = _place()
    place.open()
    assert not place.still_mine()
    place.close()


def test_something_else_is_left_as_it_is(files) -> None:
    for content in (b"a report", gzip.compress(b"x" * 5000)):
        files.pipe_file(PATH, content)
        with pytest.raises(ConfigurationError, match=r"store_path: .* is not a store of this target"):
            _place().open()
        assert files.store.keys() == {PATH}
        assert files.cat_file(PATH) == content


def test_one_that_was_cut_off_is_set_aside(files) -> None:
    _filled()
    files.pipe_file(PATH, files.cat_file(PATH)[:-200])
    place = _place()
    with pytest.raises(StoreDamagedError):
        place.open()
    aside = place.set_aside()
    assert place.open().records.counts() == {}
    put(place.store, CONTACT, 9)
    place.save()
    place.close()
    assert sorted(files.find("/bucket")) == [PATH, f"/bucket/{aside}"]


def test_a_service_that_fails_is_named_without_its_answer(files, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError("secret.example")

    _filled()
    monkeypatch.setattr(type(files), "get_file", fail)
    with pytest.raises(StoreError, match=r"could not be read \(PermissionError\)") as caught:
        _place().open()
    assert "secret" not in str(caught.value)
    assert files.store.keys() == {PATH}


def test_an_unknown_scheme_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="store_path"):
        StorePlace("nowhere://bucket/store", SOURCE)
