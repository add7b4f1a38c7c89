"""The journal of a run: the store first, then the report."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from target_chartmogul.billing.changes import Change, Kind, Refusal
from target_chartmogul.sources.protocol import Source, StoredMemory
from target_chartmogul.store.outcomes import Memory
from target_chartmogul.store.store import Store


class Listener(Protocol):
    """Hears what becomes of changes, for the report. Methods may be called from several threads."""

    def acknowledged(self, change: Change) -> None:
        """ChartMogul has it."""

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it."""

    def noticed(self, change: Change, what: str) -> None:
        """See `billing.changes.Journal.noticed`."""


class RunJournal:
    """A `billing.changes.Journal`. Methods may be called from several threads.

    Args:
        store: keeps what ChartMogul acknowledged.
        source: whose objects they are.
        listener: the report.
        advance: counts progress.
        check_mine: raises where another run has taken the store's lock: then nothing more is written (rule 1.6).
    """

    def __init__(
        self,
        store: Store,
        source: Source,
        listener: Listener,
        *,
        advance: Callable[[], None],
        check_mine: Callable[[], None],
    ) -> None:
        self._store = store
        self._holdings = store.holdings
        self._source = source
        self._listener = listener
        self._advance = advance
        self._check_mine = check_mine
        self._lock = threading.Lock()
        self._learned: dict[int, list[StoredMemory]] = {}
        self._done: set[int] = set()
        self._left: set[int] = set()
        self.refusals: dict[tuple[Kind, str], Refusal] = {}
        """By kind and external id: what ChartMogul did not take in this run."""
        self.wrote = False
        """ChartMogul took something in this run."""
        self.adopted = 0
        """Objects to create singly that ChartMogul had before this run: another copy of the store has written since."""
        self.loads_in_bulk = False
        """What a bulk import left half done is sent singly, and is there already."""

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object."""
        return self._holdings.uuid(kind, external_id)

    def intend(self, change: Change) -> None:
        """A change begins."""
        self._check_mine()
        self._holdings.intend(change)

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        """ChartMogul has it."""
        self._holdings.acknowledged(change, uuids)
        self._listener.acknowledged(change)
        self.wrote = True
        self._advance()

    def together(self) -> AbstractContextManager[None]:
        """What is told within is kept as one."""
        return self._store.transaction()

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it."""
        self._holdings.refused(change, refusal)
        with self._lock:
            self.refusals[change.kind, change.external_id] = refusal
        self._listener.refused(change, refusal)
        self._advance()

    def email_refused(self, external_id: str, email: str) -> None:
        """ChartMogul does not take a customer's address."""
        memory = self._source.email_refused(external_id, email)
        self._store.outcomes.remember([Memory(*memory)])
        with self._lock:
            self._learned.setdefault(memory.node, []).append(memory)

    def noticed(self, change: Change, what: str) -> None:
        """Something for the report."""
        if what == "adopted" and not self.loads_in_bulk:
            with self._lock:
                self.adopted += 1
        self._listener.noticed(change, what)

    def gone(self, kind: Kind, external_id: str) -> None:
        """ChartMogul does not have it any more."""
        self._holdings.gone(kind, external_id)

    def lane_done(self, lane: int, *, complete: bool) -> None:
        """Every change of a lane was acknowledged, or some were refused or left."""
        with self._lock:
            if not complete:
                self._left.add(lane)
                self._done.discard(lane)
            elif lane not in self._left:
                self._done.add(lane)

    def learned(self, nodes: list[int]) -> list[StoredMemory]:
        """What was learned of an account's customers while it was written."""
        if not self._learned:
            return []
        return [memory for each in nodes for memory in self._learned.get(each, ())]

    def is_done(self, lane: int) -> bool:
        """Whether every change of a lane was acknowledged."""
        return lane in self._done
