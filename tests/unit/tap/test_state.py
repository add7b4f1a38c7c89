"""Instants, ids, bookmarks and read plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_keap.bookmarks import Bookmarks, plan_read
from tap_keap.id_set import IdSet
from tap_keap.instants import format_instant, parse_instant
from tap_keap.stream_specs import CONTACTS, ORDERS, PAYMENTS, PRODUCTS, StreamSpec

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2024-01-10T08:00:00Z", "2024-01-10T08:00:00.000Z"),
        ("2024-11-20T18:34:12.000+0000", "2024-11-20T18:34:12.000Z"),
        ("2019-03-27T12:36:11.500-04:00", "2019-03-27T16:36:11.500Z"),
        ("2024-01-10", "2024-01-10T00:00:00.000Z"),
        ("2024-01-10T08:00:00.999999Z", "2024-01-10T08:00:00.999Z"),
    ],
)
def test_instants_have_one_spelling(text: str, normal: str) -> None:
    assert format_instant(parse_instant(text)) == normal


@given(st.lists(st.one_of(st.integers(0, 10**12).map(str), st.text(max_size=8))))
def test_an_id_set_is_a_set(ids: list[str]) -> None:
    found, expected = IdSet(), set[str]()
    for identifier in ids:
        assert (identifier in found) == (identifier in expected)
        assert found.add(identifier) == (identifier not in expected)
        expected.add(identifier)
        assert identifier in found


def test_ids_that_look_alike_are_not_one() -> None:
    found = IdSet()
    assert [found.add(identifier) for identifier in ("7", "07", "\u0667", "7.0", "", "7")] == [True] * 5 + [False]


@given(st.lists(st.datetimes(NOW.replace(year=2020, tzinfo=None), NOW.replace(year=2030, tzinfo=None)), min_size=1))
def test_bookmarks_are_instants_whatever_the_spelling(moments: list[datetime]) -> None:
    state: dict[str, Any] = {}
    bookmarks = Bookmarks("orders", state, "tap-keap")
    spellings = (
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
        lambda moment: (moment + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    )
    texts = [spellings[place % 3](moment) for place, moment in enumerate(moments)]
    for text in texts:
        bookmarks.increment_state({"modification_time": text}, replication_key="modification_time")
    assert state == {}, "nothing is state before it is committed"
    bookmarks.commit()
    assert state["bookmarks"]["orders"]["replication_key_value"] == format_instant(max(map(parse_instant, texts)))


def test_bookmarks_never_go_back_and_not_past_the_limit() -> None:
    entry = {"replication_key": "modification_time", "replication_key_value": "2026-01-05T00:00:00Z"}
    state: dict[str, Any] = {"bookmarks": {"orders": entry}}
    bookmarks = Bookmarks("orders", state, "tap-keap")
    bookmarks.increment_state({"modification_time": "2026-01-04T00:00:00Z"}, replication_key="modification_time")
    bookmarks.commit()
    assert entry["replication_key_value"] == "2026-01-05T00:00:00Z"
    bookmarks.increment_state({"modification_time": "2026-01-09T00:00:00Z"}, replication_key="modification_time")
    bookmarks.commit(limit=datetime(2026, 1, 7, tzinfo=UTC))
    assert entry["replication_key_value"] == "2026-01-07T00:00:00.000Z"


def plan(spec: StreamSpec, state: dict[str, Any], **options: Any) -> Any:
    settings: dict[str, Any] = {
        "incremental": True,
        "now": NOW,
        "start_date": None,
        "lookback": timedelta(days=90),
        "full_reread": timedelta(days=7),
    }
    return plan_read(spec, state, **{**settings, **options})


def at(spec: StreamSpec, moment: str, **more: Any) -> dict[str, Any]:
    return {"replication_key": spec.replication_key, "replication_key_value": moment, **more}


def test_without_bookmark_all_is_read() -> None:
    assert (plan(ORDERS, {}).whole, plan(ORDERS, {}).complete) == (True, True)
    assert plan(PRODUCTS, {}, incremental=False).complete


def test_a_start_date_makes_a_whole_read_incomplete() -> None:
    bounded = plan(ORDERS, {}, start_date=datetime(2025, 1, 1, tzinfo=UTC))
    assert (bounded.whole, bounded.complete, bounded.since.year) == (True, False, 2025)


def test_from_the_bookmark_to_now() -> None:
    found = plan(CONTACTS, at(CONTACTS, "2026-02-01T00:00:00Z"))
    assert (found.whole, found.until) == (False, NOW)
    assert found.since == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


def test_payments_look_back_and_now_and_then_are_read_whole() -> None:
    soon = plan(PAYMENTS, at(PAYMENTS, "2026-02-20T00:00:00Z", last_full_read="2026-02-27T00:00:00Z"))
    assert (soon.whole, soon.since) == (False, datetime(2026, 2, 20, tzinfo=UTC) - timedelta(days=90))
    due = plan(PAYMENTS, at(PAYMENTS, "2026-02-20T00:00:00Z", last_full_read="2026-02-22T00:00:00Z"))
    assert due.complete
    never = plan(PAYMENTS, at(PAYMENTS, "2026-02-20T00:00:00Z"), full_reread=timedelta(0))
    assert not never.whole


def test_an_interrupted_whole_read_goes_on_and_is_not_complete() -> None:
    running = {"full_read": {"after_id": "812", "started": "2026-02-28T00:00:00.000Z"}}
    found = plan(ORDERS, running)
    assert (found.whole, found.after_id, found.complete) == (True, "812", False)
    assert found.started == datetime(2026, 2, 28, tzinfo=UTC), "changes since then are read by the next run"


def test_a_bookmark_on_another_key_is_none() -> None:
    assert plan(ORDERS, {"replication_key": "order_time", "replication_key_value": "2026-02-20T00:00:00Z"}).whole
