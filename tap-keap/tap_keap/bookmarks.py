"""How a stream is read in a run: from its state, the settings and the clock.

Keys of a stream's state that end (such as the progress of a whole read) are written as null, because Meltano may merge
states; null is read as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tap_keap.errors import ConfigurationError
from tap_keap.instants import format_instant, parse_instant
from tap_keap.stream_specs import StreamSpec

CLOCK_MARGIN = timedelta(minutes=5)
"""How far this machine's clock may be ahead of Keap's without losing a change."""

OVERLAP = timedelta(seconds=1)
"""Read again before the bookmark: Keap does not say whether its time filters include their bound."""

STATE_KEYS = frozenset(
    {"replication_key", "replication_key_value", "last_full_read", "full_read", "offered", "orders", "version"}
)
"""`offered`: the account has offered this billing stream. `orders`, `version`: of `order_payments`, see there."""


@dataclass(frozen=True)
class ReadPlan:
    """How a stream is read in this run.

    Attributes:
        whole: All rows, in a stable order; otherwise only those since a time.
        since: Lower bound for the time filter; None for none.
        until: Upper bound, so that rows which change meanwhile leave the listing instead of prolonging it.
        after_id: Continue an interrupted whole read after this id.
        started: When the (first part of the) read began.
        version: Names a read that brings every row that Keap has, through all its parts; None for any other read.
    """

    whole: bool
    since: datetime | None
    until: datetime | None
    after_id: str | None
    started: datetime
    version: int | None


def stream_entry(tap_state: Any, stream: str) -> dict[str, Any]:
    """The writable state of a stream, empty where there is none."""
    entry: dict[str, Any] = tap_state.setdefault("bookmarks", {}).setdefault(stream, {})
    return entry


def bookmark_of(state: Mapping[str, Any], replication_key: str | None) -> datetime | None:
    """The bookmark in a stream's state, if it is for this replication key."""
    value = state.get("replication_key_value")
    if value is None or replication_key is None or state.get("replication_key") != replication_key:
        return None
    return parse_instant(value)


def plan_read(
    spec: StreamSpec,
    state: Mapping[str, Any],
    *,
    incremental: bool,
    now: datetime,
    start_date: datetime | None,
    lookback: timedelta,
    full_reread: timedelta,
    version: int,
) -> ReadPlan:
    """Decide how to read a stream from its state, the settings and the clock.

    Args:
        spec: The stream.
        state: Its state, as the last run (or the target) left it.
        incremental: The catalog asks for INCREMENTAL.
        now: When the run began.
        start_date: Setting.
        lookback: Setting, for streams whose time filter is not documented.
        full_reread: Setting; zero for never.
        version: Of a whole read that begins now.
    """
    bookmark = bookmark_of(state, spec.replication_key) if incremental and spec.since else None
    running = state.get("full_read") if incremental else None
    bounded = incremental and spec.since is not None and start_date is not None
    last_whole = parse_instant(state["last_full_read"]) if state.get("last_full_read") else None
    due = spec.full_reread and bool(full_reread) and (last_whole is None or now - last_whole >= full_reread)
    if bookmark is None or due or running:
        resumed = running if running and spec.id_filter else None
        version_of_read = resumed.get("version") if resumed else version
        return ReadPlan(
            whole=True,
            since=start_date if bounded else None,
            until=None,
            after_id=resumed["after_id"] if resumed else None,
            started=parse_instant(resumed["started"]) if resumed else now,
            version=None if bounded else version_of_read,
        )
    since = bookmark - (lookback if spec.lookback else OVERLAP)
    if start_date is not None:
        since = max(since, start_date)
    until = now if spec.until else None
    return ReadPlan(whole=False, since=since, until=until, after_id=None, started=now, version=None)


def whole_plan(plan: ReadPlan, version: int) -> ReadPlan:
    """The plan for an account that cannot filter by time: all rows, from the beginning."""
    return replace(plan, whole=True, since=None, until=None, after_id=None, version=version)


