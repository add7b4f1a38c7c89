"""One place that knows that the run should end: a signal, the clock, or the end of the program."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

from tap_keap.errors import InterruptedRunError, PlannedStopError, TimeUpError

ONE_SIGNAL = 1.0
"""SIGINT and SIGTERM within so many seconds are one wish: Meltano sends the second after a person's Ctrl-C."""


class StopWatch:
    """Asked at every safe point whether to continue, and used for every wait, so that no wait outlives the run.

    Args:
        max_minutes: Longest run; None for no limit.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self._deadline = None if not max_minutes else time.monotonic() + max_minutes * 60
        self._max_minutes = max_minutes
        self._ended = threading.Event()
        self._signum: int | None = None
        self._signalled_at = 0.0

    def listen_to_signals(self) -> None:
        """Let SIGINT and SIGTERM end the run at the next safe point instead of in the middle of a line."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._on_signal)

    def end(self) -> None:
        """Wake all waits: the program ends."""
        self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether the program ends."""
        return self._ended.is_set()

    def check(self) -> None:
        """Raise if the run should end now.

        Raises:
            InterruptedRunError: after a signal.
            TimeUpError: after `max_run_minutes`.
        """
        if self._signum is not None:
            raise InterruptedRunError(self._signum)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeUpError(
                f"Stopped after max_run_minutes ({self._max_minutes:g}); the next run continues from the state."
            )

    def sleep(self, seconds: float) -> None:
        """Wait; raises as `check` does, within a quarter of a second."""
        until = time.monotonic() + seconds
        while True:
            self.check()
            left = until - time.monotonic()
            if left <= 0:
                return
            if self._ended.wait(min(left, 0.25)):
                raise PlannedStopError("The program ends.")

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        """The first signal ends the run cleanly, a later one at once, wherever the program is."""
        del frame
        now = time.monotonic()
        if self._signum is None:
            self._signum, self._signalled_at = signum, now
        elif now - self._signalled_at > ONE_SIGNAL:
            raise InterruptedRunError(self._signum)
