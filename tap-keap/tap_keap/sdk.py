"""Everything that this tap overrides of singer-sdk, and the only module that imports it.

Each override is named in `tests/unit/tap/test_sdk.py`, which fails when the SDK changes what it stands on.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, BinaryIO, ClassVar, NoReturn

import click
from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.metrics import Counter
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.streams._state import StreamStateManager

from tap_keap.bookmarks import Progress, check_state, stream_entry
from tap_keap.errors import ConfigurationError, InterruptedRunError, TapKeapError
from tap_keap.output import Output
from tap_keap.settings import CONFIG_SCHEMA, check_environment, read_settings
from tap_keap.stream_specs import STREAM_SPECS

Row = dict[str, Any]


class SingerWriter(GenericSingerWriter[bytes, Any]):
    """Keeps records in a buffer; everything else is written through at once.

    A STATE must never be seen before the records that it stands for, and a target should see a STATE as soon as it is
    true, so STATE flushes. `flush` must be called at the end of a run.
    """

    def __init__(self, file: BinaryIO | None = None) -> None:
        super().__init__()
        self.output = Output(file)

    def serialize_message(self, message: Any) -> bytes:
        """One line of JSON with its line feed."""
        return self.output.encode(_line(message))

    def write_message(self, message: Any) -> None:
        """Append a message; flush if it is not a record."""
        self.output.write(_line(message))
        if not isinstance(message, RecordMessage):
            self.output.flush()


def _line(message: Any) -> Mapping[str, Any]:
    if not isinstance(message, RecordMessage):
        fields: dict[str, Any] = message.to_dict()
        return fields
    line: dict[str, Any] = {"type": "RECORD", "stream": message.stream, "record": message.record}
    if message.version is not None:
        line["version"] = message.version
    if message.time_extracted is not None:
        line["time_extracted"] = message.time_extracted
    return line


class SdkState(StreamStateManager):
    """The SDK's state of a stream, whose bookmark moves only where `Progress` commits it."""

    @cached_property
    def progress(self) -> Progress:
        """The bookmark."""
        return Progress(self.stream_state)

    @property
    def stream_state(self) -> dict[str, Any]:
        """The stream's entry."""
        return stream_entry(self.tap_state, self.stream_name)

    def increment_state(
        self, latest_record: Mapping[str, Any], *, context: Mapping[str, Any] | None = None, replication_key: str
    ) -> None:
        """A row was written."""
        del context
        self.progress.note(latest_record, replication_key)

    def write_starting_replication_value(self, *args: Any, **kwargs: Any) -> None:
        """The SDK's transient entry is not needed: see `plan_read`."""

    def write_replication_key_signpost(self, *args: Any, **kwargs: Any) -> None:
        """The SDK's transient entry is not needed: see `plan_read`."""

    def finalize_state(self, state: dict[str, Any] | None = None) -> None:
        """There are no progress markers."""
        del state
        self.is_flushed = False


class SdkStream(Stream):
    """A stream whose rows leave page by page, where nothing has to be done to each of them."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # rows fit their schema when they leave RowReader
    _counter: Counter | None = None

    @cached_property
    def state_manager(self) -> SdkState:
        """Bookmarks that move at safe points only."""
        return SdkState(stream_name=self.name, tap_state=self.tap_state, tap_name=self.tap_name)

    @property
    def emit_activate_version_messages(self) -> bool:
        """Never at the start, as the SDK would: a version is active when the whole of it has been written."""
        return False

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """The SDK's log, without its line about an error that ends the run with a message of its own."""
        if level >= logging.ERROR and isinstance(sys.exc_info()[1], TapKeapError):
            return
        super().log(message, *args, level=level, **kwargs)

    def get_record_counter(self, **options: Any) -> Counter:
        """The SDK's counter, which whole pages add to."""
        self._counter = super().get_record_counter(**options)
        return self._counter

    def limit_rows(self, count: int) -> None:
        """End the stream after so many rows, for `--test`."""
        self.ABORT_AT_RECORD_COUNT = count

    @property
    def is_limited(self) -> bool:
        """Whether only a few rows are wanted."""
        return self.ABORT_AT_RECORD_COUNT is not None

    @cached_property
    def writes_whole_pages(self) -> bool:
        """Whether rows leave as they are, so that a page can be written at once instead of through the SDK's loop.

        Not with stream maps, flattening or deselected fields, nor where `--test` counts rows.
        """
        return (
            not self.is_limited
            and len(self.stream_maps) == 1
            and isinstance(self.stream_maps[0], SameRecordTransform)
            and not self.stream_maps[0].flattening_enabled
            and all(self.mask[breadcrumb] for breadcrumb in self.metadata)
        )

    def write_page(self, rows: list[Row]) -> None:
        """Write rows and let them move the pending bookmark, as the SDK's loop would one by one."""
        writer = self._tap.message_writer
        assert isinstance(writer, SingerWriter)  # noqa: S101 - SdkTap says so
        writer.output.write_rows(self.stream_maps[0].stream_alias, rows, self._stream_version)
        key = self.replication_key if self.replication_method == "INCREMENTAL" else None
        if key:
            for row in rows:
                self.state_manager.progress.note(row, key)
        if self._counter is not None:
            self._counter.increment(len(rows))

    def carry_version(self, version: int | None) -> None:
        """Let all rows from here on carry a version."""
        self._stream_version = version

    def activate_version(self, version: int) -> None:
        """Say that all rows of this version have been written: others are gone."""
        self._write_activate_version_message(version)

    def emit_state(self) -> None:
        """Write the state if it changed."""
        self.state_manager.is_flushed = False
        self._write_state_message()