class Progress:
    """Bookmark of one stream. Rows only move a pending bookmark; `commit` makes it part of the state.

    So whatever is in the state is true at any moment, also when a signal or an error ends the run.

    Args:
        entry: The stream's state, writable.
    """

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry
        self._pending: datetime | None = None
        self._key: str | None = None

    def note(self, row: Mapping[str, Any], replication_key: str) -> None:
        """A row was written."""
        value = row.get(replication_key)
        if value is not None:
            moment = parse_instant(value)
            if self._pending is None or moment > self._pending:
                self._pending, self._key = moment, replication_key

    def commit(self, *, limit: datetime | None = None) -> None:
        """Move the bookmark to the latest replication key seen, at most to `limit`, and never back."""
        if self._pending is None or self._key is None:
            return
        value = self._pending if limit is None else min(self._pending, limit)
        current = bookmark_of(self._entry, self._key)
        if current is None or value > current:
            self._entry["replication_key"] = self._key
            self._entry["replication_key_value"] = format_instant(value)

    def note_whole_read(self, after_id: str, plan: ReadPlan, *, complete: bool) -> None:
        """A whole read came this far; its bookmark is kept aside until the end."""
        self._entry["full_read"] = {
            "after_id": after_id,
            "started": format_instant(plan.started),
            "latest": None if self._pending is None else format_instant(self._pending),
            "version": plan.version if complete else None,
        }

    def resume_whole_read(self, replication_key: str) -> None:
        """Take over what the interrupted part of a whole read has seen."""
        latest = (self._entry.get("full_read") or {}).get("latest")
        if latest:
            self._pending, self._key = parse_instant(latest), replication_key

    def end_whole_read(self, started: datetime, *, remember: bool) -> None:
        """A whole read came to its end."""
        if "full_read" in self._entry:
            self._entry["full_read"] = None
        if remember:
            self._entry["last_full_read"] = format_instant(started)

    def note_offered(self) -> None:
        """The account offers this stream: if it no longer does in a later run, something was taken away."""
        self._entry["offered"] = True


def check_state(state: Mapping[str, Any], specs: Mapping[str, StreamSpec]) -> None:
    """Refuse a state that this version of the tap did not write.

    Raises:
        ConfigurationError: naming the stream and what is wrong with its state.
    """
    advice = "It was written by another version or another tap; use that one, or start without --state."
    bookmarks = state.get("bookmarks")
    if bookmarks is None:
        return
    if not isinstance(bookmarks, dict):
        raise ConfigurationError(f"State: `bookmarks` is not an object. {advice}")
    for name, entry in bookmarks.items():
        spec = specs.get(name)
        if spec is None:
            raise ConfigurationError(f"State: unknown stream {name!r}. {advice}")
        if entry is None:
            continue
        if not isinstance(entry, dict):
            raise ConfigurationError(f"State of {name!r} is not an object. {advice}")
        _check_entry(name, {key: value for key, value in entry.items() if value is not None}, spec, advice)


def _check_entry(name: str, entry: Mapping[str, Any], spec: StreamSpec, advice: str) -> None:
    for key in entry:
        if key not in STATE_KEYS:
            raise ConfigurationError(f"State of {name!r}: unknown entry {key!r}. {advice}")
    if "replication_key_value" in entry and entry.get("replication_key") != spec.replication_key:
        raise ConfigurationError(
            f"State of {name!r} has a bookmark on {entry.get('replication_key')!r}, "
            f"this version uses {spec.replication_key!r}. {advice}"
        )
    try:
        bookmark_of(entry, spec.replication_key)
        if "last_full_read" in entry:
            parse_instant(entry["last_full_read"])
        if "full_read" in entry:
            running = entry["full_read"]
            parse_instant(running["started"])
            parse_instant(running.get("latest") or running["started"])
            _check_types((running["after_id"], str), (running.get("version", 0), int | None))
        _check_types((entry.get("version"), int | None), *((each, str) for each in entry.get("orders", ())))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigurationError(f"State of {name!r} cannot be read. {advice}") from None


def _check_types(*pairs: tuple[Any, Any]) -> None:
    if not all(isinstance(value, kind) for value, kind in pairs):
        raise TypeError
