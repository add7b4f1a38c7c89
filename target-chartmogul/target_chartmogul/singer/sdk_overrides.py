"""The few places where this target reaches behind the SDK's public methods, and why.

The SDK copies, maps, validates and walks every record in Python: 2,300 records a second. Where no stream map is asked
for, records go straight from the line to the store. `tests/unit/singer/test_sdk_overrides.py` fails when the SDK
changes
what is used here.

Private names used: `Target._process_record_message`, `_process_schema_message`, `_process_state_message`,
`_process_activate_version_message`, `_process_batch_message`, `PluginBase._handle_termination`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import IO, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

LONGEST_LINE_TO_MEND = 16 * 1024 * 1024


class RecordMessage(msgspec.Struct):
    """A RECORD message whose record is still JSON; other messages have `type` alone."""

    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw(b"")
    version: int | None = None


_decode_envelope = msgspec.json.Decoder(RecordMessage).decode
_decode = msgspec.json.Decoder().decode


class MessageReader(GenericSingerReader[Any]):
    """Reads Singer messages as bytes; a RECORD's record stays JSON until its sink needs it.

    A line that is no JSON costs itself alone (rule 1.5).
    """

    def __init__(self) -> None:
        super().__init__()
        self.line = 0
        """Number of the line that is being read."""
        self.on_record: Callable[[str, msgspec.Raw, int | None], None] | None = None
        """Takes stream, record and version of each RECORD, in place of the SDK's way."""
        self.on_bad_line: Callable[[int, str, Any, str, str], None] | None = None
        """Takes line number, stream, id, field and reason of a line that cannot be read."""

    @property
    def default_input(self) -> IO[Any]:
        """Standard input, as bytes."""
        return sys.stdin.buffer

    def deserialize_json(self, line: Any) -> dict[str, Any]:
        """A message as a dictionary.

        Raises:
            msgspec.DecodeError: it is no JSON object.
        """
        message = _decode(line)
        if not isinstance(message, dict):
            raise msgspec.DecodeError("not an object")
        return message

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Read all lines and call back for each message; how many there were of each type."""
        counts: dict[str, int] = defaultdict(int)
        for number, line in enumerate(file_input or self.default_input, 1):
            self.line = number
            try:
                envelope = _decode_envelope(line)
                if envelope.type == "RECORD" and self.on_record is not None and envelope.stream:
                    counts["RECORD"] += 1
                    self.on_record(envelope.stream, envelope.record, envelope.version)
                    continue
                message = self.deserialize_json(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if line.strip():
                    self._tell_bad_line(number, line)
                continue
            counts[envelope.type] += 1
            callback = callbacks.get(envelope.type)
            if callback is None:
                self._process_unknown_message(message)
            else:
                callback(message)
        return Counter(counts)

    def _tell_bad_line(self, number: int, line: Any) -> None:
        """Find out whose record it is: Python's own decoder takes NaN and lone surrogates, which JSON does not have."""
        stream, record_id, field, reason = "", None, "", "is not JSON"
        if len(line) <= LONGEST_LINE_TO_MEND:
            try:
                message = json.loads(line, parse_constant=lambda _: _NOT_A_NUMBER)
            except (ValueError, RecursionError):
                message = None
            if isinstance(message, dict) and isinstance(message.get("record"), dict):
                stream = str(message.get("stream", ""))[:64]
                record_id = message["record"].get("id")
                field = _path_of(message["record"], _NOT_A_NUMBER)
                reason = "is not a number (NaN or Infinity)" if field else "is no valid Unicode text"
        if self.on_bad_line is not None:
            self.on_bad_line(number, stream, record_id, field, reason)


_NOT_A_NUMBER = object()


def _path_of(value: Any, wanted: object) -> str:
    """Dotted path of the first place where `wanted` stands, empty if nowhere."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if inner is wanted:
            return str(key)
        if below := _path_of(inner, wanted):
            return f"{key}.{below}"
    return ""
