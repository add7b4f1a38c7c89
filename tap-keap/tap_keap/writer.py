"""Singer messages to stdout, in large writes instead of one flush a record."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
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

    def serialize_message(self, message: Any) -> bytes:
        """One line of JSON with its line feed."""
        if isinstance(message, RecordMessage):
            return self._encoder.encode(self._record(message)) + b"\n"
        return self._encoder.encode(message.to_dict()) + b"\n"

    def write_message(self, message: Any) -> None:
        """Append a message; flush if it is no record, or the buffer is full."""
        if isinstance(message, RecordMessage):
            self._encoder.encode_into(self._record(message), self._buffer, -1)
            self._buffer += b"\n"
            if len(self._buffer) >= BUFFER_BYTES:
                self.flush()
            return
        self._buffer += self.serialize_message(message)
        if isinstance(message, (StateMessage, SchemaMessage, ActivateVersionMessage)):
            self.flush()

    def write_rows(self, stream: str, rows: Iterable[Mapping[str, Any]], version: int | None) -> None:
        """Append rows of one stream, as `write_message` would one RECORD after the other."""
        extracted = self._encoder.encode(datetime.now(UTC)).decode()
        head = f'{{"type":"RECORD","stream":{self._encoder.encode(stream).decode()},"time_extracted":{extracted},'
        if version is not None:
            head += f'"version":{version},'
        prefix = f'{head}"record":'.encode()
        buffer, encode_into = self._buffer, self._encoder.encode_into
        for row in rows:
            buffer += prefix
            encode_into(row, buffer, -1)
            buffer += b"}\n"
            if len(buffer) >= BUFFER_BYTES:
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
