"""Bookmarks, read plans and states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_keap.bookmarks import Progress, check_state, plan_read
from tap_keap.errors import ConfigurationError
from tap_keap.instants import format_instant, parse_instant
from tap_keap.stream_specs import CONTACTS, ORDERS, PAYMENTS, PRODUCTS, STREAM_SPECS, TRANSACTIONS, StreamSpec

SPECS = {spec.name: spec for spec in STREAM_SPECS}

NOW = datetime(2026, 3, 1, tzinfo=UTC)
VERSION = 1772323200000


@given(st.lists(st.datetimes(NOW.replace(year=2020, tzinfo=None), NOW.replace(year=2030, tzinfo=None)), min_size=1))
def test_bookmarks_are_instants_whatever_the_spelling(moments: list[datetime]) -> None:
    entry: dict[str, Any] = {}
    progress = Progress(entry)
    spellings = (
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
        lambda moment: (moment + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    )
    texts = [spellings[place % 3](moment) for place, moment in enumerate(moments)]
    for text in texts:
        progress.note({"modification_time": text}, "modification_time")
    assert entry == {}, "nothing is state before it is committed"
    progress.commit()
    assert entry["replication_key_value"] == format_instant(max(map(parse_instant, texts)))


def test_bookmarks_never_go_back_and_not_past_the_limit() -> None:
    entry = {"replication_key": "modification_time", "replication_key_value": "2026-01-05T00:00:00Z"}
    progress = Progress(entry)
    progress.note({"modification_time": "2026-01-04T00:00:00Z"}, "modification_time")
    progress.commit()
    assert entry["replication_key_value"] == "2026-01-05T00:00:00Z"
    progress.note({"modification_time": "2026-01-09T00:00:00Z"}, "modification_time")
    progress.commit(limit=datetime(2026, 1, 7, tzinfo=UTC))
    assert entry["replication_key_value"] == "2026-01-07T00:00:00.000Z"


def plan(spec: StreamSpec, state: dict[str, Any], **options: Any) -> Any:
    settings: dict[str, Any] = {
        "incremental": True,
        "now": NOW,
        "start_date": None,
        "lookback": timedelta(days=90),
        "full_reread": timedelta(days=7),
        "version": VERSION,
    }
    return plan_read(spec, state, **{**settings, **options})


def at(spec: StreamSpec, moment: str, **more: Any) -> dict[str, Any]:
    return {"replication_key": spec.replication_key, "replication_key_value": moment, **more}


def test_without_bookmark_all_is_read() -> None:
    assert (plan(ORDERS, {}).whole, plan(ORDERS, {}).version) == (True, VERSION)
    assert plan(PRODUCTS, {}, incremental=False).version == VERSION


def test_a_start_date_makes_a_whole_read_incomplete() -> None:
    bounded = plan(ORDERS, {}, start_date=datetime(2025, 1, 1, tzinfo=UTC))
    assert (bounded.whole, bounded.version, bounded.since.year) == (True, None, 2025)


def test_from_the_bookmark_to_now() -> None:
    found = plan(CONTACTS, at(CONTACTS, "2026-02-01T00:00:00Z"))
    assert (found.whole, found.until) == (False, NOW)
    assert found.since == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


def test_payments_look_back_and_now_and_then_are_read_whole() -> None:
    soon = plan(PAYMENTS, at(PAYMENTS, "2026-02-20T00:00:00Z", last_full_read="2026-02-27T00:00:00Z"))
    assert (soon.whole, soon.since) == (False, datetime(2026, 2, 20, tzinfo=UTC) - timedelta(days=90))
    due = plan(PAYMENTS, at(PAYMENTS, "2026-02-20T00:00:00Z", last_full_read="2026-02-22T00:00:00Z"))
    assert due.version == VERSION
    never = plan(PAYMENTS, at(PAYMENTS, "2026-02-20T00:00:00Z"), full_reread=timedelta(0))
    assert not never.whole


def running(**more: Any) -> dict[str, Any]:
    return {"full_read": {"after_id": "812", "started": "2026-02-28T00:00:00.000Z", "latest": None, **more}}


@pytest.mark.parametrize("version", [17, None])
def test_an_interrupted_whole_read_continues_with_its_version(version: int | None) -> None:
    """None: its first part was bounded, or left rows out."""
    found = plan(ORDERS, running(version=version))
    assert (found.whole, found.after_id, found.version) == (True, "812", version)
    assert found.started == datetime(2026, 2, 28, tzinfo=UTC), "changes since then are read by the next run"


def test_an_interrupted_read_that_cannot_continue_begins_with_a_version_of_its_own() -> None:
    assert plan(TRANSACTIONS, running(version=17)).version == VERSION
    assert plan(ORDERS, running(version=17), start_date=datetime(2025, 1, 1, tzinfo=UTC)).version is None


def test_progress_of_a_whole_read_ends_as_null() -> None:
    """Meltano may merge states: a key that is left out would stay."""
    entry: dict[str, Any] = {}
    progress, found = Progress(entry), plan(ORDERS, {})
    progress.note_whole_read("5", found, complete=True)
    assert entry["full_read"]["version"] == VERSION
    progress.note_whole_read("6", found, complete=False)
    assert entry["full_read"]["version"] is None
    progress.end_whole_read(NOW, remember=False)
    assert entry == {"full_read": None}


def test_null_is_absent() -> None:
    nothing = {"full_read": None, "last_full_read": None, "replication_key": None, "replication_key_value": None}
    assert plan(PAYMENTS, nothing) == plan(PAYMENTS, {})
    check_state({"bookmarks": {"payments": nothing, "orders": None, "products": {}}}, SPECS)


@pytest.mark.parametrize(
    "entry",
    [
        {"full_read": {"after_id": 5, "started": "2026-02-28T00:00:00Z"}},
        {"full_read": {"after_id": "5", "started": "2026-02-28T00:00:00Z", "version": "17"}},
        {"full_read": "812"},
        {"last_full_read": 5},
        {"orders": [5]},
        {"version": "17"},
    ],
)
def test_a_state_that_cannot_be_read_is_named(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="State of 'payments' cannot be read"):
        check_state({"bookmarks": {"payments": entry}}, SPECS)


def test_a_bookmark_on_another_key_is_none() -> None:
    assert plan(ORDERS, {"replication_key": "order_time", "replication_key_value": "2026-02-20T00:00:00Z"}).whole
