"""The few places where this target reaches behind the SDK's public methods, and why.

The SDK copies, maps, validates and walks every record in Python: 2,300 records a second. Where no stream map is asked
for, records go straight from the line to the store. `tests/unit/singer/test_sdk_overrides.py` fails when the SDK
changes what is used here.

Private names used: `Target._process_record_message`, `_process_schema_message`, `_process_state_message`,
`_process_activate_version_message`, `_process_batch_message`, `PluginBase._handle_termination`.
"""

from __future__ import annotations

import codecs
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import IO, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_chartmogul.failures import ConfigurationError
from target_chartmogul.singer.bad_lines import TOO_DEEP, BadLine, is_deep, too_deep, what_is_wrong

_OTHERS_DEPEND_ON = frozenset({"SCHEMA", "STATE", "ACTIVATE_VERSION"})


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
        """Read all lines and call back for each message; how many there were of each type.

        Raises:
            ConfigurationError: a message that the rest of the input depends on cannot be used.
        """
        counts: dict[str, int] = defaultdict(int)
        source = getattr(file_input, "buffer", file_input) or self.default_input
        for number, line in enumerate(source, 1):
            self.line = number
            try:
                envelope = _decode_envelope(_without_mark(line) if number == 1 else line)
                if envelope.type == "RECORD" and self.on_record is not None and envelope.stream:
                    counts["RECORD"] += 1
                    self.on_record(envelope.stream, envelope.record, envelope.version)
                    continue
                message = self.deserialize_json(_without_mark(line) if number == 1 else line)
                problem = self._problem(message)
                if problem is None:
                    counts[envelope.type] += 1
                    callbacks.get(envelope.type, self._process_unknown_message)(message)
                    continue
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                problem = what_is_wrong(line, str(error)) if line.strip() else None
            except RecursionError:
                problem = too_deep(line)
            if problem is not None:
                self._refuse(number, problem)
        return Counter(counts)

    def _problem(self, message: dict[str, Any]) -> BadLine | None:
        """What is wrong with a message that is JSON and has a type."""
        kind, stream, record = message["type"], message.get("stream"), message.get("record")
        named = stream if isinstance(stream, str) else ""
        if is_deep(message):
            record_id = record.get("id") if isinstance(record, dict) else None
            return BadLine(kind, named, record_id, "", TOO_DEEP)
        if kind == "RECORD" and not named:
            return BadLine(kind, "", None, "stream", "is missing")
        if kind == "RECORD" and not isinstance(record, dict):
            return BadLine(kind, named, None, "record", "is not an object")
        return None

    def _refuse(self, number: int, line: BadLine) -> None:
        """A line costs itself, or, if others depend on it, the run (rule 1.5)."""
        if line.kind in _OTHERS_DEPEND_ON:
            about = f" of stream '{line.stream[:64]}'" if line.stream else ""
            raise ConfigurationError(f"line {number}: a {line.kind} message{about} {line.reason}")
        if self.on_bad_line is not None:
            self.on_bad_line(number, line.stream, line.record_id, line.field, line.reason)

    def _process_unknown_message(self, message_dict: dict[str, Any]) -> None:
        kind = str(message_dict["type"])[:64]
        raise ConfigurationError(f"line {self.line}: unknown message type '{kind}': is the input from a Singer tap?")


def _without_mark(line: bytes) -> bytes:
    """The first line, without what some editors and shells put before it.

    Raises:
        ConfigurationError: it is not UTF-8.
    """
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigurationError("line 1: the input is UTF-16, but Singer messages are UTF-8: set the shell's encoding")
    return line.removeprefix(codecs.BOM_UTF8)
