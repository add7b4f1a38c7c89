"""What `sdk.py` overrides or calls of singer-sdk is still what it was written for.

Each of these fails when the SDK renames a method, changes its signature, or no longer calls it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.helpers._state import StateWriter
from singer_sdk.helpers.capabilities import FLATTENING_CONFIG, STREAM_MAPS_CONFIG
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import PluginBase
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.streams._state import StreamStateManager

from tap_keap import sdk
from tap_keap.settings import SDK_SETTINGS

OVERRIDES: dict[type, dict[str, tuple[str, ...]]] = {
    GenericSingerWriter: {"serialize_message": ("message",), "write_message": ("message",)},
    StreamStateManager: {
        "stream_state": (),
        "increment_state": ("latest_record", "context", "replication_key"),
        "write_starting_replication_value": (
            "context",
            "replication_method",
            "replication_key",
            "config",
            "compare_start_date_fn",
        ),
        "write_replication_key_signpost": ("value", "context"),
        "finalize_state": ("state",),
    },
    Stream: {
        "state_manager": (),
        "emit_activate_version_messages": (),
        "log": ("message", "args", "level", "kwargs"),
        "get_record_counter": ("endpoint", "log_interval"),
        "get_records": ("context",),
    },
    Tap: {
        "streams": (),
        "load_state": ("state",),
        "invoke": ("about", "about_format", "config", "state", "catalog"),
        "cb_test": ("ctx", "param", "value"),
        "discover_streams": (),
        "_handle_termination": ("signum", "frame"),
    },
}
"""The SDK's methods that are overridden, with their parameters."""

CALLED: dict[tuple[type, str], tuple[str, ...]] = {
    (StreamStateManager, "__init__"): (
        "stream_name",
        "tap_state",
        "is_sorted",
        "check_sorted",
        "tap_name",
        "state_partitioning_keys",
    ),
    (Stream, "_write_activate_version_message"): ("full_table_version",),
    (Stream, "_write_state_message"): (),
    (Stream, "finalize_state_progress_markers"): ("state",),
    (Stream, "sync"): ("context",),
    (StateWriter, "write_state"): ("state",),
    (Tap, "__init__"): (
        "config",
        "catalog",
        "state",
        "parse_env_config",
        "validate_config",
        "setup_mapper",
        "message_writer",
    ),
    (PluginBase, "append_builtin_config"): ("config_jsonschema",),
    (PluginBase, "print_about"): ("output_format",),
}
"""The SDK's own methods that are called, with their parameters."""


def parameters(owner: type, name: str) -> tuple[str, ...]:
    found = inspect.getattr_static(owner, name)
    if isinstance(found, (classmethod, staticmethod)):
        found = found.__func__
    wrapped: Callable[..., Any] | None = getattr(found, "fget", None) or getattr(found, "func", None) or found
    assert callable(wrapped)
    return tuple(inspect.signature(wrapped).parameters)[1:]


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in OVERRIDES.items() for name in names])
def test_an_overridden_method_has_its_parameters(owner: type, name: str) -> None:
    assert parameters(owner, name) == OVERRIDES[owner][name]


@pytest.mark.parametrize(("owner", "name"), CALLED)
def test_a_called_method_has_its_parameters(owner: type, name: str) -> None:
    assert parameters(owner, name) == CALLED[owner, name]


def test_everything_that_is_overridden_is_in_the_table() -> None:
    classes = {
        sdk.SingerWriter: GenericSingerWriter,
        sdk.SdkState: StreamStateManager,
        sdk.SdkStream: Stream,
        sdk.SdkTap: Tap,
    }
    ignored = {
        "__init__",
        "__doc__",
        "__module__",
        "__parameters__",
        "__orig_bases__",
        "__abstractmethods__",
        "_abc_impl",
    }
    data = {"TYPE_CONFORMANCE_LEVEL", "config_jsonschema", "message_writer_class", "capabilities", "__annotations__"}
    for own, owner in classes.items():
        overridden = {name for name in vars(own) if hasattr(owner, name)} - ignored - data
        assert overridden <= set(OVERRIDES[owner]), own


@pytest.mark.parametrize(
    ("caller", "call"),
    [
        (Stream._sync_records, "self.get_record_counter("),
        (Stream._sync_records, "self.get_records("),
        (Stream._sync_records, "self._finalize_state("),
        (Stream.sync, "self.emit_activate_version_messages"),
        (Stream.sync, "self.log("),
        (Stream._write_state_message, "self.state_manager.is_flushed"),
        (Stream._finalize_state, "self.state_manager.finalize_state("),
        (Stream._increment_stream_state, "self.state_manager.increment_state("),
        (Stream._write_starting_replication_value, "self.state_manager.write_starting_replication_value("),
        (Stream._generate_record_messages, "self._stream_version"),
        (Stream._check_max_record_limit, "self.ABORT_AT_RECORD_COUNT"),
        (Tap.get_singer_command, "cls.cb_test"),
        (Tap.__init__, "self.load_state("),
        (PluginBase._setup_signal_handlers, "self._handle_termination"),
        (PluginBase.get_singer_command, "cls.invoke"),
    ],
)
def test_the_sdk_still_calls_what_is_overridden(caller: Callable[..., Any], call: str) -> None:
    assert call in inspect.getsource(caller)


def test_attributes_that_are_set_or_read() -> None:
    assert "_stream_version" in inspect.getsource(Stream.__init__)
    assert Stream.ABORT_AT_RECORD_COUNT is None
    assert Stream.TYPE_CONFORMANCE_LEVEL
    assert Tap.message_writer_class
    assert {"stream", "record", "version", "time_extracted"} <= set(RecordMessage.__dataclass_fields__)
    assert SameRecordTransform.__name__ in inspect.getsource(__import__("singer_sdk.mapper").mapper)


def test_the_sdks_settings_are_those_that_the_tap_accepts() -> None:
    assert {*FLATTENING_CONFIG["properties"], *STREAM_MAPS_CONFIG["properties"]} == set(SDK_SETTINGS)
