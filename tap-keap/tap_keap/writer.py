"""Singer messages to stdout, in large writes instead of one flush a record."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import IO, Any

import msgspec
from singer_sdk.singerlib import (
    ActivateVersionMessage,
    RecordMessage,
    SchemaMessage,
    StateMessage,
)
from singer_sdk.singerlib.encoding.base import GenericSingerWriter

BUFFER_BYTES = 1 << 18


def _encode_other(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class BufferedWriter(GenericSingerWriter[bytes, Any]):
    """Keeps records in a buffer; everything else, and a full buffer, is written through at once.

    A STATE must never be seen before the records that it stands for, and a target should see a STATE as soon as it is
    true, so STATE flushes. `flush` must be called at the end of a run.
    """

    def __init__(self, output: IO[bytes] | None = None) -> None:
        super().__init__()
        self._output = output
        self._buffer = bytearray()
        self._encoder = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="number")
        self._stamp: datetime | None = None
        self._stamp_text = ""

    def serialize_message(self, message: Any) -> bytes:
        """One line of JSON with its line feed."""
        if isinstance(message, RecordMessage):
            return self._encoder.encode(self._record(message)) + b"\n"
        return self._encoder.encode(message.to_dict()) + b"\n"

    def write_message(self, message: Any) -> None:
        """Append a message; flush if it is no record, or the buffer is full."""
        if isinstance(message, RecordMessage):
            position = len(self._buffer)
            self._encoder.encode_into(self._record(message), self._buffer, position)
            self._buffer += b"\n"
            if len(self._buffer) >= BUFFER_BYTES:
                self.flush()
            return
        self._buffer += self.serialize_message(message)
        if isinstance(message, (StateMessage, SchemaMessage, ActivateVersionMessage)):
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        output = self._output or sys.stdout.buffer
        if self._buffer:
            output.write(self._buffer)
            self._buffer.clear()
        output.flush()

    def _record(self, message: RecordMessage) -> dict[str, Any]:
        line: dict[str, Any] = {"type": "RECORD", "stream": message.stream, "record": message.record}
        if message.version is not None:
            line["version"] = message.version
        if message.time_extracted is not None:
            line["time_extracted"] = message.time_extracted
        return line
