"""Singer lines to stdout, in large writes instead of one flush a record."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec

from tap_keap.errors import OutputError

BUFFER_BYTES = 1 << 18


def _encode_other(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class Output:
    """Keeps lines in a buffer until it is full or flushed.

    Args:
        file: Where to; stdout if None.
    """

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._file = file
        self._buffer = bytearray()
        self._encoder = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="number")

    def encode(self, line: Mapping[str, Any]) -> bytes:
        """One line of JSON with its line feed."""
        return self._encoder.encode(line) + b"\n"

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line."""
        self._encoder.encode_into(line, self._buffer, -1)
        self._buffer += b"\n"
        self._flush_if_full()

    def write_rows(self, stream: str, rows: Iterable[Mapping[str, Any]], version: int | None) -> None:
        """Append RECORDs of one stream."""
        extracted = self._encoder.encode(datetime.now(UTC)).decode()
        head = f'{{"type":"RECORD","stream":{self._encoder.encode(stream).decode()},"time_extracted":{extracted},'
        if version is not None:
            head += f'"version":{version},'
        prefix = f'{head}"record":'.encode()
        encode_into = self._encoder.encode_into
        for row in rows:
            buffer = self._buffer
            buffer += prefix
            encode_into(row, buffer, -1)
            buffer += b"}\n"
            self._flush_if_full()

    def flush(self) -> None:
        """Hand everything to the operating system.

        Raises:
            OutputError: if nobody takes it.
        """
        if self._file is None and sys.stdout is None:
            raise OutputError("The output of this tap is closed.")
        data, self._buffer = self._buffer, bytearray()  # what cannot be written is not tried again
        try:
            # Past Python's own buffer, which would try to write the rest once more when the program ends.
            raw: Any = self._file or getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
            rest = memoryview(data)
            while rest:
                written = raw.write(rest)
                if written is None:  # a pipe that does not block, and is full
                    time.sleep(0.01)
                rest = rest[written or 0 :]
        except BrokenPipeError:
            raise OutputError("The reader of this tap's output is gone; its own messages say why.") from None
        except (OSError, ValueError) as error:
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            why = "the disk is full" if full else type(error).__name__
            raise OutputError(f"The output of this tap cannot be written: {why}.") from None

    def _flush_if_full(self) -> None:
        if len(self._buffer) >= BUFFER_BYTES:
            self.flush()