class SdkTap(Tap):
    """A tap on the command line, with settings, states and catalogs that are checked before anything is read."""

    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_SCHEMA
    message_writer_class = SingerWriter
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

    def __init__(self, *, config: Any = None, parse_env_config: bool = False, **more: Any) -> None:
        check_environment(os.environ)
        config = {**(config or {}), **(self.environment_config() if parse_env_config else {})}
        self.settings = read_settings(config)
        super().__init__(config=config, parse_env_config=False, **more)

    @classmethod
    def environment_config(cls) -> dict[str, Any]:
        """The settings that are environment variables, or lines of a file `.env`.

        Raises:
            ConfigurationError: if one is not of the setting's type.
        """
        schema = dict(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        try:
            found: dict[str, Any] = parse_environment_config(schema, "TAP_KEAP_")
        except ValueError:
            raise ConfigurationError(
                "An environment variable TAP_KEAP_… does not have the type of its setting."
            ) from None
        for name, value in found.items():
            if "number" in schema["properties"][name].get("type", ()) and isinstance(value, str):
                found[name] = _number(name, value)
        return found

    @property
    def streams(self) -> dict[str, Any]:
        """All streams by name, in the order in which they are emitted: the SDK's own order is by name."""
        unsorted = super().streams
        return {spec.name: unsorted[spec.name] for spec in STREAM_SPECS}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the bookmarks of a state, if this version can.

        Raises:
            ConfigurationError: see `check_state`.
        """
        check_state(state, {spec.name: spec for spec in STREAM_SPECS})
        bookmarks = {name: dict(entry) for name, entry in (state.get("bookmarks") or {}).items() if entry}
        self.state.update({"bookmarks": bookmarks})

    def _handle_termination(self, signum: int, frame: Any) -> NoReturn:
        """A signal before the run began: the SDK would end with exit code 0."""
        del frame
        raise InterruptedRunError(signum)

    def run(self) -> None:
        """One sync."""
        raise NotImplementedError

    @classmethod
    def invoke(cls, *, about: bool = False, about_format: str | None = None, **options: Any) -> None:
        """The command line, without subcommand: --about, or a sync."""
        if about:
            cls.print_about(about_format)
            return
        state, catalog = options.get("state"), options.get("catalog")
        tap = cls._from_command_line(
            options.get("config"),
            state=None if state is None else _read_json("state", state.read),
            catalog=None if catalog is None else _read_json("catalog", catalog.read),
        )
        tap.run()

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """`--test`: one row of every stream, ending as a sync would."""
        if value != "all":
            super().cb_test(ctx, param, value)
            return
        tap = cls._from_command_line(ctx.params.get("config"))
        for stream in tap.streams.values():
            stream.limit_rows(1)
            stream.selected = True
        tap.run()
        ctx.exit()

    @classmethod
    def _from_command_line(cls, config: Any, **more: Any) -> SdkTap:
        return cls(
            config={} if config is None else config.config,
            parse_env_config=False if config is None else config.parse_env,
            validate_config=True,
            **more,
        )

    def sync_stream(self, stream: SdkStream) -> None:
        """Read one stream to its end, or to its limit."""
        try:
            stream.sync()
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            return
        stream.finalize_state_progress_markers()

    def emit_state(self) -> None:
        """Write the state if it changed since it was last written."""
        self.state_writer.write_state(self.state)

    def flush(self) -> None:
        """Hand all records written so far to the reader."""
        assert isinstance(self.message_writer, SingerWriter)  # noqa: S101 - message_writer_class
        self.message_writer.output.flush()


def _read_json(what: str, read: Callable[[], str]) -> dict[str, Any]:
    try:
        found = json.loads(read())
    except (ValueError, RecursionError):
        raise ConfigurationError(f"The {what} file is not valid JSON.") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"The {what} file is not a JSON object.")
    return found


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"Setting {name!r}: expected number.") from None
