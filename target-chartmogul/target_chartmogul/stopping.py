"""One place that knows that the run should end: a signal, or the clock."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from target_chartmogul import exit_codes
from target_chartmogul.failures import StoppedError, TargetChartMogulError, UnfinishedError

ONE_SIGNAL = 1.0
"""SIGINT and SIGTERM within so many seconds are one wish: Meltano sends the second after a person's Ctrl-C."""


class StopSwitch:
    """Asked at safe points whether to continue.

    Args:
        max_minutes: how long a run may work once its input is complete; None for no limit. Reading does not count: a
            run that had read for too long would end without having done anything, and so would the next.
        note: takes the exit code of a run that a second signal ends at once.
    """

    def __init__(self, max_minutes: float | None = None, note: Callable[[int], None] = lambda _: None) -> None:
        self.event = threading.Event()
        """Set when the run should end; what waits may wait for it."""
        self.interruptible = True
        """While nothing was written yet, a signal ends the run at once instead of at a safe point."""
        self._signal: int | None = None
        self._signalled_at = 0.0
        self._note = note
        self._minutes = max_minutes
        self._deadline: float | None = None
        self._timer: threading.Timer | None = None

    def on_signal(self, signum: int) -> None:
        """The first signal asks for the end; one that comes more than a second later is the end.

        Raises:
            StoppedError: nothing was written yet.
        """
        now = time.monotonic()
        if self._signal is not None:
            if now - self._signalled_at > ONE_SIGNAL:
                self._note(_code(self._signal))
                os._exit(_code(self._signal))
            return
        self._signal, self._signalled_at = signum, now
        self.event.set()
        if self.interruptible:
            raise self._stopped()

    def start_clock(self) -> None:
        """The time begins to run; when it is up, the event is set."""
        if self._minutes is not None:
            self._deadline = time.monotonic() + 60 * self._minutes
            self._timer = threading.Timer(60 * self._minutes, self.event.set)
            self._timer.daemon = True
            self._timer.start()

    def reason(self) -> TargetChartMogulError | None:
        """Why the run ends early, None if it does not."""
        if self._signal is not None:
            return self._stopped()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return UnfinishedError(f"stopped after `max_run_minutes` ({self._minutes:g}); the next run continues")
        return None

    def check(self) -> None:
        """Raise if the run should end; for places where nothing was written yet."""
        found = self.reason()
        if found is not None:
            raise found

    def _stopped(self) -> StoppedError:
        name = signal.Signals(self._signal or signal.SIGTERM).name
        return StoppedError(f"stopped by {name}; the next run continues", _code(self._signal or signal.SIGTERM))


def _code(signum: int) -> int:
    return exit_codes.INTERRUPTED if signum == signal.SIGINT else exit_codes.TERMINATED
