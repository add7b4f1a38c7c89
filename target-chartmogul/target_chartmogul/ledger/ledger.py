"""The ledger: what ChartMogul holds of ours, and the facts that later runs need (rule 1.6). A cache in SQLite.

It is written as each change is acknowledged. Lose it, and it is rebuilt from ChartMogul by external id.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import msgspec

from target_chartmogul.billing.changes import Change, Kind, Refusal
from target_chartmogul.ledger.memory import LedgerMemory
from target_chartmogul.ledger.objects import LedgerObjects, owner_number
from target_chartmogul.sources.keap.customers.contacts import email_fingerprint

_ENCODE: Final = msgspec.json.Encoder().encode


class Ledger(LedgerObjects, LedgerMemory):
    """An open ledger. It is a `changes.Journal`; methods may be called from several threads.

    Args:
        path: SQLite file, created with its tables if it is not there.

    Raises:
        sqlite3.DatabaseError: the file is no ledger of this format, or damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lanes_done: set[int] = set()
        self._lanes_left: set[int] = set()

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object (for events: its integer id as text), None if not known."""
        table = "part" if kind in {"line_item", "transaction"} else "object"
        with self._lock:
            found = self._database.execute(
                f"SELECT uuid FROM {table} WHERE kind = ? AND id = ?",
                (kind, external_id),
            ).fetchone()
        return found[0] if found else None

    def intend(self, change: Change) -> None:
        """A change begins."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?)",
                (change.kind, change.external_id, change.action, change.parent),
            )

    def intents(self) -> list[tuple[Kind, str, str | None]]:
        """Kind, id and parent of changes that began and were never acknowledged: of a run that crashed."""
        with self._lock:
            return self._database.execute("SELECT kind, id, parent FROM intent ORDER BY kind, id").fetchall()

    def clear_intents(self) -> None:
        """All of them were looked up."""
        with self._lock:
            self._database.execute("DELETE FROM intent")

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        """ChartMogul has it: from now on the ledger holds `change.desired`."""
        with self.transaction():
            if change.action == "delete":
                self._drop(change)
            elif change.desired is not None:
                self._take(change, change.desired, uuids)
            self._settle_intent(change)

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it; what it holds is as before, or, without an answer, is to be looked up."""
        if refusal.uncertain:
            return
        with self._lock:
            self._settle_intent(change)

    def email_refused(self, external_id: str, email: str) -> None:
        """ChartMogul does not take this customer's address: remember a fingerprint of it (rule 9.9)."""
        owner = owner_number(external_id) if self.shaped else int(external_id)
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO remembered VALUES ('refused_emails', ?, ?, ?)",
                (external_id, owner, _ENCODE(email_fingerprint(email))),
            )

    def noticed(self, change: Change, what: str) -> None:
        """For the report only."""

    def gone(self, kind: Kind, external_id: str) -> None:
        """ChartMogul does not have it any more."""
        with self._lock:
            self._database.execute("DELETE FROM object WHERE kind = ? AND id = ?", (kind, external_id))
            self._database.execute("DELETE FROM part WHERE kind = ? AND id = ?", (kind, external_id))
            if kind == "invoice":
                self._database.execute("DELETE FROM part WHERE invoice = ?", (external_id,))

    def lane_done(self, lane: int, *, complete: bool) -> None:
        """Every change of a lane was acknowledged, or some were refused or left."""
        with self._lock:
            if not complete:
                self._lanes_left.add(lane)
                self._lanes_done.discard(lane)
            elif lane not in self._lanes_left:
                self._lanes_done.add(lane)

    @property
    def lanes_done(self) -> AbstractSet[int]:
        """Lanes of this run whose every change was acknowledged; no copy, since a first load has one per contact."""
        return self._lanes_done
