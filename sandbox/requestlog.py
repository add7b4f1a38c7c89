"""What was asked of one API: every request with its answer, in order, and figures over all of them."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_KEPT = 200_000  # older entries give way; the figures of the summary stay
_ID = re.compile(r"/(?:\d+|(?:cus|pl|inv|li|tr|ds|sub|evt|ev|imp|acc)_[0-9a-f-]+)(?=[/:]|$)")


@dataclass(slots=True)
class Entry:
    """One request. ``time`` is monotonic seconds, ``ms`` milliseconds, status 0: it never got an answer."""

    n: int
    time: float
    method: str
    path: str
    query: str
    status: int
    write: bool
    ms: float
    concurrent: int
    fault: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class RequestLog:
    """The log of one API."""

    def __init__(self) -> None:
        self._running = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything; requests under way are still counted as running."""
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._count = 0
        self._writes = 0
        self._by_route: Counter[tuple[str, str, int]] = Counter()
        self._last_second: deque[float] = deque()
        self._max_per_second = 0
        self._max_parallel = 0

    def begin(self, now: float, method: str, path: str, query: str) -> Entry:
        """Note a request that has arrived at the monotonic time ``now``."""
        self._running += 1
        self._count += 1
        self._max_parallel = max(self._max_parallel, self._running)
        window = self._last_second
        window.append(now)
        while window[0] <= now - 1.0:
            window.popleft()
        self._max_per_second = max(self._max_per_second, len(window))
        write = method not in _READS and not path.endswith("/token")
        entry = Entry(self._count, now, method, path, query, 0, write, 0.0, self._running)
        self._entries.append(entry)
        return entry

    def end(self, entry: Entry, now: float) -> None:
        """Note that the request of ``entry`` is over; its status is set by then."""
        self._running -= 1
        entry.ms = round((now - entry.time) * 1000, 3)
        self._writes += entry.write
        self._by_route[entry.method, _ID.sub("/{id}", entry.path), entry.status] += 1

    def since(self, number: int) -> list[dict[str, Any]]:
        """Return the entries with a number above ``number``, oldest first."""
        return [entry.as_dict() for entry in self._entries if entry.n > number]

    def summary(self) -> dict[str, Any]:
        """Return the figures over all requests since the log was cleared."""
        return {
            "requests": self._count,
            "writes": self._writes,
            "max_per_second": self._max_per_second,
            "max_parallel": self._max_parallel,
            "routes": [
                {"method": method, "route": route, "status": status, "count": count}
                for (method, route, status), count in sorted(self._by_route.items())
            ],
        }
