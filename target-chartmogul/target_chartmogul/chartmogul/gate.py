"""The gate that every request to ChartMogul passes: at most 40 in any second and 20 at a time, per account.

Requests are spaced evenly, a little below the limit: a burst that leaves within the limit may arrive bunched and
exceed it. On top of that, what really left in the last second is counted, since a busy machine wakes threads late, and
what was answered late counts as late on the way. With a folder, processes of one user share all this through small
locked files there (the clock is the machine's monotonic one).
"""

from __future__ import annotations

import hashlib
import logging
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from target_chartmogul.chartmogul.errors import NoMoreFilesError

logger = logging.getLogger(__name__)

LIMIT = 40
"""Requests that ChartMogul takes in any second."""
REQUESTS_PER_SECOND = 38.6
"""The even pace, 96.5 % of the limit: the 41st request leaves 36 ms after the second is over."""
CONNECTIONS = 20
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
LONGEST_RETRY_AFTER = 300.0
_SLOWER = 1.5
_RECOVERY = 0.98
_SLOWEST_SPACING = 1.0
_WINDOW = 1.03
"""Seconds in which no more than `LIMIT` requests leave, however late threads wake: a second, and a bit for the way."""
_LATE = 0.015
_MOST_LATE = 0.2
"""What an answer may come later than usual without, and at most with, being counted as a request that arrived late."""
_LAYOUT = struct.Struct(f"<7d{LIMIT}d")


class Pace(msgspec.Struct, array_like=True):
    """The shared state: all times in seconds of the monotonic clock."""

    written: float = 0.0
    next: float = 0.0
    """When the next request may leave."""
    spacing: float = 0.0
    """Seconds between requests; wider than the limit asks for after a 429 or 503, and slowly back."""
    paused: float = 0.0
    """When the last pause was begun: what left before it belongs to the same trouble."""
    pause: float = 0.0
    """Length of the last pause; 0 after an answer."""
    resume: float = 0.0
    """When the last pause ends, for those too that had their turn assigned before it."""
    usual: float = 0.0
    """Seconds from a request to its answer, smoothed; 0 before the first."""
    left: tuple[float, ...] = (0.0,) * LIMIT
    """When the last requests really left, or probably arrived where that was late; the oldest first."""


