"""The tap: settings in, streams out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities

from tap_keap.auth import authenticator_for
from tap_keap.bookmarks import check_state
from tap_keap.client import KeapClient, Listing
from tap_keap.custom_fields import MODELS, CustomColumn, custom_columns
from tap_keap.errors import ConfigurationError, ReaderGoneError, RefusedRequestError, RejectedRowsError
from tap_keap.id_set import IdSet
from tap_keap.progress import ProgressLine
from tap_keap.rate_budget import KeapLimits, RateBudget
from tap_keap.related import RelatedRecords
from tap_keap.rows import RowReader, load_schema
from tap_keap.settings import CONFIG_SCHEMA, check_settings, run_clock
from tap_keap.special_streams import STREAM_CLASSES
from tap_keap.stopping import StopWatch
from tap_keap.stream_specs import STREAM_SPECS
from tap_keap.streams import KeapStream
from tap_keap.writer import BufferedWriter

STREAMS_AHEAD = 3


class TapKeap(Tap):
    """Singer tap for Keap (Infusionsoft) CRM, REST v2."""

    name = "tap-keap"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_SCHEMA
    message_writer_class = BufferedWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, config: Any = None, validate_config: bool = True, **more: Any) -> None:
        if isinstance(config, Mapping):
            check_settings(config, whole=validate_config)
        self.product_of_plan: dict[str, str | None] = {}
        self._shared_orders: dict[str, None] = {}
        self._shared_seen = IdSet()
        self._lacking: set[str] = set()
        super().__init__(config=config, validate_config=validate_config, **more)
        if validate_config:
            check_settings(self.config, whole=True)
        self.version = self.initialized_at

    @cached_property
    def now(self) -> datetime:
        """The instant that stands for now in this run."""
        return run_clock(self.config)

    @cached_property
    def stop(self) -> StopWatch:
        """Knows when the run shall end."""
        longest = self.config.get("max_run_minutes")
        return StopWatch(float(longest) if longest else None)

    def discover_streams(self) -> list[KeapStream]:
        """All streams, in the order of `stream_specs`."""
        return [STREAM_CLASSES.get(spec.name, KeapStream)(self, spec) for spec in STREAM_SPECS]

    @property
    def streams(self) -> dict[str, Any]:
        """All streams by name, in the order in which they are emitted: the SDK's own order is by name."""
        unsorted = super().streams
        return {spec.name: unsorted[spec.name] for spec in STREAM_SPECS}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state, if this version can.

        Raises:
            ConfigurationError: see `check_state`.
        """
        check_state(state, {spec.name: spec for spec in STREAM_SPECS})
        super().load_state(state)

    @cached_property
    def client(self) -> KeapClient:
        """Made when the first request is due, so that --discover needs no credentials."""
        authenticator = authenticator_for(self.config, self.stop.sleep)
        limits = authenticator.limits
        own = self.config.get("requests_per_minute")
        if own:
            limits = KeapLimits(max(limits.per_second, own / 60), own)
        budget = RateBudget(
            limits, sleep=self.stop.sleep, daily_reserve=self.config["daily_quota_reserve"], fixed=bool(own)
        )
        return KeapClient(
            self.config["api_url"],
            authenticator,
            budget,
            self.stop,
            timeout=float(self.config["request_timeout"]),
            user_agent=self.config.get("user_agent"),
        )

    def custom_columns(self, stream: str) -> dict[str, CustomColumn]:
        """Columns for the custom fields of a stream, by field id; asks Keap for them if the user wants them."""
        if not self.config.get("flatten_custom_fields") or stream not in MODELS:
            return {}
        listing = Listing(stream, MODELS[stream], {})
        reader = RowReader(load_schema(f"{stream[:-1]}_custom_fields"), "custom_fields")
        return custom_columns(self.client.all_pages(listing, reader)[0].rows)

    @cached_property
    def related(self) -> RelatedRecords | None:
        """Looks up what belongs to changed records; None if the user does not want it."""
        return RelatedRecords(self) if self.config["related_records"] else None

    @cached_property
    def progress(self) -> ProgressLine:
        """On a terminal."""
        return ProgressLine(lambda: self.client.budget.day_available)

    def read_ahead(self, current: KeapStream) -> None:
        """While one stream is written, let the next ones be fetched.

        They share one budget, so nothing is faster than Keap allows, but no wait for an answer is wasted.
        """
        following = [stream for stream in self.streams.values() if stream.selected and stream.one_listing]
        if current in following:
            for stream in following[following.index(current) + 1 :][:STREAMS_AHEAD]:
                if not stream.listed:
                    stream.open_feed()

    def lacks(self, stream: str, error: RefusedRequestError) -> bool:
        """Whether the account does not offer a stream, so that the run goes on without it.

        An older edition of Keap answers 404 or 403, and so does a token whose owner may not see the stream.
        """
        if error.status not in {403, 404}:
            return False
        if stream not in self._lacking:
            self._lacking.add(stream)
            self.logger.warning(
                "This Keap account does not offer %s (%d): an older edition, or a token that may not see it. "
                "Going on without.",
                stream,
                error.status,
            )
        return True

    def note_shared_payment(self, order_ids: Iterable[str | None]) -> None:
        """Remember orders that share a payment."""
        for order_id in order_ids:
            if order_id and self._shared_seen.add(order_id):
                self._shared_orders[order_id] = None

    def take_orders_of_shared_payments(self) -> list[str]:
        """Orders remembered since the last call."""
        orders, self._shared_orders = list(self._shared_orders), {}
        return orders

    def run(self) -> None:
        """One sync.

        Raises:
            TapKeapError: if it ends early, or rows were left out.
        """
        self.stop.listen_to_signals()
        try:
            try:
                self.sync_all()
            finally:
                self.flush()
        except BrokenPipeError:
            raise ReaderGoneError("The reader of this tap's output is gone.") from None
        finally:
            self.progress.end()
            self.stop.end()
        selected = {stream.name for stream in self.streams.values() if stream.selected} - {"order_payments"}
        if selected and selected <= self._lacking:
            raise ConfigurationError("Keap offers none of the selected streams: check `api_url` and the key's rights.")
        rejected = sum(stream.rejected for stream in self.streams.values())
        if rejected:
            raise RejectedRowsError(f"{rejected} records do not fit their schema and were left out; see the log.")

    def flush(self) -> None:
        """Hand all records written so far to the reader."""
        if isinstance(self.message_writer, BufferedWriter):
            self.message_writer.flush()

    @classmethod
    def invoke(cls, *, about: bool = False, about_format: str | None = None, **options: Any) -> None:
        """The command line, without subcommand: --about, or a sync."""
        if about:
            cls.print_about(about_format)
            return
        config, state, catalog = options.get("config"), options.get("state"), options.get("catalog")
        tap = cls(
            config={} if config is None else config.config,
            state=None if state is None else json.loads(state.read()),
            catalog=None if catalog is None else json.loads(catalog.read()),
            parse_env_config=False if config is None else config.parse_env,
            validate_config=True,
        )
        tap.run()
