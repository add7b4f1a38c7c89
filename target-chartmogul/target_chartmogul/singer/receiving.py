"""What an input means for the store: does its state fit, was it whole, and which STATE goes out (rules 1.6, 1.8)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from target_chartmogul.failures import ConfigurationError, ReadAgainError
from target_chartmogul.singer.intake import Intake
from target_chartmogul.singer.state import HEALING, StateKeeper
from target_chartmogul.store.meta import STALE
from target_chartmogul.store.place import StorePlace
from target_chartmogul.store.store import Store

logger = logging.getLogger("target-chartmogul")

_COMPLETE: Final = "complete read "
_FIELDS: Final = "fields of "
_BETWEEN_STATES: Final = 60.0
"""Seconds between two STATE messages while records arrive."""
_BETWEEN_UPLOADS: Final = 600.0
"""The same where the store has to be uploaded first."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an input."""

    whole: bool
    """It was not cut off; without one, the last one was not."""
    came: bool = True
    """There was one."""
    ready: bool
    """Every stream was read to its end once: accounts may be decided."""
    complete_reads: dict[str, datetime]
    """Stream -> when its last complete read began."""


class Receiver:
    """Watches an input from its first record to its end.

    Args:
        place: where the store lies.
        store: open.
        intake: takes the records.
        state: the tap's.
        now: the clock of the run.
        rehearsal: nothing goes out (rule 1.9).
    """

    def __init__(
        self,
        place: StorePlace,
        store: Store,
        intake: Intake,
        state: StateKeeper,
        *,
        now: datetime,
        rehearsal: bool,
    ) -> None:
        self._place = place
        self._store = store
        self._intake = intake
        self._state = state
        self._now = now
        self._rehearsal = rehearsal
        self._silent = rehearsal or not place.lasting
        self._between = _BETWEEN_STATES if place.folder is not None else _BETWEEN_UPLOADS
        self._last = time.monotonic()
        self._checked = False

    def check_state(self) -> None:
        """Before the first record: whether the store holds what the state that came says was read.

        Raises:
            ReadAgainError: it does not; the STATE with which the next run reads everything has gone out.
        """
        if self._checked:
            return
        self._checked = True
        began = self._state.began_with()
        if not began:
            return
        if not self._place.lasting:
            self.heal("the tap resumed from a bookmark, but `store_path` is not set: nothing keeps what it read before")
        unknown = sorted(stream for stream, entry in began.items() if not self._store.meta.knows(stream, entry))
        if unknown:
            self._mark_stale()
            self.heal(
                "the store is new, or older than the state that the tap resumed from "
                f"({', '.join(unknown[:3])}{', …' if len(unknown) > 3 else ''})"
            )

    def heal(self, why: str) -> None:
        """Have the next run read everything.

        Raises:
            ReadAgainError: always.
        """
        if self._rehearsal:
            raise ReadAgainError(f"{why}. Rehearse without a state: the tap then reads everything")
        self._state.emit(HEALING)
        raise ReadAgainError(f"{why}. Nothing was written; run again: the next run reads everything from the beginning")

    def _mark_stale(self) -> None:
        """What the store holds may be older than what ChartMogul has been sent: read both again before deciding."""
        store = self._store
        if self._silent or not any(store.records.counts().values()):
            return
        store.meta.put(STALE, "1")
        store.forget_first_read()
        self._place.save()

    def state_passed(self) -> None:
        """A STATE came while records arrive: pass it on once a minute, when all records before it are kept."""
        self._refuse_start_date()
        if self._silent or not self._checked or time.monotonic() - self._last < self._between:
            return
        self._pass_state()
        self._last = time.monotonic()

    def finish(self) -> Received:
        """The input came to its end: all of it is kept, and its STATE goes out.

        Raises:
            ConfigurationError: the tap left out what was before its `start_date`.
        """
        self.check_state()
        self._refuse_start_date()
        read, store = self._state.tap_read, self._store
        if read is not None and not read.is_whole:
            whole = False
            store.meta.add_streams_read(read.complete)
        elif read is None and self._state.has_marker:
            whole = False
        else:
            whole = True
        ready = store.records.first_read_done
        if not ready and (whole or (read and set(read.selected) <= store.meta.streams_read())):
            store.finish_first_read()
            ready = True
        if whole:
            store.records.input_complete()
        self._read_longer_lists()
        received = Received(whole=whole, ready=ready, complete_reads=self._complete_reads())
        self._pass_state()
        return received

    def without_input(self) -> Received:
        """There is no input: what an earlier one touched before it was cut off goes on waiting (rule 1.8)."""
        records = self._store.records
        return Received(
            whole=not records.awaits_input,
            came=False,
            ready=records.first_read_done,
            complete_reads=self._complete_reads(),
        )

    def _read_longer_lists(self) -> None:
        """A longer allow-list of custom fields: the stream that has them is to be read whole once (rule 1.10)."""
        meta, source = self._store.meta, self._intake.source
        began = self._state.began_with()
        for stream, wanted in source.allow_lists.items() if source else ():
            known = set(msgspec.json.decode(meta.get(_FIELDS + stream) or "[]"))
            if wanted == known:
                continue
            if wanted < known or stream not in began:
                # What is read from now on has them, in later parts of this read too.
                meta.put(_FIELDS + stream, msgspec.json.encode(sorted(wanted)).decode())
                continue
            self._state.forget(stream)
            logger.warning(
                "New custom fields are wanted of `%s`: the next run reads that stream from the beginning.", stream
            )

    def _complete_reads(self) -> dict[str, datetime]:
        """When complete reads began; kept with the store when it changes anyhow, so that a quiet run writes nothing."""
        source = self._intake.source
        known = complete_reads(self._store, source.streams if source else ())
        began = {stream: self._intake.read_began(stream) or self._now for stream in self._intake.activated}
        for stream, moment in began.items():
            if stream not in known or self._store.changed:
                self._store.meta.put(_COMPLETE + stream, moment.isoformat())
        return {**known, **began}

    def _pass_state(self) -> None:
        if self._silent:
            self._store.records.flush()
            return
        for stream, entry in self._state.entries().items():
            self._store.meta.told(stream, entry)
        self._store.commit(self._state.versions(), self._now)
        self._place.save()
        self._state.emit()

    def _refuse_start_date(self) -> None:
        read = self._state.tap_read
        if read is not None and read.start_date is not None:
            raise ConfigurationError(
                "the tap leaves out what was before its `start_date`, so older payments and orders would be missing: "
                "remove it there, and set `invoices_since` of this target to leave out older orders"
            )


def complete_reads(store: Store, streams: Iterable[str]) -> dict[str, datetime]:
    """Stream -> when its last complete read began, as the store knows it."""
    known = {stream: store.meta.get(_COMPLETE + stream) for stream in streams}
    return {stream: datetime.fromisoformat(began) for stream, began in known.items() if began is not None}
