"""What every part of the service shares: the store, the settings, the clock and the MRR arithmetic."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime
from typing import Protocol

from sandbox.chartmogul import timestamps
from sandbox.chartmogul.mrr import MrrCalculator
from sandbox.chartmogul.settings import Settings
from sandbox.chartmogul.store import Store


class Clock(Protocol):
    def now(self) -> datetime: ...


class State:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        self.settings = Settings()
        self.store = Store(self.settings)
        self.mrr = MrrCalculator(self.store, self.settings)
        self.deletions: dict[str, float] = {}
        self.unvalidated: dict[int, int] = {}  # by source, how many records of a bulk import still wait
        self._writes: deque[tuple[float, int]] = deque()

    def now(self) -> int:
        return timestamps.from_datetime(self.clock.now())

    def note_write(self, source_seq: int, count: int = 1) -> None:
        """Remember records whose metrics are computed only `processing_delay` seconds from now."""
        if self.settings.processing_delay:
            self._writes.extend([(time.monotonic(), source_seq)] * count)

    def pending(self, source_seq: int) -> int:
        """How many records of a data source still wait for their metrics."""
        ripe = time.monotonic() - self.settings.processing_delay
        while self._writes and self._writes[0][0] <= ripe:
            self._writes.popleft()
        return sum(1 for _, seq in self._writes if seq == source_seq) + self.unvalidated.get(source_seq, 0)
