"""State of one stream: bookmarks that move only at safe points, and how to read on from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk.streams._state import StreamStateManager

from tap_keap.errors import ConfigurationError
from tap_keap.instants import format_instant, parse_instant
from tap_keap.stream_specs import StreamSpec

if TYPE_CHECKING:
    from singer_sdk.helpers.types import TapState

CLOCK_MARGIN = timedelta(minutes=5)
"""How far this machine's clock may be ahead of Keap's without losing a change."""

OVERLAP = timedelta(seconds=1)
"""Read again before the bookmark: Keap does not say whether its time filters include their bound."""

STATE_KEYS = frozenset(
    {
        "replication_key",
        "replication_key_value",
        "last_full_read",
        "full_read",
        # transient keys of the SDK, which older runs may have left behind
        "starting_replication_value",
        "replication_key_signpost",
        "progress_markers",
    }
)


@dataclass(frozen=True)
class ReadPlan:
    """How a stream is read in this run.

    Attributes:
        whole: All rows, in a stable order; otherwise only those since a time.
        since: Lower bound for the time filter; None for none.
        until: Upper bound, so that rows which change meanwhile leave the listing instead of prolonging it.
        after_id: Go on with an interrupted whole read after this id.
        started: When the (first part of the) read began.
        complete: Every row that Keap holds will be read in this run.
    """

    whole: bool
    since: datetime | None
    until: datetime | None
    after_id: str | None
    started: datetime
    complete: bool


class Bookmarks(StreamStateManager):
    """The SDK's state of a stream, with bookmarks that are instants and never texts.

    Rows only move a pending bookmark; `commit` makes it part of the state. So whatever is in the state is true at any
    moment, also when a signal or an error ends the run.
    """

    def __init__(self, stream_name: str, tap_state: TapState, tap_name: str) -> None:
        super().__init__(stream_name=stream_name, tap_state=tap_state, tap_name=tap_name)
        self._pending: datetime | None = None
        self._key: str | None = None

    def increment_state(
        self, latest_record: Mapping[str, Any], *, context: Mapping[str, Any] | None = None, replication_key: str
    ) -> None:
        """Note the replication key of a row that was written."""
        del context
        value = latest_record.get(replication_key)
        if value is not None:
            moment = parse_instant(value)
            if self._pending is None or moment > self._pending:
                self._pending, self._key = moment, replication_key

    def write_starting_replication_value(self, *args: Any, **kwargs: Any) -> None:
        """The SDK's transient entry is not needed: see `plan_read`."""

    def write_replication_key_signpost(self, *args: Any, **kwargs: Any) -> None:
        """The SDK's transient entry is not needed: see `plan_read`."""

    def finalize_state(self, state: dict[str, Any] | None = None) -> None:
        """Drop what older runs left behind."""
        for key in ("starting_replication_value", "replication_key_signpost", "progress_markers"):
            (state or {}).pop(key, None)
        self.is_flushed = False

    def commit(self, *, limit: datetime | None = None) -> None:
        """Move the bookmark to the latest replication key seen, at most to `limit`, and never back."""
        if self._pending is None or self._key is None:
            return
        value = self._pending if limit is None else min(self._pending, limit)
        current = bookmark_of(self.stream_state, self._key)
        if current is None or value > current:
            self.stream_state["replication_key"] = self._key
            self.stream_state["replication_key_value"] = format_instant(value)
            self.is_flushed = False

    def note_whole_read(self, after_id: str, started: datetime) -> None:
        """A whole read came this far; its bookmark is kept aside until the end."""
        progress = {"after_id": after_id, "started": format_instant(started)}
        if self._pending is not None:
            progress["latest"] = format_instant(self._pending)
        self.stream_state["full_read"] = progress
        self.is_flushed = False

    def resume_whole_read(self, replication_key: str) -> None:
        """Take over what the interrupted part of a whole read has seen."""
        latest = self.stream_state.get("full_read", {}).get("latest")
        if latest:
            self._pending, self._key = parse_instant(latest), replication_key

    def end_whole_read(self, started: datetime, *, remember: bool) -> None:
        """A whole read came to its end."""
        self.stream_state.pop("full_read", None)
        if remember:
            self.stream_state["last_full_read"] = format_instant(started)
        self.is_flushed = False


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
    """
    bookmark = bookmark_of(state, spec.replication_key) if incremental and spec.since else None
    running = state.get("full_read") if incremental else None
    bounded = incremental and spec.since is not None and start_date is not None
    last_whole = parse_instant(state["last_full_read"]) if state.get("last_full_read") else None
    due = spec.full_reread and bool(full_reread) and (last_whole is None or now - last_whole >= full_reread)
    if bookmark is None or due or running:
        after_id = running["after_id"] if running and spec.id_filter else None
        return ReadPlan(
            whole=True,
            since=start_date if bounded else None,
            until=None,
            after_id=after_id,
            started=parse_instant(running["started"]) if running and after_id else now,
            complete=not bounded and after_id is None,
        )
    since = bookmark - (lookback if spec.lookback else OVERLAP)
    if start_date is not None:
        since = max(since, start_date)
    until = now if spec.until else None
    return ReadPlan(whole=False, since=since, until=until, after_id=None, started=now, complete=False)


def whole_plan(plan: ReadPlan) -> ReadPlan:
    """The plan for an account that cannot filter by time: all rows, from the beginning."""
    return replace(plan, whole=True, since=None, until=None, after_id=None, complete=True)


def check_state(state: Mapping[str, Any], specs: Mapping[str, StreamSpec]) -> None:
    """Refuse a state that this version of the tap did not write.

    Raises:
        ConfigurationError: naming the stream and what is wrong with its state.
    """
    advice = "It was written by another version or another tap; use that one, or start without --state."
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise ConfigurationError(f"State: `bookmarks` is no object. {advice}")
    for name, entry in bookmarks.items():
        spec = specs.get(name)
        if spec is None:
            raise ConfigurationError(f"State: unknown stream {name!r}. {advice}")
        if not isinstance(entry, dict):
            raise ConfigurationError(f"State of {name!r} is no object. {advice}")
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
            if entry.get("last_full_read"):
                parse_instant(entry["last_full_read"])
            if entry.get("full_read"):
                str(entry["full_read"]["after_id"])
                parse_instant(entry["full_read"]["started"])
                parse_instant(entry["full_read"].get("latest", entry["full_read"]["started"]))
        except (ValueError, TypeError, KeyError):
            raise ConfigurationError(f"State of {name!r} cannot be read. {advice}") from None
