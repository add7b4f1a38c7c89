"""The gate that every request to ChartMogul passes: at most 40 in any second and 20 at a time, per account.

Requests are spaced evenly instead of counted in a window: a burst that leaves within the limit may still arrive
bunched and exceed it. The pace lies a little below the limit for the same reason. With a folder, processes of one user
share pace, pauses and connections through small locked files there (the clock is the machine's monotonic one).
"""

from __future__ import annotations

import hashlib
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

REQUESTS_PER_SECOND = 38.6
"""96.5 % of the 40 that ChartMogul allows: the 41st request leaves 36 ms after the second is over."""
CONNECTIONS = 20
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
LONGEST_RETRY_AFTER = 300.0
_SLOWER = 1.5
_RECOVERY = 0.98
_SLOWEST_SPACING = 1.0
_LAYOUT = struct.Struct("<5d")


class Pace(msgspec.Struct):
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


class RequestGate:
    """Hands out the moments at which requests may leave, and the connections that they may use.

    Args:
        folder: where processes meet (the folder of the ledger); None for this process alone.
        account: what the limit belongs to (address and key); only a digest of it becomes a file name.
        per_second: the pace.
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
        self._lock = threading.Lock()
        self._memory = Pace(spacing=self._spacing)
        self._connections = threading.BoundedSemaphore(connections)
        self._file: Path | None = None
        self._file_lock: FileLock | None = None
        self._connection_locks: list[Path] = []
        if folder is not None:
            digest = hashlib.sha256(account.encode()).hexdigest()[:8]
            folder.mkdir(parents=True, exist_ok=True)
            self._file = folder / f".chartmogul-{digest}.pace"
            self._file_lock = FileLock(f"{self._file}.lock", thread_local=False)
            self._connection_locks = [
                folder / f".chartmogul-{digest}.connection-{number}.lock" for number in range(connections)
            ]

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
            yield max(leave, now)

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
            pace.next = max(pace.next, now + wait)
            pace.spacing = min(_SLOWEST_SPACING, pace.spacing * _SLOWER)
            return wait

    def answered(self, left: float) -> None:
        """After an answer to a request that left at `left`: the next pause is a short one again."""
        if self._file is None and not self._memory.pause:
            return
        with self._pace() as pace:
            if left >= pace.paused:
                pace.pause = 0.0

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
                self._file.write_bytes(_LAYOUT.pack(*msgspec.structs.astuple(pace)))

    def _read(self, file: Path) -> Pace:
        with suppress(OSError, struct.error):
            pace = Pace(*_LAYOUT.unpack(file.read_bytes()))
            now = self._clock()
            # The monotonic clock starts anew with the machine: what an earlier start wrote says nothing.
            if pace.written <= now and pace.next <= now + LONGEST_RETRY_AFTER and pace.spacing >= self._spacing:
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
                with suppress(Timeout):
                    lock.acquire(blocking=False)
                    return lock
            time.sleep(0.005)
