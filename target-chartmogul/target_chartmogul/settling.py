"""After apply: which records are dealt with, which are kept for the next run, and where the STATE must stay behind.

With a ledger that lasts, records that wait are kept there and the STATE goes on. Without one, the STATE of their stream
is held at them (rule 1.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from target_chartmogul.inbox import ACCOUNT_STREAMS, STREAM_NUMBER, WHOLE_STREAMS, Inbox, Row
from target_chartmogul.ledger import Ledger
from target_chartmogul.planning import Outcome
from target_chartmogul.state import StateKeeper

_KEPT_STREAMS: Final = tuple(stream for stream in ACCOUNT_STREAMS if stream not in WHOLE_STREAMS)
_BATCH: Final = 500


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
            state: held back where the ledger does not last.
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
            self._keep()
            self._mark_seen()
        else:
            self._hold(state)
        (unfinished,) = self._database.execute("SELECT count(*) FROM unfinished").fetchone()
        return int(unfinished)

    def _rows(self, condition: str) -> Iterator[Row]:
        for stream in _KEPT_STREAMS:
            for number, replication, raw in self._database.execute(
                f"SELECT r.id, r.replication, r.raw FROM {stream} r JOIN member m ON m.place = r.place"
                f" AND m.stream = {STREAM_NUMBER[stream]} JOIN outcome o ON o.grp = m.grp WHERE {condition}"
            ):
                yield Row(stream, number, replication, bytes(raw))

    def _keep(self) -> None:
        """Whole groups, so that what waits finds its order, contact and payments again.

        Records that a group no longer waits for are released.
        """
        waiting = "(o.waits OR o.grp IN (SELECT grp FROM unfinished))"
        planned = (
            (stream, number)
            for stream in _KEPT_STREAMS
            for (number,) in self._database.execute(
                "SELECT m.id FROM member m JOIN outcome o ON o.grp = m.grp WHERE m.stream = ?", (STREAM_NUMBER[stream],)
            ).fetchall()
        )
        kept = set(self._ledger.kept())
        with self._ledger.transaction():
            if kept:
                self._ledger.release(each for each in planned if each in kept)
            self._ledger.keep(self._rows(waiting))

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
        for stream in WHOLE_STREAMS & set(ACCOUNT_STREAMS):
            self._database.execute(
                f"DELETE FROM ledger.seen WHERE stream = {STREAM_NUMBER[stream]}"
                f" AND id NOT IN (SELECT id FROM {stream})"
            )

    def _hold(self, state: StateKeeper) -> None:
        for row in self._rows("o.failed OR o.grp IN (SELECT grp FROM unfinished)"):
            state.hold(row.stream, row.replication)
        for stream in _KEPT_STREAMS:
            for (replication,) in self._database.execute(
                f"SELECT r.replication FROM exempt e JOIN {stream} r ON r.id = e.id"
                " WHERE e.stream = ? AND NOT e.rejected",
                (stream,),
            ):
                state.hold(stream, replication)
