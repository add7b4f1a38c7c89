"""ChartMogul's bulk imports (`json_imports`): posted under our own numbers, then polled until they are completed.

Their ids are `<prefix>load-0001`, `-0002` and so on: a run after a crash finds what is still under way by counting.
What an import's failures look like is not documented, nor is every status: what came of it is read from the listings.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec

from target_chartmogul.chartmogul.client import ChartMogulClient, path_of
from target_chartmogul.chartmogul.creation import create
from target_chartmogul.chartmogul.errors import NotUnderstoodError, RefusedError, UnreachableError, printable
from target_chartmogul.chartmogul.wire import Wire

logger = logging.getLogger(__name__)

LARGEST_BODY = 4_800_000
"""Bytes; ChartMogul takes 5 MB."""
UNDER_WAY = 4
"""Imports that are not waited for before the next one is posted."""
POLL_SECONDS = 2.0
LONGEST_WAIT = 6 * 3600.0
"""Seconds after which an import that is still under way ends the run: another run waits for it again."""
LONGEST_WAIT_FOR_UNKNOWN = 300.0
"""Seconds for which an import with a status that nobody knows may still become another one."""
_UNDER_WAY = frozenset({"queued", "processing"})
_ENDED = frozenset({"completed", "failed", "error", "errored", "cancelled", "canceled"})


class JsonImports:
    """The bulk imports of one data source.

    Args:
        client: ChartMogul.
        wire: names the data source and the prefix.
        after: the number of the last import that there is, as an earlier `finish_earlier` gave it.
    """

    def __init__(self, client: ChartMogulClient, wire: Wire, *, after: int = 0) -> None:
        self._client = client
        self._source = wire.data_source_uuid
        self._prefix = wire.outer("load-")
        self._under_way: list[int] = []
        self._next = after + 1
        self._polled = float("-inf")
        self._since: dict[tuple[int, str | None], float] = {}

    def finish_earlier(self, known: int = 0) -> int:
        """Wait for what earlier runs have posted; must come before ChartMogul's content is read.

        Args:
            known: the number of a finished import, from which to count.

        Returns:
            The number of the last import that there is, 0 for none. It takes one request if nothing is new.

        Raises:
            StoppedError: the run ends.
        """
        last = self._last(known)
        self._next = last + 1
        self._under_way = [
            number for number in range(max(known, last - UNDER_WAY) + 1, last + 1) if not self._has_ended(number)
        ]
        if self._under_way:
            logger.info("Waiting for %d bulk imports of an earlier run", len(self._under_way))
        self.wait()
        return last

    @property
    def last(self) -> int:
        """The number of the last import that there is, 0 for none."""
        return self._next - 1

    def post(self, records: dict[str, list[msgspec.Raw]]) -> bool:
        """Post an import, after waiting for one of those under way if there are too many.

        Returns:
            Whether ChartMogul took it; if not, nothing of it is there.

        Raises:
            StoppedError: the run ends.
            UnreachableError, CredentialsError: see `ChartMogulClient.post`.
        """
        self.wait(at_most=UNDER_WAY - 1)
        while True:
            number, self._next = self._next, self._next + 1
            body: dict[str, Any] = {"external_id": self._name(number), **records}
            try:
                path = path_of("data_sources", self._source, "json_imports")
                create(self._client, path, body, lambda number=number: self._status(number), told="id")  # type: ignore[misc]
            except RefusedError as refusal:
                if refusal.duplicate:
                    continue  # the number is used, though ChartMogul no longer shows what for
                logger.warning("Bulk import %s: %s; its records are sent one by one", self._name(number), refusal)
                return False
            self._under_way.append(number)
            return True

    def wait(self, at_most: int = 0) -> None:
        """Wait until no more than so many imports are under way; asks every two seconds.

        Raises:
            StoppedError: the run ends.
            UnreachableError: one is under way for longer than `LONGEST_WAIT`.
        """
        while len(self._under_way) > at_most:
            pause = self._polled + POLL_SECONDS - time.monotonic()
            if pause > 0:
                self._client.pause(pause)
            self._polled = time.monotonic()
            if self._has_ended(self._under_way[0]):
                self._under_way.pop(0)

    def _last(self, known: int) -> int:
        """The highest number in use: by doubling steps, then by halving them."""
        low, step = known, 1
        while self._status(low + step) is not None:
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._status(middle) is not None else (low, middle)
        return low

    def _has_ended(self, number: int) -> bool:
        """Whether nothing more is to be expected of an import; an unknown status is logged and waited for with an end.

        Raises:
            UnreachableError: it is under way for longer than `LONGEST_WAIT`.
        """
        status = self._status(number)
        if status is None or status in _ENDED:
            return True
        new = (number, status) not in self._since
        waited = time.monotonic() - self._since.setdefault((number, status), time.monotonic())
        if status in _UNDER_WAY:
            if waited > LONGEST_WAIT:
                raise UnreachableError(
                    f"{self._client.host}: bulk import {self._name(number)} is “{status}” for hours; run again later"
                )
            return False
        if new:
            logger.warning(
                "Bulk import %s has the status “%s”, which is not documented; if it keeps it, what came of the import "
                "is looked up after %d seconds",
                printable(self._name(number)),
                printable(status),
                LONGEST_WAIT_FOR_UNKNOWN,
            )
        return waited >= LONGEST_WAIT_FOR_UNKNOWN

    def _status(self, number: int) -> str | None:
        """The status of an import, None if there is none of this number."""
        path = path_of("data_sources", self._source, "json_imports", self._name(number))
        try:
            answer = self._client.get(path)
        except RefusedError as refusal:
            if refusal.missing:
                return None
            raise
        if not isinstance(answer, dict):
            raise NotUnderstoodError(f"{self._client.host} answered GET {path} without an import")
        return str(answer.get("status") or "queued")

    def _name(self, number: int) -> str:
        return f"{self._prefix}{number:04d}"
