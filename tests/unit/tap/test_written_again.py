"""A row is written once a run, and again only if it changed since."""

from __future__ import annotations

from typing import Any

import pytest

from tap_keap.instants import parse_instant
from tap_keap.rows import Page
from tap_keap.streams import KeapStream
from tap_keap.tap import TapKeap

NOW = "2026-03-01T10:03:00Z"
OLD = "2026-02-28T00:00:00Z"
BEFORE, LATER, LATEST = (f"2026-03-01T10:{minute}:00Z" for minute in ("00", "01", "02"))
CHANGE_TIMES = {"contacts": "update_time", "orders": "modification_time", "payments": "update_time"}


@pytest.fixture(params=CHANGE_TIMES)
def stream(request: pytest.FixtureRequest) -> KeapStream:
    tap = TapKeap(config={"api_key": "KeapAK-x", "now": NOW})
    found: KeapStream = tap.streams[request.param]
    return found


def page(stream: KeapStream, *changed: str | None) -> Page:
    """A page with one row, as it was at some moments."""
    return Page([{"id": "8", CHANGE_TIMES[stream.name]: moment} for moment in changed], None, [])


def listed(stream: KeapStream, *changed: str | None) -> list[Any]:
    """The moments of which the row is written."""
    return [row[CHANGE_TIMES[stream.name]] for row in stream.complete_rows(page(stream, *changed))]


def test_a_row_that_changed_after_it_was_looked_up(stream: KeapStream) -> None:
    assert stream.write_related(page(stream, LATER)) == 1
    assert listed(stream, BEFORE, LATER, LATEST, LATEST) == [LATEST]


def test_a_row_that_changed_after_it_was_listed(stream: KeapStream) -> None:
    """This machine's clock is ahead of Keap's, so the listing does not end before it."""
    assert listed(stream, OLD, LATER, LATER, LATEST) == [OLD, LATER, LATEST]


def test_a_row_that_did_not_change_is_written_once(stream: KeapStream) -> None:
    assert listed(stream, OLD, OLD) == [OLD]
    assert listed(stream, None) == []
    assert stream.write_related(page(stream, OLD)) == 0


def test_the_payments_of_an_order_are_asked_for_again_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1.8: an order that was paid meanwhile, by a payment that is dated before any look-back."""
    bookmark = {"replication_key": "payment_time", "replication_key_value": BEFORE, "last_full_read": BEFORE}
    tap = TapKeap(config={"api_key": "KeapAK-x", "now": NOW}, state={"bookmarks": {"payments": bookmark}})
    orders, related = tap.streams["orders"], tap.related
    asked: list[str] = []
    monkeypatch.setattr(related, "_look_up", lambda name, ids, _: asked.extend(ids if name == "payments" else ()))
    for moment, times in ((OLD, 1), (OLD, 1), (LATER, 2)):
        listed(orders, moment)
        related.close()
        assert asked == ["8"] * times


@pytest.mark.parametrize(("name", "reached"), [("contacts", LATER), ("companies", "2026-03-01T09:58:00.000Z")])
def test_the_bookmark_after_a_listing_that_is_not_by_time(name: str, reached: str) -> None:
    """A row may have changed behind the page that was read, by a clock that is up to five minutes behind ours."""
    bookmark = {"replication_key": "update_time", "replication_key_value": OLD, "last_full_read": OLD}
    tap = TapKeap(config={"api_key": "KeapAK-x", "now": NOW}, state={"bookmarks": {name: bookmark}})
    stream: KeapStream = tap.streams[name]
    stream.state_manager.increment_state({"update_time": LATER}, replication_key="update_time")
    stream.end(activating=False)
    assert parse_instant(tap.state["bookmarks"][name]["replication_key_value"]) == parse_instant(reached)
