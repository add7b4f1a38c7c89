"""A progress line on a terminal; nothing when stderr is a file or a pipe."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

EVERY = 0.5
"""Seconds between two updates."""

CLEAR = "\r\x1b[K"


class ProgressLine:
    """Rows, pace and what is left of the day's quota, in one line that log lines push aside.

    Args:
        quota_left: Requests left today, None where Keap did not say.
        output: Where to write; shown only if it is a terminal.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        quota_left: Callable[[], int | None],
        output: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quota_left = quota_left
        self._output = output or sys.stderr
        self._clock = clock
        self._shown = False
        self._stream = ""
        self._rows = 0
        self._started = self._updated = clock()
        self.enabled = self._output.isatty()
        if self.enabled:
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._push_aside)

    def advance(self, stream: str, rows: int) -> None:
        """More rows of a stream are written."""
        if not self.enabled:
            return
        now = self._clock()
        if stream != self._stream:
            self._stream, self._rows, self._started = stream, 0, now
        self._rows += rows
        if now - self._updated < EVERY:
            return
        self._updated = now
        pace = self._rows / max(now - self._started, 0.001)
        left = self._quota_left()
        quota = "" if left is None else f", {left:,} requests left today"
        self._output.write(f"{CLEAR}{stream}: {self._rows:,} rows, {pace:,.0f} a second{quota}")
        self._output.flush()
        self._shown = True

    def end(self) -> None:
        """Remove the line."""
        if self._shown:
            self._output.write(CLEAR)
            self._output.flush()
            self._shown = False

    def _push_aside(self, record: logging.LogRecord) -> bool:
        del record
        self.end()
        return True
