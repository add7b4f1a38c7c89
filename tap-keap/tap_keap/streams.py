"""The streams: how rows are listed, completed and written."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.metrics import Counter

from tap_keap.bookmarks import CLOCK_MARGIN, Bookmarks, ReadPlan, plan_read, whole_plan
from tap_keap.client import Listing, PageFeed
from tap_keap.custom_fields import fill_columns, with_columns
from tap_keap.errors import RefusedRequestError, TapKeapError
from tap_keap.id_set import IdSet
from tap_keap.instants import format_instant, parse_instant
from tap_keap.rows import Page, Row, RowReader, load_schema
from tap_keap.settings import setting_instant
from tap_keap.stream_specs import StreamSpec
from tap_keap.writer import BufferedWriter

if TYPE_CHECKING:
    from tap_keap.tap import TapKeap

CHANGE_TIMES = ("update_time", "modification_time")
"""Where Keap's rows say when they last changed; not always what the bookmark is on (`payment_time`)."""


class KeapStream(Stream):
    """A stream that is one listing of Keap.

    Args:
        tap: The tap.
        spec: What is known of the stream.
    """

    one_listing = True
    """The rows are one listing; otherwise `pages` is overridden."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # rows fit their schema when they leave RowReader

    def __init__(self, tap: TapKeap, spec: StreamSpec) -> None:
        self.spec = spec
        self.keap = tap
        self.columns = tap.custom_columns(spec.name)
        super().__init__(tap, schema=with_columns(load_schema(spec.name), self.columns), name=spec.name)
        self.primary_keys = spec.primary_keys
        self.replication_key = spec.replication_key
        self.change_time = next((name for name in CHANGE_TIMES if name in self.schema["properties"]), "")
        self.seen = IdSet()
        self.written_at: dict[str, str | None] = {}
        self.rejected = 0
        self.schema_written = False
        self.listed = False
        self.counter: Counter | None = None
        self.feed: PageFeed | None = None
        self.seen_in_listing = False

    @cached_property
    def state_manager(self) -> Bookmarks:
        """Bookmarks that move at safe points only."""
        return Bookmarks(self.name, self.tap_state, self.tap_name)

    @property
    def is_sorted(self) -> bool:
        """Interrupted reads go on where they stopped: see `Bookmarks`."""
        return True

    @property
    def emit_activate_version_messages(self) -> bool:
        """Never at the start, as the SDK would: a version is active when the whole of it has been written."""
        return False

    @cached_property
    def plan(self) -> ReadPlan:
        """How this run reads the stream."""
        return plan_read(
            self.spec,
            self.stream_state,
            incremental=self.replication_method == "INCREMENTAL",
            now=self.keap.now,
            start_date=setting_instant(self.config, "start_date"),
            lookback=timedelta(days=self.config["lookback_days"]),
            full_reread=timedelta(days=self.config["full_reread_days"]),
        )

    @property
    def reads_all(self) -> bool:
        """Whether every row that Keap holds will be read in this run."""
        return self.plan.complete

    @cached_property
    def reader(self) -> RowReader:
        """Reads the pages of this stream."""
        return RowReader(
            load_schema(self.name), self.spec.envelope, keep_unknown=bool(self.config.get("additional_fields"))
        )

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """The SDK's log, without its line about an error that ends the run with a message of its own."""
        if level >= logging.ERROR and isinstance(sys.exc_info()[1], (TapKeapError, BrokenPipeError)):
            return
        super().log(message, *args, level=level, **kwargs)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[Row]:
        """All rows of this run; moves the bookmark after each page.

        Raises:
            TapKeapError: if the stream cannot be read to its end.
        """
        del context
        plan = self.plan
        activating = self.reads_all and (self.spec.activates or self.replication_method == "FULL_TABLE")
        self.schema_written = True
        if activating:
            self._stream_version = self.keap.version
        if plan.after_id is not None and self.replication_key:
            self.state_manager.resume_whole_read(self.replication_key)
        try:
            for page in self.pages():
                rows = list(self.complete_rows(page))
                if self.writes_whole_pages:
                    self.write_page(rows)
                else:
                    yield from rows
                self.checkpoint(page.rows[-1] if page.rows else None)
                self.keap.progress.advance(self.name, len(rows))
                self.seen_in_listing = True
        except RefusedRequestError as error:
            if error.status == 400 and not plan.whole and not self.seen_in_listing:
                self.logger.warning("This Keap account cannot filter %s by time; reading all of them.", self.name)
                self.plan = whole_plan(plan)
                yield from self.get_records(None)
                return
            if not self.keap.lacks(self.name, error):
                raise
        else:
            self.listed = True
            self.end(activating=activating)
        finally:
            self.keap.flush()

    def open_feed(self) -> None:
        """Begin to fetch pages before their turn, while other streams are written."""
        if self.one_listing and self.feed is None:
            self.feed = self.keap.client.pages(Listing(self.name, self.spec.path, self.query(self.plan)), self.reader)

    def pages(self) -> Iterator[Page]:
        """The pages of this run."""
        self.open_feed()
        feed, self.feed = self.feed, None
        if self.ABORT_AT_RECORD_COUNT is None:
            self.keap.read_ahead(self)
        if feed is not None:
            try:
                yield from feed
            finally:
                feed.close()

    def query(self, plan: ReadPlan) -> dict[str, str]:
        """Query parameters for a plan."""
        spec = self.spec
        conditions = [spec.extra_filter] if spec.extra_filter else []
        if plan.since is not None and spec.since:
            conditions.append(f"{spec.since}=={format_instant(plan.since)}")
        if plan.until is not None and spec.until:
            conditions.append(f"{spec.until}=={format_instant(plan.until)}")
        if plan.after_id is not None and spec.id_filter:
            conditions.append(f"{spec.id_filter}>{plan.after_id}")
        order = spec.order if plan.whole or spec.order_by_time is None else spec.order_by_time
        return self.listing_params(";".join(conditions), order)

    def listing_params(self, condition: str, order: str | None) -> dict[str, str]:
        """Query parameters of any listing of this stream's rows."""
        params = {"page_size": str(min(self.config["page_size"], self.spec.largest_page))}
        if self.spec.fields:
            names = load_schema(self.name)["properties"] if self.spec.fields == ("*",) else self.spec.fields
            params["fields"] = ",".join(names)
        if condition:
            params["filter"] = condition
        if order:
            params["order_by"] = order
        return params

    def complete_rows(self, page: Page) -> Iterator[Row]:
        """Rows of a page that are new in this run, with what the tap adds; reports what was left out."""
        for identifier, reason in page.rejected:
            self.reject(identifier, reason)
        keys = self.spec.primary_keys
        for row in page.rows:
            self.add_fields(row)
            values: list[Any] = [row.get(key) for key in keys]
            if None in values:
                self.reject(None, f"field {keys[values.index(None)]}: missing")
                continue
            if self.is_new(values[0] if len(values) == 1 else "/".join(values), row):
                self.note(row)
                yield row

    def is_new(self, key: str, row: Row) -> bool:
        """Whether a row is to be written: once a run, again only if it changed since.

        It comes again after it was looked up, and in a listing by time if it changes while that is read.
        """
        if self.seen.add(key) or self.changed_since(key, row):
            return True
        if self.replication_method == "INCREMENTAL" and self.replication_key:
            self.state_manager.increment_state(row, replication_key=self.replication_key)
        return False

    def changed_since(self, key: str, row: Row) -> bool:
        """Whether a row that was written changed after that.

        Pages are read ahead, so a listed row may be older than the one that was looked up. Of those that were listed,
        which may be millions, no time is kept: what changes while it is read does so after the run began.
        """
        changed, before = row.get(self.change_time), self.written_at.get(key)
        since = parse_instant(before) if before else self.keap.now - CLOCK_MARGIN
        if changed is None or parse_instant(changed) <= since:
            return False
        self.written_at[key] = changed
        return True

    def note(self, row: Row) -> None:
        """A row will be written: remember what belongs to it."""

    @cached_property
    def writes_whole_pages(self) -> bool:
        """Whether rows leave as they are, so that a page can be written at once instead of through the SDK's loop.

        Not with stream maps, flattening or deselected fields, nor where `--test` counts rows.
        """
        return (
            self.ABORT_AT_RECORD_COUNT is None
            and isinstance(self.keap.message_writer, BufferedWriter)
            and len(self.stream_maps) == 1
            and isinstance(self.stream_maps[0], SameRecordTransform)
            and not self.stream_maps[0].flattening_enabled
            and all(self.mask[breadcrumb] for breadcrumb in self.metadata)
        )

    def get_record_counter(self, **options: Any) -> Counter:
        """The SDK's counter, which whole pages add to."""
        self.counter = super().get_record_counter(**options)
        return self.counter

    def write_page(self, rows: Iterable[Row]) -> None:
        """Write rows and let them move the pending bookmark, as the SDK's loop would one by one."""
        rows, writer = list(rows), self.keap.message_writer
        assert isinstance(writer, BufferedWriter)  # noqa: S101 - see writes_whole_pages
        writer.write_rows(self.stream_maps[0].stream_alias, rows, self._stream_version)
        self.state_manager.is_flushed = False
        if self.replication_method == "INCREMENTAL" and self.replication_key:
            for row in rows:
                self.state_manager.increment_state(row, replication_key=self.replication_key)
        if self.counter is not None:
            self.counter.increment(len(rows))

    def write_related(self, page: Page) -> int:
        """Write rows that were looked up by id; they do not move the bookmark. Returns how many were new."""
        written = 0
        for row in self.complete_rows(page):
            if not self.schema_written:
                self._write_schema_message()
                self.schema_written = True
            if not self.listed and "id" in row:
                self.written_at[row["id"]] = row.get(self.change_time)
            self._write_record_message(row)
            written += 1
        return written

    def add_fields(self, row: Row) -> None:
        """Add fields that Keap's row does not have: custom fields as columns, where the user wants them."""
        if self.columns:
            fill_columns(row, self.columns)

    def reject(self, identifier: str | None, reason: str) -> None:
        """Say which row is left out, and why."""
        self.rejected += 1
        self.logger.error("%s: record %s is left out: %s", self.name, identifier or "without id", reason)

    def checkpoint(self, last: Row | None) -> None:
        """After a page is written: when its groups are closed, what was read so far may become state."""
        plan = self.plan
        if self.keap.related is not None:
            self.keap.related.close()
        if self.replication_method != "INCREMENTAL":
            return
        if plan.whole:
            if self.spec.id_filter and last is not None:
                self.state_manager.note_whole_read(last["id"], plan.started)
        elif self.spec.order_by_time:
            self.state_manager.commit()
        self._write_state_message()

    def end(self, *, activating: bool) -> None:
        """After the last page."""
        plan = self.plan
        if self.replication_method == "INCREMENTAL":
            # Of a listing that is not by time, a row may change behind the page that is read.
            by_time = not plan.whole and self.spec.order_by_time is not None
            self.state_manager.commit(limit=plan.started if by_time else plan.started - CLOCK_MARGIN)
            if plan.whole:
                self.state_manager.end_whole_read(plan.started, remember=self.spec.full_reread)
        if activating and not self.rejected:
            self._write_activate_version_message(self.keap.version)
