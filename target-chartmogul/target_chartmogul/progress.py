"""How far a long run has come: one line on a terminal, else a log line now and then.

Counting is cheap and may come from several threads; nothing is written more often than every half second on a terminal
and every half minute in a log.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

ON_TERMINAL = 0.5
"""Seconds between two updates of the line."""
IN_LOG = 30.0
"""Seconds between two log lines."""
CLEAR = "\r\x1b[K"

logger = logging.getLogger(__name__)


class Progress:
    """Counts what a phase of the run has done.

    Args:
        output: where the line goes if it is a terminal; standard error by default.
        clock: seconds, monotonic.
    """

    def __init__(self, output: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._output = output or sys.stderr
        self._clock = clock
        self._terminal = self._output.isatty()
        self._lock = threading.Lock()
        self._phase = ""
        self._unit = ""
        self._total: int | None = None
        self._done = 0
        self._began = self._next = clock()
        self._shown = False
        if self._terminal:
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._push_aside)

    def begin(self, phase: str, unit: str, total: int | None = None) -> None:
        """A phase begins.

        Args:
            phase: `staged`, `planned` or `sent`.
            unit: what is counted.
            total: how many there are, None if nobody knows yet.
        """
        with self._lock:
            self._phase, self._unit, self._total, self._done = phase, unit, total, 0
            self._began = self._clock()
            self._next = self._began + (ON_TERMINAL if self._terminal else IN_LOG)

    def advance(self, number: int = 1) -> None:
        """So many more are done."""
        self._done += number
        now = self._clock()
        if now < self._next:
            return
        with self._lock:
            if now < self._next:
                return
            self._next = now + (ON_TERMINAL if self._terminal else IN_LOG)
        if self._terminal:
            self._output.write(f"{CLEAR}{self.text(now)}")
            self._output.flush()
            self._shown = True
        else:
            logger.info("progress %s", self.fields(now))

    def end(self) -> None:
        """Remove the line."""
        if self._shown:
            self._output.write(CLEAR)
            self._output.flush()
            self._shown = False

    def text(self, now: float) -> str:
        """For people: `sent: 1,200 of 4,000 changes, 38 a second, 1:14 left`."""
        pace, left = self._pace(now)
        of = f" of {self._total:,}" if self._total is not None else ""
        rest = "" if left is None else f", {left // 60:.0f}:{left % 60:02.0f} left"
        return f"{self._phase}: {self._done:,}{of} {self._unit}, {pace:,.0f} a second{rest}"

    def fields(self, now: float) -> str:
        """For machines: `phase=sent done=1200 total=4000 per_second=38.0 seconds_left=74`."""
        pace, left = self._pace(now)
        shown = {"phase": self._phase, "done": self._done, "total": self._total, "per_second": f"{pace:.1f}"}
        shown["seconds_left"] = None if left is None else round(left)
        return " ".join(f"{name}={value}" for name, value in shown.items() if value is not None)

    def _pace(self, now: float) -> tuple[float, float | None]:
        pace = self._done / max(now - self._began, 0.001)
        if self._total is None or not pace:
            return pace, None
        return pace, max(self._total - self._done, 0) / pace

    def _push_aside(self, record: logging.LogRecord) -> bool:
        del record
        self.end()
        return True
