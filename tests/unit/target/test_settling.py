"""Records that are not dealt with: kept by a ledger that lasts, else a reason to hold the STATE back (rule 1.5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from target_chartmogul.ledger import settling
from target_chartmogul.ledger.grouping import Groups
from target_chartmogul.ledger.inbox import Inbox, Row
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.ledger.settling import Settling
from target_chartmogul.plan.planner import Outcome
from target_chartmogul.singer.state import StateKeeper

DAYS = {1: "2026-05-01", 2: "2026-05-02", 3: "2026-05-03"}
"""Contact and the day on which it and its one order changed."""
BOOKMARK = "2026-06-01"


class Desk:
    """Three contacts with an order each; lane and contact have the same number."""

    def __init__(self, folder: Path) -> None:
        self.inbox = Inbox(folder / "inbox.sqlite")
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.state = StateKeeper()

    def settle(self, *done: int, waiting: tuple[int, ...] = (), lasting: bool = True) -> int:
        for contact, day in DAYS.items():
            self._put("contacts", day, id=str(contact))
            self._put("orders", day, id=str(10 * contact), contact={"id": str(contact)})
        self.inbox.put_kept(self.ledger.kept_rows())
        self.inbox.attach(self.ledger.path)
        groups = Groups(self.inbox)
        groups.mark_all()
        groups.gather()
        self.state.saw_record()
        bookmarks = {stream: {"replication_key_value": BOOKMARK} for stream in ("contacts", "orders")}
        self.state.take({"bookmarks": bookmarks})
        found = Settling(self.inbox, self.ledger, lasting=lasting)
        for group in groups:
            held = frozenset({("orders", 10 * group)} if group in waiting else ())
            found.take(Outcome(group, group, held=held))
        self.inbox.rest()
        return found.settle(done, self.state)

    def _put(self, stream: str, day: str, **row: object) -> None:
        assert self.inbox.put(stream, row, json.dumps(row).encode(), day) is not None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.inbox.close()
    made.ledger.close()


def test_rule_1_5_what_was_not_sent_is_kept_and_the_state_goes_on(desk: Desk) -> None:
    assert desk.settle(1) == 2
    assert desk.ledger.kept() == [("contacts", 2), ("contacts", 3), ("orders", 20), ("orders", 30)]
    assert desk.state.bookmarks() == {"contacts": BOOKMARK, "orders": BOOKMARK}


def test_rule_1_5_without_a_lasting_ledger_the_state_stays_behind(desk: Desk) -> None:
    assert desk.settle(1, lasting=False) == 2
    assert desk.ledger.kept() == []
    assert desk.state.bookmarks() == {"contacts": DAYS[2], "orders": DAYS[2]}


def test_rule_1_5_too_much_unsent_is_not_kept_but_holds_the_state(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for more than this run is kept all the same: an old bookmark would stay old for ever."""
    monkeypatch.setattr(settling, "MOST_UNSENT", 1)
    assert desk.settle(1, 3, waiting=(3,)) == 1
    assert desk.ledger.kept() == [("contacts", 3), ("orders", 30)]
    assert desk.state.bookmarks() == {"contacts": DAYS[2], "orders": DAYS[2]}


def test_rule_1_5_what_an_earlier_run_kept_stays_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bookmark has long passed it: nothing else would bring it again."""
    monkeypatch.setattr(settling, "MOST_UNSENT", 1)
    earlier = {"id": "40", "contact": {"id": "2"}}
    with desk.ledger.transaction():
        desk.ledger.keep([Row("orders", 40, "2025-01-01", json.dumps(earlier).encode())])
        desk.ledger.keep([Row("orders", 10, "2025-01-01", b'{"id": "10", "contact": {"id": "1"}}')])
    assert desk.settle(1) == 2
    assert desk.ledger.kept() == [("orders", 40)]
    assert desk.state.bookmarks() == {"contacts": DAYS[2], "orders": DAYS[2]}
