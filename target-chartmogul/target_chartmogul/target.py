"""Singer in: what `target-chartmogul` does with each message. What follows is in `run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TargetCapabilities
from singer_sdk.sinks import Sink
from singer_sdk.target_base import Target
from typing_extensions import override

from target_chartmogul import exit_codes
from target_chartmogul import settings as config
from target_chartmogul.failures import ConfigurationError, TargetChartMogulError
from target_chartmogul.ledger.inbox import STREAMS
from target_chartmogul.settings_schema import CONFIG_SCHEMA, PROPERTIES
from target_chartmogul.singer.intake import Intake
from target_chartmogul.singer.sdk_overrides import MessageReader
from target_chartmogul.singer.sinks import KeapSink, PassedOverSink
from target_chartmogul.singer.state import StateKeeper
from target_chartmogul.sources.native.sink import ShapedSink
from target_chartmogul.sources.native.streams import SHAPED_STREAMS, check_settings, is_shaped
from target_chartmogul.stopping import StopSwitch

if TYPE_CHECKING:
    from target_chartmogul.run import Run


class TargetChartMogul(Target):
    """Singer target for ChartMogul."""

    name = "target-chartmogul"
    package_name = "target-chartmogul"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_SCHEMA
    default_sink_class: type[Sink] = PassedOverSink
    message_reader_class = MessageReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.ACTIVATE_VERSION,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    def __init__(self, **arguments: Any) -> None:
        # `config` checks what the SDK would, with messages that never hold a value.
        super().__init__(**{**arguments, "validate_config": False})
        self.settings = config.load(self.config)
        self.intake = Intake()
        self.tap_state = StateKeeper()
        self.stop = StopSwitch(self.settings.max_run_minutes)
        self.replication_keys: dict[str, str] = {}
        self._stream_of_schema = ""
        self._run: Run | None = None
        self.exit_code = exit_codes.OK
        reader = self.message_reader
        if isinstance(reader, MessageReader):
            reader.on_bad_line = self._bad_line
            reader.on_record = None if self.config.get("stream_maps") else self._record

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Only those of the SDK's settings that do something here."""
        super().append_builtin_config(config_jsonschema)
        known = {*PROPERTIES, *config.SDK_SETTINGS}
        properties = config_jsonschema["properties"]
        for name in [name for name in properties if name not in known]:
            del properties[name]

    @override
    def get_sink_class(self, stream_name: str) -> type[Sink]:
        if self.intake.shaped:
            return ShapedSink if stream_name in SHAPED_STREAMS else PassedOverSink
        return KeapSink if stream_name in STREAMS else PassedOverSink

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
            SystemExit: the run ended with rejects.
            TargetChartMogulError: each kind with its exit code.
        """
        if arguments.get("about") or arguments.get("about_format"):
            super().invoke(about=True, about_format=arguments.get("about_format"))
            return
        given = arguments["config"]
        target = cls(config=given.config, parse_env_config=given.parse_env)
        try:
            target.listen(arguments.get("file_input"))
        finally:
            target.close()
        if target.exit_code:
            sys.exit(target.exit_code)

    @override
    def process_endofpipe(self) -> None:
        """All input is there: map, plan, apply, and only then the STATE."""
        try:
            if self._run is not None:
                self.exit_code = self._run.finish()
            elif self.intake.rejects:
                raise TargetChartMogulError(f"no line of the input could be used ({len(self.intake.rejects)} bad ones)")
            else:
                self.tap_state.emit()
        finally:
            self.close()

    def close(self) -> None:
        """Unlock, and leave nothing behind on the disk."""
        if self._run is not None:
            self._run.close()
            self._run = None
        self.intake.close()

    def _admit(self, stream: str, schema: dict[str, Any]) -> None:
        shaped = is_shaped(stream, schema)
        if not shaped and stream not in STREAMS:
            return
        self.intake.admit(shaped=shaped)
        if shaped:
            check_settings(self.settings)
            inbox = self.intake.open_shaped_inbox(self.settings.external_id_prefix)
            inbox.origins.setdefault(stream, set()).add(self._stream_of_schema)
        self._begin()

    def _begin(self) -> None:
        """The first stream that ChartMogul is fed from: lock the ledger and check the key, before hours of reading."""
        if self._run is None:
            self._run = self._new_run()
            self._run.begin()

    def _new_run(self) -> Run:
        from target_chartmogul.run import Run  # noqa: PLC0415  what other input does not need

        return Run(self.settings, self.intake, self.tap_state, self.stop)

    # the SDK's message handlers (see sdk_hooks)

    def _record(self, stream: str, record: msgspec.Raw) -> None:
        """A RECORD, without the SDK's way."""
        sink = self._sinks_active.get(stream)
        if isinstance(sink, KeapSink):
            self.tap_state.saw_record()
            sink.take(bytes(record))
        elif sink is None:
            self._assert_sink_exists(stream)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.tap_state.saw_record()
        super()._process_record_message(message_dict)

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream")
        keys = message_dict.get("bookmark_properties") or []
        if isinstance(stream, str) and keys:
            self.replication_keys[stream] = keys[0]
        self.intake.began.add(str(stream))
        self._stream_of_schema = str(stream)
        known = stream in STREAMS or stream in SHAPED_STREAMS or self.config.get("stream_maps")
        if not known and stream not in self.intake.passed_over:
            self.intake.passed_over.add(str(stream))
            self.logger.warning("Stream '%s' is not one that ChartMogul is fed from; it is passed over.", stream)
        super()._process_schema_message(message_dict)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"value"})
        if isinstance(message_dict["value"], dict):
            self.tap_state.take(message_dict["value"])

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """A stream was read completely; the SDK's own way is about columns that this target does not have."""
        stream = str(message_dict.get("stream"))
        if self.intake.shaped:
            self.intake.open_shaped_inbox(self.settings.external_id_prefix).read_completely.add(stream)
        sink = self._sinks_active.get(stream)
        if sink is not None:
            sink.activate_version(message_dict.get("version", 0))

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise ConfigurationError("BATCH messages are not supported: turn off `batch_config` in the tap")

    def _bad_line(self, number: int, stream: str, record_id: Any, field: str, reason: str) -> None:
        """A line that cannot be read: a record that costs itself alone."""
        self.intake.reject(
            stream or "(unknown)", record_id if record_id is not None else f"line {number}", field, reason
        )

    @override
    def _handle_termination(self, signum: int, frame: Any) -> None:
        """The SDK drains inside the handler and exits with 0: here a flag is set, and the code says what happened."""
        self.stop.on_signal(signum)