class RequestGate:
    """Hands out the moments at which requests may leave, and the connections that they may use.

    Args:
        folder: where processes meet (the folder of the store); None for this process alone.
        account: what the limit belongs to (address and key); only a digest of it becomes a file name.
        per_second: the pace, if it is to be another one (an account that others use too).
        connections: how many requests may be under way at a time.
        clock: monotonic seconds, common to all processes of the machine.
    """

    def __init__(
        self,
        folder: Path | None = None,
        account: str = "",
        *,
        per_second: float = REQUESTS_PER_SECOND,
        connections: int = CONNECTIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._spacing = 1 / per_second
        self._window = _WINDOW * REQUESTS_PER_SECOND / per_second
        self._lock = threading.Lock()
        self._memory = Pace(spacing=self._spacing)
        self._connections = threading.BoundedSemaphore(connections)
        self._file: Path | None = None
        self._file_lock: FileLock | None = None
        self._connection_locks: list[Path] = []
        if folder is not None:
            self._share(folder, account, connections)

    def _share(self, folder: Path, account: str, connections: int) -> None:
        """Share the limits through files; where files cannot be locked, this process keeps them for itself."""
        digest = hashlib.sha256(account.encode()).hexdigest()[:8]
        place = folder / f".chartmogul-{digest}"
        lock = FileLock(place / "pace.lock", thread_local=False)
        try:
            place.mkdir(parents=True, exist_ok=True)
            with lock:
                pass
        except (OSError, NotImplementedError):
            logger.warning(
                "Files next to the store cannot be locked: let no other run use this ChartMogul account now."
            )
            return
        self._file = place / "pace"
        self._file_lock = lock
        self._connection_locks = [place / f"connection-{number}.lock" for number in range(connections)]

    @contextmanager
    def passing(self, sleep: Callable[[float], None] = time.sleep) -> Iterator[float]:
        """Wait for a connection and, by `sleep`, for the moment to send; yields that moment, for `throttled`."""
        with self._connections, self._shared_connection():
            with self._pace() as pace:
                now = self._clock()
                leave = max(now, pace.next)
                pace.next = leave + pace.spacing
                pace.spacing = max(self._spacing, pace.spacing * _RECOVERY)
            if leave > now:
                sleep(leave - now)
            left, wait = self._leave()
            while wait > 0:
                sleep(wait)
                left, wait = self._leave()
            yield left

    def _leave(self) -> tuple[float, float]:
        """Count a request that leaves now, or say after how many seconds it may: (now, seconds)."""
        with self._pace() as pace:
            now = self._clock()
            wait = max(pace.resume - now, pace.left[0] + self._window - now if pace.left[0] else 0.0)
            if wait <= 0:
                pace.left = (*pace.left[1:], now)
            return now, wait

    def throttled(self, left: float, retry_after: float | None = None) -> float:
        """Slow everyone down after a 429 or 503 to a request that left at `left`; returns the seconds of the pause.

        Requests that were under way together are refused together: only the first of them begins a pause, and only
        trouble after a pause makes the next one longer.
        """
        with self._pace() as pace:
            now = self._clock()
            if left < pace.paused:
                return max(0.0, pace.next - now)
            pace.pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, pace.pause * 2))
            wait = pace.pause if retry_after is None else min(LONGEST_RETRY_AFTER, max(0.0, retry_after))
            pace.paused = now
            pace.resume = now + wait
            pace.next = max(pace.next, pace.resume)
            pace.spacing = min(_SLOWEST_SPACING, pace.spacing * _SLOWER)
            return wait

    def answered(self, left: float) -> None:
        """After an answer to a request that left at `left`: the next pause is a short one again.

        An answer that took unusually long belongs to a request that may have waited on the way: together with those
        after it, it would arrive bunched.
        """
        with self._pace() as pace:
            if left >= pace.paused:
                pace.pause = 0.0
            took = self._clock() - left
            late = took - pace.usual if pace.usual else 0.0
            pace.usual = took if not pace.usual else pace.usual + (took - pace.usual) * (0.5 if late < 0 else 0.02)
            if late > _LATE and left in pace.left:
                arrived = left + min(late, _MOST_LATE)
                pace.left = tuple(sorted(arrived if each == left else each for each in pace.left))

    @contextmanager
    def _pace(self) -> Iterator[Pace]:
        with self._lock:
            if self._file is None or self._file_lock is None:
                yield self._memory
                return
            with self._file_lock.acquire(poll_interval=0.002):
                pace = self._read(self._file)
                yield pace
                pace.written = self._clock()
                *numbers, left = msgspec.structs.astuple(pace)
                with suppress(OSError):  # a full disk ends the run elsewhere
                    self._file.write_bytes(_LAYOUT.pack(*numbers, *left))

    def _read(self, file: Path) -> Pace:
        with suppress(OSError, struct.error):
            numbers = _LAYOUT.unpack(file.read_bytes())
            pace = msgspec.convert([*numbers[:-LIMIT], numbers[-LIMIT:]], Pace)
            now = self._clock()
            # The monotonic clock starts again with the machine: what an earlier start wrote says nothing.
            if pace.written <= now + 1 and pace.next <= now + LONGEST_RETRY_AFTER and pace.spacing >= self._spacing:
                return pace
        return Pace(spacing=self._spacing)

    @contextmanager
    def _shared_connection(self) -> Iterator[None]:
        if not self._connection_locks:
            yield
            return
        lock = self._take_connection()
        try:
            yield
        finally:
            lock.release()

    def _take_connection(self) -> FileLock:
        """Lock one of the connection files; the system unlocks it if this process dies."""
        while True:
            for path in random.sample(self._connection_locks, len(self._connection_locks)):
                lock = FileLock(path, thread_local=False, is_singleton=False)
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    continue
                except OSError as error:
                    raise NoMoreFilesError(
                        f"a file that counts connections cannot be opened: {error.strerror}; raise the limit of open "
                        "files, or free space, and run again"
                    ) from None
                return lock
            time.sleep(0.005)
