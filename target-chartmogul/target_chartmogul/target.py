"""Singer in: what `target-chartmogul` does with each message. What follows is in `run`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TargetCapabilities
from singer_sdk.sinks import Sink
from typing_extensions import override

from target_chartmogul import exit_code_file, settings
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.settings import CONFIG_SCHEMA, PROPERTIES
from target_chartmogul.singer.intake import Intake
from target_chartmogul.singer.pipes import check_standard_streams
from target_chartmogul.singer.sdk_overrides import MessageReader
from target_chartmogul.singer.sinks import IgnoredSink, ReceivingTarget, RecordSink
from target_chartmogul.singer.state import StateKeeper
from target_chartmogul.sources.registry import source_of
from target_chartmogul.stopping import StopSwitch

if TYPE_CHECKING:
    from target_chartmogul.run import Run
    from target_chartmogul.sources.protocol import Source


class TargetChartMogul(ReceivingTarget):
    """Singer target for ChartMogul."""

    name = "target-chartmogul"
    package_name = "target-chartmogul"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_SCHEMA
    default_sink_class: type[Sink] = IgnoredSink
    message_reader_class = MessageReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.ACTIVATE_VERSION,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    def __init__(self, *, needs_key: bool = True, **arguments: Any) -> None:
        settings.check_environment(os.environ)
        # `settings` checks what the SDK would, with messages that never hold a value.
        super().__init__(**{**arguments, "validate_config": False})
        self.settings = settings.load(self.config, needs_key=needs_key)
        self.intake = Intake()
        self.tap_state = StateKeeper()
        self.stop = StopSwitch(self.settings.max_run_minutes, exit_code_file.note)
        self._taken: dict[str, Source] = {}
        self._run: Run | None = None
        reader = self.message_reader
        if isinstance(reader, MessageReader):
            reader.on_bad_line = self.intake.reject_line
            reader.on_record = None if self.config.get("stream_maps") else self._record

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Only those of the SDK's settings that do something here."""
        super().append_builtin_config(config_jsonschema)
        known = {*PROPERTIES, *settings.SDK_SETTINGS}
        properties = config_jsonschema["properties"]
        for name in [name for name in properties if name not in known]:
            del properties[name]

    @override
    def get_sink_class(self, stream_name: str) -> type[Sink]:
        return RecordSink if stream_name in self._taken else IgnoredSink

    @override
    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """A stream's sink; with its schema it becomes clear whose records it holds (under its mapped name)."""
        if schema is not None:
            self._admit(stream_name, schema)
        return super().get_sink(stream_name, record=record, schema=schema, key_properties=key_properties)

    @classmethod
    @override
    def invoke(cls, **arguments: Any) -> None:
        """Run the command line; the process ends with the run's exit code.

        Raises:
            TargetChartMogulError: each kind with its exit code, also where the run is complete but for some records.
        """
        if arguments.get("about") or arguments.get("about_format"):
            super().invoke(about=True, about_format=arguments.get("about_format"))
            return
        given, file = arguments["config"], arguments.get("file_input")
        check_standard_streams(reads_input=file is None)
        target = cls(config=given.config, parse_env_config=given.parse_env)
        try:
            target.listen(file)
        finally:
            target.close()

    @override
    def process_endofpipe(self) -> None:
        """All input is there: decide, plan, apply."""
        try:
            self.intake.report_ignored()
            if self._run is not None:
                self._run.finish()
            elif self.intake.rejects:
                raise ConfigurationError(
                    f"none of the input could be read: {len(self.intake.rejects)} invalid lines, "
                    f"the first one is {self.intake.rejects[0].id}"
                )
            else:
                self.tap_state.emit()
        finally:
            self.close()

    def sync(self, source: Source) -> None:
        """A run without input (rule 7.4).

        Args:
            source: whose records the store holds.

        Raises:
            TargetChartMogulError: each kind with its exit code, also where the run is complete but for some records.
        """
        from target_chartmogul.run import Run  # noqa: PLC0415

        self.intake.admit(source)
        self._run = Run(self.settings, source, self.intake, self.tap_state, self.stop)
        try:
            self._run.begin()
            self._run.sync()
        finally:
            self.close()

    def close(self) -> None:
        """Unlock, and leave nothing behind on the disk."""
        if self._run is not None:
            self._run.close()
            self._run = None

    def _admit(self, stream: str, schema: dict[str, Any]) -> None:
        """A stream whose records ChartMogul is fed from: lock the store and check the key, before hours of reading."""
        source = source_of(stream, schema, self.settings.mapping, self.settings.external_id_prefix)
        if source is None:
            if not self.config.get("stream_maps"):
                self.intake.ignored.add(stream)
            return
        self._taken[stream] = source
        self.intake.admit(source)
        if self._run is None:
            from target_chartmogul.run import Run  # noqa: PLC0415  what other input does not need

            self._run = Run(self.settings, source, self.intake, self.tap_state, self.stop)
            self._run.begin()

    # the SDK's message handlers (see singer.sdk_overrides)

    def _record(self, stream: str, record: msgspec.Raw, version: int | None) -> None:
        """A RECORD, without the SDK's way."""
        sink = self._sinks_active.get(stream)
        if isinstance(sink, RecordSink):
            self._before_record()
            sink.take(bytes(record), version)
        elif sink is None:
            self._assert_announced(stream)

    def _before_record(self) -> None:
        if not self.tap_state.records_seen:
            self.tap_state.saw_record()
            if self._run is not None:
                self._run.check_state()

    def _assert_announced(self, stream: str) -> None:
        if stream not in self.mapper.stream_maps:
            about = f"line {self._line}: a RECORD of stream '{stream[:64]}'"
            raise ConfigurationError(f"{about} came before its SCHEMA: is the input from a Singer tap?")

    @property
    def _line(self) -> int:
        reader = self.message_reader
        return reader.line if isinstance(reader, MessageReader) else 0

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_announced(str(message_dict.get("stream")))
        self._before_record()
        version = message_dict.get("version")
        self.intake.version = version if isinstance(version, int) else None
        super()._process_record_message(message_dict)

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream, schema, keys = (message_dict.get(name) for name in ("stream", "schema", "key_properties"))
        if not isinstance(stream, str) or not stream:
            raise ConfigurationError(f"line {self._line}: a SCHEMA message names no stream")
        about = f"line {self._line}: the SCHEMA of stream '{stream[:64]}'"
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(properties, dict) or not all(isinstance(each, dict | bool) for each in properties.values()):
            raise ConfigurationError(f"{about} is not a JSON schema of an object with `properties`")
        if keys is not None and not (isinstance(keys, list) and all(isinstance(each, str) for each in keys)):
            raise ConfigurationError(f"{about} has `key_properties` that are not a list of names")
        try:
            super()._process_schema_message(message_dict)
        except InvalidJSONSchema:
            raise ConfigurationError(f"{about} is not a valid JSON schema") from None

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        if "value" not in message_dict:
            raise ConfigurationError(f"line {self._line}: a STATE message without `value`")
        if isinstance(message_dict["value"], dict):
            self.tap_state.take(message_dict["value"])
            if self._run is not None:
                self._run.state_passed()

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """A read of a stream ended; the SDK's own way is about columns that this target does not have."""
        stream, version = str(message_dict.get("stream")), message_dict.get("version")
        if not isinstance(version, int):
            return
        self._before_record()
        for alias in self._aliases(stream):
            sink = self._sinks_active.get(alias)
            if isinstance(sink, RecordSink):
                sink.activate_version(version)

    def _aliases(self, stream: str) -> Iterator[str]:
        """The names under which stream maps pass a stream on."""
        maps = self.mapper.stream_maps.get(stream)
        if not maps:
            yield stream
        for each in maps or ():
            yield each.stream_alias

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise ConfigurationError("BATCH messages are not supported: turn off `batch_config` in the tap")

    @override
    def _handle_termination(self, signum: int, frame: Any) -> None:
        """The SDK drains inside the handler and exits with 0: here a flag is set, and the code says what happened."""
        self.stop.on_signal(signum)
