"""What a stream does with its rows: once a run, again if they changed meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tap_keap.instants import parse_instant
from tap_keap.rows import Page
from tap_keap.streams import KeapStream
from tap_keap.tap import TapKeap

NOW = "2026-03-01T10:03:00Z"
OLD = "2026-02-28T00:00:00Z"
LATER, LATEST = "2026-03-01T10:01:00Z", "2026-03-01T10:02:00Z"
CHANGE_TIMES = {"contacts": "update_time", "orders": "modification_time", "payments": "update_time"}


@pytest.fixture(params=CHANGE_TIMES)
def stream(request: pytest.FixtureRequest) -> KeapStream:
    tap = TapKeap(config={"api_key": "KeapAK-x", "now": NOW})
    found: KeapStream = tap.streams[request.param]
    return found


def listed(stream: KeapStream, *changed: str | None) -> list[Any]:
    """The moments of which a row is written, which is listed as it was at some moments."""
    name = CHANGE_TIMES[stream.name]
    page = Page([{"id": "8", name: moment} for moment in changed], None, [])
    return [row[name] for row in stream.complete_rows(page)]


def test_a_row_that_changed_after_it_was_listed(stream: KeapStream) -> None:
    """This machine's clock is ahead of Keap's, so the listing does not end before it."""
    assert listed(stream, OLD, LATER, LATEST) == [OLD, LATER, LATEST]


def test_a_row_that_did_not_change_is_written_once(stream: KeapStream) -> None:
    assert listed(stream, OLD, OLD) == [OLD]
    assert listed(stream, None) == []


@pytest.mark.parametrize(("name", "reached"), [("contacts", LATER), ("companies", "2026-03-01T09:58:00.000Z")])
def test_the_bookmark_after_a_listing_that_is_not_by_time(name: str, reached: str) -> None:
    """A row may have changed behind the page that was read, by a clock that is up to five minutes behind ours."""
    bookmark = {"replication_key": "update_time", "replication_key_value": OLD}
    tap = TapKeap(config={"api_key": "KeapAK-x", "now": NOW}, state={"bookmarks": {name: bookmark}})
    stream: KeapStream = tap.streams[name]
    stream.state_manager.progress.note({"update_time": LATER}, "update_time")
    stream.end()
    assert parse_instant(tap.state["bookmarks"][name]["replication_key_value"]) == parse_instant(reached)
