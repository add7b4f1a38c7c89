"""STATE (rules 1.6, 1.8): what the tap began with, what it read, and what goes out."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from target_chartmogul.singer.state import HEALING, StateKeeper


def bookmarks(**values: Any) -> dict[str, Any]:
    return {
        "bookmarks": {
            stream: {"replication_key": "t", "replication_key_value": each} for stream, each in values.items()
        }
    }


def test_the_last_one_goes_out_as_it_came() -> None:
    keeper = StateKeeper()
    keeper.take(bookmarks(orders="2026-01-01T00:00:00Z"))
    last = {**bookmarks(orders="2026-02-01T00:00:00Z"), "of another program": [1]}
    keeper.take(last)
    output = io.StringIO()
    keeper.emit(output=output)
    assert json.loads(output.getvalue()) == last


def test_none_came() -> None:
    output = io.StringIO()
    StateKeeper().emit(output=output)
    assert output.getvalue() == ""


def test_the_same_one_goes_out_once() -> None:
    keeper, output = StateKeeper(), io.StringIO()
    keeper.take(bookmarks(orders="2026-01-01T00:00:00Z"))
    keeper.emit(output=output)
    keeper.emit(output=output)
    keeper.emit(HEALING, output)
    assert [json.loads(line) for line in output.getvalue().splitlines()] == [
        bookmarks(orders="2026-01-01T00:00:00Z"),
        {"bookmarks": {}},
    ]


@pytest.mark.parametrize(
    ("first", "streams"),
    [
        ({}, []),
        ({"bookmarks": {"orders": {}}}, []),
        ({"bookmarks": {"orders": {"version": 5, "replication_key": "t"}}}, []),
        ({"bookmarks": {"orders": {"replication_key_value": None}}}, []),
        (bookmarks(orders="2026-01-01T00:00:00Z"), ["orders"]),
        ({"bookmarks": {"orders": {"full_read": {"after_id": "9"}}}}, ["orders"]),
        ({"bookmarks": "?"}, []),
        ({"bookmarks": {"orders": "2026-01-01"}}, ["orders"]),
        ({"invoices": "2026-01-01", "currently_syncing": "invoices", "plans": None, "keap_read": None}, ["invoices"]),
        ({"bookmarks": {}, "invoices": "2026-01-01"}, []),
    ],
)
def test_what_a_run_began_with_is_what_spares_reading(first: dict[str, Any], streams: list[str]) -> None:
    keeper = StateKeeper()
    keeper.take(first)
    keeper.saw_record()
    keeper.take(bookmarks(payments="2026-05-01T00:00:00Z"))
    assert list(keeper.began_with()) == streams


def test_a_state_after_the_first_record_is_not_what_it_began_with() -> None:
    keeper = StateKeeper()
    keeper.saw_record()
    keeper.take(bookmarks(orders="2026-05-01T00:00:00Z"))
    assert keeper.began_with() == {}
    assert list(keeper.entries()) == ["orders"]


def test_an_entry_is_the_same_in_whatever_order_its_keys_come() -> None:
    one, other = StateKeeper(), StateKeeper()
    one.take({"bookmarks": {"orders": {"a": 1, "b": {"c": 2, "d": 3}, "gone": None}}})
    other.take({"bookmarks": {"orders": {"b": {"d": 3, "c": 2}, "a": 1}}})
    assert one.entries() == other.entries()


@pytest.mark.parametrize(
    ("marker", "whole"),
    [
        ({"selected": ["orders", "payments"], "complete": ["payments", "orders"]}, True),
        ({"selected": ["orders", "payments"], "complete": ["orders"]}, False),
        ({"selected": [], "complete": []}, False),
        ({"selected": "orders"}, False),
    ],
)
def test_what_a_tap_says_of_its_reading(marker: Any, whole: bool) -> None:
    keeper = StateKeeper()
    keeper.take({"bookmarks": {}, "keap_read": marker})
    assert keeper.tap_read is not None
    assert keeper.tap_read.is_whole is whole


def test_a_tap_that_says_nothing_and_one_that_was_cut_off() -> None:
    silent, cut = StateKeeper(), StateKeeper()
    silent.take({"bookmarks": {}})
    assert (silent.tap_read, silent.has_marker) == (None, False)
    cut.take({"bookmarks": {}, "keap_read": None})
    assert (cut.tap_read, cut.has_marker) == (None, True)


def test_a_versioned_read_that_may_be_resumed() -> None:
    keeper = StateKeeper()
    keeper.take(
        {
            "bookmarks": {
                "orders": {"full_read": {"version": 7, "after_id": "9"}},
                "contacts": {"replication_key_value": "2026-01-01T00:00:00Z"},
                "payments": {"full_read": {"version": None}},
            }
        }
    )
    assert keeper.versions() == {7}
