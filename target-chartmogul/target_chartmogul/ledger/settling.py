"""After apply: which records are dealt with, which are kept for the next run, and where the STATE must stay behind.

With a ledger that lasts, records that wait are kept there and the STATE goes on. Without one, or if a run that ended
early left too many of them, the STATE of their stream is held at them (rule 1.5).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final

from target_chartmogul.ledger.inbox import ACCOUNT_STREAMS, STREAM_NUMBER, WHOLE_STREAMS, Inbox, Row
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.plan.planner import Outcome
from target_chartmogul.singer.state import StateKeeper

_KEPT_STREAMS: Final = tuple(stream for stream in ACCOUNT_STREAMS if stream not in WHOLE_STREAMS)
_BATCH: Final = 500
MOST_UNSENT: Final = 100_000
"""Records, of about a kilobyte each. More are not kept when a run ends early: it has little time to write a ledger of
gigabytes, and to carry that about takes longer than to read Keap again."""

_UNFINISHED: Final = "o.grp IN (SELECT grp FROM unfinished)"

logger = logging.getLogger("target-chartmogul")


def too_many_to_keep(unsent: int) -> bool:
    """Whether a lasting ledger does not keep the records that a run left unsent; then it is told."""
    if unsent > MOST_UNSENT:
        logger.info("%d records were not sent yet: the state stays behind them, and the tap reads them again.", unsent)
    return unsent > MOST_UNSENT


class Settling:
    """Takes the outcome of each planned group and settles all of them at the end.

    Args:
        inbox: with the ledger attached.
        ledger: of the run.
        lasting: the ledger is there in the next run.
    """

    def __init__(self, inbox: Inbox, ledger: Ledger, *, lasting: bool) -> None:
        self._database = inbox.connection
        self._inbox = inbox
        self._ledger = ledger
        self._lasting = lasting
        self._outcomes: list[tuple[int, int | None, bool, bool, bool]] = []
        self._exempt: list[tuple[str, int, int]] = []
        self._database.executescript(
            "CREATE TABLE outcome(grp INTEGER PRIMARY KEY, lane INTEGER, waits INTEGER, again INTEGER,"
            " failed INTEGER);"
            "CREATE TABLE exempt(stream TEXT, id INTEGER, rejected INTEGER, PRIMARY KEY(stream, id, rejected));"
        )

    def take(self, outcome: Outcome) -> None:
        """Remember how a group was planned."""
        waits = bool(outcome.held or outcome.failed)
        self._outcomes.append((outcome.group, outcome.lane, waits, outcome.unsettled, outcome.failed))
        self._exempt += [(*each, 1) for each in outcome.rejected] + [(*each, 0) for each in outcome.held]
        if len(self._outcomes) >= _BATCH:
            self._write()

    def _write(self) -> None:
        self._database.executemany("INSERT INTO outcome VALUES (?, ?, ?, ?, ?)", self._outcomes)
        self._database.executemany("INSERT OR IGNORE INTO exempt VALUES (?, ?, ?)", self._exempt)
        self._outcomes.clear()
        self._exempt.clear()

    def settle(self, lanes_done: Iterable[int], state: StateKeeper) -> int:
        """Settle all groups; how many were left unfinished.

        Args:
            lanes_done: lanes whose every change was acknowledged.
            state: held back where the ledger does not last, or shall not keep that much.
        """
        self._write()
        self._database.execute("CREATE TABLE lane_done(lane INTEGER PRIMARY KEY)")
        self._database.executemany("INSERT INTO lane_done VALUES (?)", ((lane,) for lane in lanes_done))
        self._database.executescript(
            "CREATE TABLE unfinished(grp INTEGER PRIMARY KEY);"
            "INSERT INTO unfinished SELECT grp FROM outcome WHERE lane IS NOT NULL"
            " AND lane NOT IN (SELECT lane FROM lane_done);"
        )
        if self._lasting:
            self._keep(state)
            self._mark_seen()
        else:
            self._hold_back(f"o.failed OR {_UNFINISHED}", state)
            self._hold_waiting(state)
        (unfinished,) = self._database.execute("SELECT count(*) FROM unfinished").fetchone()
        return int(unfinished)

    def _rows(self, condition: str) -> Iterator[Row]:
        for stream, number, replication, raw in self._selected("r.id, r.replication, r.raw", condition):
            yield Row(stream, number, replication, bytes(raw))

    def _selected(self, columns: str, condition: str) -> Iterator[tuple[Any, ...]]:
        """Stream and columns of records; `condition` may name `{stream}` and `{number}`."""
        for stream in _KEPT_STREAMS:
            number = STREAM_NUMBER[stream]
            yield from self._database.execute(
                f"SELECT '{stream}', {columns} FROM {stream} r JOIN member m ON m.place = r.place"
                f" AND m.stream = {number} JOIN outcome o ON o.grp = m.grp"
                f" WHERE {condition.format(stream=stream, number=number)}"
            )

    def _keep(self, state: StateKeeper) -> None:
        """Whole groups, so that what waits finds its order, contact and payments again.

        Records that a group no longer waits for are released.
        """
        kept = set(self._ledger.kept())
        planned = (
            (stream, number)
            for stream in _KEPT_STREAMS
            for (number,) in self._database.execute(
                "SELECT m.id FROM member m JOIN outcome o ON o.grp = m.grp WHERE m.stream = ?", (STREAM_NUMBER[stream],)
            )
        )
        to_keep = f"(o.waits OR {_UNFINISHED})"
        if too_many_to_keep(self._unsent()):
            # What an earlier run kept stays: the bookmarks have long passed it.
            self._database.execute("CREATE TABLE kept_before(stream TEXT, id INTEGER, PRIMARY KEY(stream, id))")
            self._database.executemany("INSERT INTO kept_before VALUES (?, ?)", kept)
            before = "(m.stream, m.id) IN (SELECT {number}, id FROM kept_before WHERE stream = '{stream}')"
            self._hold_back(f"NOT o.waits AND {_UNFINISHED} AND NOT {before}", state)
            to_keep = f"(o.waits OR {_UNFINISHED} AND {before})"
        with self._ledger.transaction():
            if kept:
                self._ledger.release(each for each in planned if each in kept)
            self._ledger.keep(self._rows(to_keep))

    def _unsent(self) -> int:
        """How many records have groups that the run did not come to, or not to the end of."""
        streams = ", ".join(str(STREAM_NUMBER[stream]) for stream in _KEPT_STREAMS)
        (count,) = self._database.execute(
            f"SELECT count(*) FROM member m JOIN outcome o ON o.grp = m.grp"
            f" WHERE m.stream IN ({streams}) AND NOT o.waits AND {_UNFINISHED}"
        ).fetchone()
        return int(count)

    def _mark_seen(self) -> None:
        """Records that are dealt with: until they change or their day comes, their group need not be looked at."""
        settled = (
            "o.again = 0 AND o.grp NOT IN (SELECT grp FROM unfinished)"
            " AND NOT EXISTS (SELECT 1 FROM exempt e WHERE e.stream = '{stream}' AND e.id = m.id AND e.rejected)"
        )
        for stream in ACCOUNT_STREAMS:
            number = STREAM_NUMBER[stream]
            for verb, condition in (
                ("INSERT OR REPLACE INTO ledger.seen SELECT {n}, m.id, m.hash", settled),
                ("DELETE FROM ledger.seen WHERE stream = {n} AND id IN (SELECT m.id", f"NOT ({settled})"),
            ):
                self._database.execute(
                    verb.format(n=number)
                    + " FROM member m JOIN outcome o ON o.grp = m.grp"
                    + f" WHERE m.stream = {number} AND "
                    + condition.format(stream=stream)
                    + (")" if verb.startswith("DELETE") else " ORDER BY m.id")
                )
        # A subscription that vanished (rule 6.7) has no record that would have its group looked at again.
        self._database.execute(
            f"DELETE FROM ledger.seen WHERE stream = {STREAM_NUMBER['subscriptions']}"
            " AND id NOT IN (SELECT id FROM subscriptions)"
            " AND id NOT IN (SELECT id FROM contact_of_subscription WHERE id NOT IN (SELECT id FROM subscriptions)"
            f" AND root(contact) IN (SELECT grp FROM outcome o WHERE o.failed OR {_UNFINISHED}))"
        )

    def _hold_back(self, condition: str, state: StateKeeper) -> None:
        for stream, replication in self._selected("r.replication", condition):
            state.hold(stream, replication)

    def _hold_waiting(self, state: StateKeeper) -> None:
        for stream in _KEPT_STREAMS:
            for (replication,) in self._database.execute(
                f"SELECT r.replication FROM exempt e JOIN {stream} r ON r.id = e.id"
                " WHERE e.stream = ? AND NOT e.rejected",
                (stream,),
            ):
                state.hold(stream, replication)
