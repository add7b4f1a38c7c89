"""The streams: how rows are listed, completed and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any

from tap_keap.bookmarks import CLOCK_MARGIN, ReadPlan, plan_read, whole_plan
from tap_keap.conform import Row, load_schema
from tap_keap.custom_fields import MODELS, custom_columns, fill_columns, with_columns
from tap_keap.errors import ConfigurationError, CredentialsError, RefusedRequestError
from tap_keap.id_set import IdSet
from tap_keap.instants import format_instant, parse_instant
from tap_keap.paging import Listing, PageFeed, pages
from tap_keap.rows import Page, RowReader
from tap_keap.sdk import SdkStream, SdkTap
from tap_keap.session import Session
from tap_keap.stream_specs import BILLING, INDISPENSABLE, StreamSpec

NOTHING_OFFERED = "Keap offers none of the selected streams: check `api_url` and the key's rights."

CHANGE_TIMES = ("update_time", "modification_time")
"""Where Keap's rows say when they last changed; not always what the bookmark is on (`payment_time`)."""


class KeapStream(SdkStream):
    """A stream that is one listing of Keap.

    Args:
        tap: The tap.
        spec: What is known of the stream.
        session: What the streams of this run share.

    Attributes:
        rejected: Rows that were left out.
        ended: The stream was read to its end in this run.
        lacking: The account does not offer the stream.
    """

    one_listing = True
    """The rows are one listing; otherwise `pages` is overridden."""

    def __init__(self, tap: SdkTap, spec: StreamSpec, session: Session) -> None:
        self.spec = spec
        self.session = session
        self.columns = self._custom_columns()
        super().__init__(tap, schema=with_columns(load_schema(spec.name), self.columns), name=spec.name)
        self.primary_keys = spec.primary_keys
        self.replication_key = spec.replication_key
        self.change_time = next((name for name in CHANGE_TIMES if name in self.schema["properties"]), "")
        self.seen = IdSet()
        self.rejected = 0
        self.ended = False
        self.lacking = False
        self.feed: PageFeed | None = None
        self.seen_in_listing = False

    def _custom_columns(self) -> Any:
        """Columns for the stream's custom fields, by field id; asks Keap for them if the user wants them."""
        name = self.spec.name
        if not self.session.settings.flatten_custom_fields or name not in MODELS:
            return {}
        reader = RowReader(load_schema(f"{name[:-1]}_custom_fields"), "custom_fields")
        model = pages(self.session.client, Listing(name, MODELS[name], {}), reader)
        return custom_columns([row for page in model for row in page.rows])

    @cached_property
    def was_read_before(self) -> bool:
        """Whether the state knows the stream. To be asked before this run adds to it."""
        return any(value is not None for value in self.state_manager.stream_state.values())

    @cached_property
    def is_incremental(self) -> bool:
        """Whether the catalog asks for changes only."""
        return bool(self.replication_method == "INCREMENTAL" and self.replication_key)

    @cached_property
    def plan(self) -> ReadPlan:
        """How this run reads the stream."""
        settings = self.session.settings
        return plan_read(
            self.spec,
            self.state_manager.stream_state,
            incremental=self.is_incremental,
            now=self.session.now,
            start_date=settings.start_date,
            lookback=timedelta(days=settings.lookback_days),
            full_reread=timedelta(days=settings.full_reread_days),
            version=self.session.version,
        )

    @cached_property
    def reader(self) -> RowReader:
        """Reads the pages of this stream."""
        return RowReader(
            load_schema(self.name), self.spec.envelope, keep_unknown=self.session.settings.additional_fields
        )

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[Row]:
        """All rows of this run; moves the bookmark after each page.

        Raises:
            TapKeapError: if the stream cannot be read to its end.
        """
        del context
        known, plan = self.was_read_before, self.plan
        self.carry_version(plan.version)
        if plan.after_id is not None and self.replication_key:
            self.state_manager.progress.resume_whole_read(self.replication_key)
        try:
            for page in self.pages():
                rows = list(self.complete_rows(page))
                if self.writes_whole_pages:
                    self.write_page(rows)
                else:
                    yield from rows
                self.checkpoint(page.rows[-1] if page.rows else None)
                self.session.progress.advance(self.name, len(rows))
                self.seen_in_listing = True
                self.session.address_answers = True
        except RefusedRequestError as error:
            if error.status == 400 and not plan.whole and not self.seen_in_listing:
                self.logger.warning("This Keap account cannot filter %s by time; reading all of them.", self.name)
                self.plan = whole_plan(plan, self.session.version)
                yield from self.get_records(None)
                return
            self.check_offered(error, known=known)
        else:
            self.end()
            self.ended = True
        finally:
            self.session.flush()

    def check_offered(self, error: RefusedRequestError, *, known: bool) -> None:
        """Continue without a stream that the account does not offer, where no figure goes wrong without it.

        An older edition of Keap answers 404 or 403, and so does a token whose user may not see the stream. A billing
        stream that was read before is never left out, and one of `INDISPENSABLE` only if the user deselects it.

        Args:
            error: Keap's refusal.
            known: An earlier run read the stream.

        Raises:
            ConfigurationError: no listing has been answered so far: the address is wrong.
            CredentialsError: a right is missing, or a billing stream that must be there is not.
            RefusedRequestError: the refusal says nothing about the stream.
        """
        if error.status not in {403, 404} or (error.status == 404 and self.seen_in_listing):
            raise error
        otherwise = f"or deselect the stream '{self.name}'"
        if self.name in BILLING and error.status == 403:
            raise CredentialsError(
                f"Keap refuses {self.name} (403): the user of this key lacks the right to see {BILLING[self.name]}. "
                f"Give the user that right in Keap, use a service account key, {otherwise}."
            )
        if self.name in BILLING and known:
            raise CredentialsError(
                f"Keap no longer offers {self.name} (404), which an earlier run read: the right to see "
                f"{BILLING[self.name]} is missing, or the edition of Keap changed. Restore it, {otherwise}."
            )
        if self.name in INDISPENSABLE and not self.session.address_answers:
            raise ConfigurationError(NOTHING_OFFERED)
        if self.name in INDISPENSABLE:
            raise CredentialsError(
                f"Keap does not offer {self.name} (404), without which billing would be wrong: check `api_url` and the "
                f"user's right to see {BILLING[self.name]}, {otherwise}."
            )
        self.lacking = True
        self.logger.warning(
            "This Keap account does not offer %s (%d): an older edition, or a token that may not see it. "
            "Continuing without.",
            self.name,
            error.status,
        )

    def open_feed(self) -> None:
        """Begin to fetch pages before their turn, while other streams are written."""
        if self.one_listing and self.feed is None and not self.ended:
            listing = Listing(self.name, self.spec.path, self.query(self.plan))
            self.feed = PageFeed(self.session.client, listing, self.reader)

    def pages(self) -> Iterator[Page]:
        """The pages of this run."""
        self.open_feed()
        feed, self.feed = self.feed, None
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
        params = {"page_size": str(min(self.session.settings.page_size, self.spec.largest_page))}
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
                yield row

    def is_new(self, key: str, row: Row) -> bool:
        """Whether a row is to be written: once a run, again only if it changed while it was listed.

        A listing by time shows a row a second time if it changes meanwhile, and that is after the run began. (Of rows
        that were listed, which may be millions, no time is kept.)
        """
        if self.seen.add(key):
            return True
        changed = row.get(self.change_time)
        return changed is not None and parse_instant(changed) > self.session.now - CLOCK_MARGIN

    def add_fields(self, row: Row) -> None:
        """Add fields that Keap's row does not have: custom fields as columns, where the user wants them."""
        if self.columns:
            fill_columns(row, self.columns)

    def reject(self, identifier: str | None, reason: str) -> None:
        """Say which row is left out, and why."""
        self.rejected += 1
        self.logger.error("%s: record %s is left out: %s", self.name, identifier or "without id", reason)

    def checkpoint(self, last: Row | None) -> None:
        """After a page is written, what was read so far may become state."""
        if not self.is_incremental:
            return
        plan, progress = self.plan, self.state_manager.progress
        if plan.whole:
            if self.spec.id_filter and last is not None and last.get("id"):
                progress.note_whole_read(last["id"], plan, complete=not self.rejected)
        elif self.spec.order_by_time:
            progress.commit()
        self.emit_state()

    def end(self) -> None:
        """After the last page."""
        plan, progress = self.plan, self.state_manager.progress
        if self.is_incremental:
            # Of a listing that is not by time, a row may change behind the page that is read.
            by_time = not plan.whole and self.spec.order_by_time is not None
            progress.commit(limit=plan.started if by_time else plan.started - CLOCK_MARGIN)
            if plan.whole:
                progress.end_whole_read(plan.started, remember=self.spec.full_reread)
        if self.name in BILLING:
            progress.note_offered()
        if plan.version is not None and not self.rejected:
            self.activate_version(plan.version)
