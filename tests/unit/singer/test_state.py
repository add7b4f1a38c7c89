"""STATE (rules 1.5, 1.9): what may be told of the tap's last one."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from target_chartmogul.singer.state import StateKeeper


def bookmarks(**values: Any) -> dict[str, Any]:
    return {
        "bookmarks": {
            stream: {"replication_key": "t", "replication_key_value": each} for stream, each in values.items()
        }
    }


def held(keeper: StateKeeper, stream: str = "orders") -> str | None:
    value = keeper.value()
    assert value is not None
    found: str | None = value["bookmarks"][stream].get("replication_key_value")
    return found


def test_without_anything_held_it_is_the_last_one() -> None:
    keeper = StateKeeper()
    keeper.take(bookmarks(orders="2026-01-01T00:00:00Z"))
    keeper.take(bookmarks(orders="2026-02-01T00:00:00Z"))
    output = io.StringIO()
    assert keeper.emit(output)
    assert json.loads(output.getvalue()) == bookmarks(orders="2026-02-01T00:00:00Z")


def test_none_came() -> None:
    assert not StateKeeper().emit(io.StringIO())


def test_a_held_record_holds_its_stream_and_no_other() -> None:
    keeper = StateKeeper()
    keeper.saw_record()
    keeper.take(bookmarks(orders="2026-03-01T00:00:00Z", contacts="2026-03-02T00:00:00Z"))
    keeper.hold("orders", "2026-02-01T00:00:00Z")
    keeper.hold("orders", "2026-02-15T00:00:00Z")
    assert held(keeper) == "2026-02-01T00:00:00Z"
    assert held(keeper, "contacts") == "2026-03-02T00:00:00Z"


@pytest.mark.parametrize("value", ["2026-02-01T00:00:00.500+00:00", "2026-02-01T01:00:00.500+01:00"])
def test_instants_are_compared_as_such(value: str) -> None:
    keeper = StateKeeper()
    keeper.saw_record()
    keeper.take(bookmarks(orders="2026-02-01T00:00:00Z"))
    keeper.hold("orders", value)
    assert held(keeper) == "2026-02-01T00:00:00Z", "a later record does not move the bookmark on"


def test_what_came_along_from_below_the_first_bookmark_holds_it_there() -> None:
    keeper = StateKeeper()
    keeper.take(bookmarks(orders="2026-01-01T00:00:00Z"))
    keeper.saw_record()
    keeper.take(bookmarks(orders="2026-03-01T00:00:00Z"))
    keeper.hold("orders", "2020-01-01T00:00:00Z")
    assert held(keeper) == "2026-01-01T00:00:00Z"


def test_a_record_without_replication_value_holds_everything() -> None:
    keeper = StateKeeper()
    keeper.saw_record()
    keeper.take(
        {"bookmarks": {"orders": {"replication_key_value": "2026-03-01T00:00:00Z", "full_read": {"after_id": "9"}}}}
    )
    keeper.hold("orders", None)
    assert keeper.value() == {"bookmarks": {"orders": {}}}


def test_a_whole_read_that_was_interrupted_begins_anew() -> None:
    keeper = StateKeeper()
    keeper.saw_record()
    keeper.take({"bookmarks": {"orders": {"full_read": {"after_id": "9", "started": "2026-01-01T00:00:00Z"}}}})
    keeper.hold("orders", "2025-01-01T00:00:00Z")
    assert keeper.value() == {"bookmarks": {"orders": {}}}


@pytest.mark.parametrize(
    ("first", "incremental"),
    [
        ({}, False),
        ({"bookmarks": {"orders": {}}}, False),
        (bookmarks(orders="2026-01-01T00:00:00Z"), True),
        ({"bookmarks": {"orders": {"full_read": {"after_id": "9"}}}}, True),
        ({"bookmarks": "?"}, False),
    ],
)
def test_a_state_before_the_first_record_marks_an_incremental_run(first: dict[str, Any], incremental: bool) -> None:
    keeper = StateKeeper()
    keeper.take(first)
    keeper.saw_record()
    keeper.take(bookmarks(orders="2026-05-01T00:00:00Z"))
    assert keeper.incremental is incremental


def test_a_state_after_the_first_record_does_not() -> None:
    keeper = StateKeeper()
    keeper.saw_record()
    keeper.take(bookmarks(orders="2026-05-01T00:00:00Z"))
    assert not keeper.incremental
