"""What this target uses behind the SDK's public methods: these tests fail when the SDK changes it."""

from __future__ import annotations

import inspect
import io
from typing import Any

import pytest
from singer_sdk.plugin_base import PluginBase
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from singer_sdk.target_base import Target

from target_chartmogul.singer.sdk_overrides import MessageReader


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (Target, "_process_record_message", ["self", "message_dict"]),
        (Target, "_process_schema_message", ["self", "message_dict"]),
        (Target, "_process_state_message", ["self", "message_dict"]),
        (Target, "_process_activate_version_message", ["self", "message_dict"]),
        (Target, "_process_batch_message", ["self", "message_dict"]),
        (Target, "_assert_sink_exists", ["self", "stream_name"]),
        (Target, "_handle_termination", ["self", "signum", "frame"]),
        (PluginBase, "_setup_signal_handlers", ["self"]),
        (GenericSingerReader, "process_lines", ["self", "file_input", "callbacks"]),
        (GenericSingerReader, "_process_unknown_message", ["self", "message_dict"]),
    ],
)
def test_the_sdk_still_has_it(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


def test_the_sdk_still_calls_the_handlers_that_are_overridden() -> None:
    source = inspect.getsource(Target.__mro__[1].process_lines)
    for name in ("schema", "record", "state", "activate_version", "batch"):
        assert f"self._process_{name}_message" in source


def test_the_sdk_still_keeps_its_sinks_by_stream() -> None:
    assert "_sinks_active" in inspect.getsource(Target.get_sink)


class Heard:
    def __init__(self, text: str) -> None:
        self.records: list[tuple[str, bytes]] = []
        self.bad: list[tuple[Any, ...]] = []
        self.messages: list[dict[str, Any]] = []
        reader = MessageReader()
        reader.on_record = lambda stream, record, version: self.records.append((stream, bytes(record)))
        reader.on_bad_line = lambda *found: self.bad.append(found)
        self.counts = reader.process_lines(
            io.BytesIO(text.encode("utf-8", "surrogatepass")),
            {"STATE": self.messages.append, "SCHEMA": self.messages.append},
        )


def test_records_stay_json() -> None:
    heard = Heard('{"type":"RECORD","stream":"orders","record":{"id":"1","total":1.10}}\n')
    assert heard.records == [("orders", b'{"id":"1","total":1.10}')]
    assert heard.counts["RECORD"] == 1


def test_other_messages_are_whole() -> None:
    heard = Heard('{"type":"STATE","value":{"bookmarks":{}}}\n\n{"type":"SCHEMA","stream":"s","schema":{}}\n')
    assert [message["type"] for message in heard.messages] == ["STATE", "SCHEMA"]
    assert heard.bad == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            '{"type":"RECORD","stream":"payments","record":{"id":"7","amount":NaN}}',
            ("payments", "7", "amount", "is not a number (NaN or Infinity)"),
        ),
        (
            '{"type":"RECORD","stream":"orders","record":{"id":"7","items":[{"x":-Infinity}]}}',
            ("orders", "7", "items.0.x", "is not a number (NaN or Infinity)"),
        ),
        (
            '{"type":"RECORD","stream":"contacts","record":{"id":"7","given_name":"\\ud800"}}',
            ("contacts", "7", "", "is not valid Unicode text"),
        ),
        ('{"type":"RECORD","stream":"orders","rec', ("", None, "", "is not JSON")),
        ("[1]", ("", None, "", "is not an object")),
    ],
)
def test_a_bad_line_costs_itself_alone(line: str, found: tuple[Any, ...]) -> None:
    good = '{"type":"RECORD","stream":"orders","record":{"id":"1"}}\n'
    heard = Heard(good + line + "\n" + good)
    assert len(heard.records) == 2
    assert heard.bad == [(2, *found)]
