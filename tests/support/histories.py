"""Accounts of Keap at several moments: billing's usual days, and every edit that a person can make between them."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sandbox.clock import format_instant
from sandbox.sample.evolve import evolve
from sandbox.sample.generate import generate_account
from tests.support.keap_edits import Editor, Rows

BEGIN = datetime.fromisoformat("2026-06-01T08:00:00Z")
CHANGED = {
    "contacts": "update_time",
    "orders": "modification_time",
    "subscriptions": "modification_time",
    "products": "update_time",
    "payments": "update_time",
}
"""Where Keap says when a row changed last."""
FORGETTABLE = ("contacts", "orders")
"""Streams whose rows, once gone, only a whole read misses."""


@dataclass
class Moment:
    """An account as it is at a time."""

    now: datetime
    rows: Rows
    edits: tuple[str, ...] = ()


class History:
    """From a seed: an account at two to five moments.

    Args:
        seed: the same seed makes the same history.
        forgets: orders and contacts may disappear; else Keap shows all that it ever had, but for merged contacts.
    """

    def __init__(self, seed: int, *, forgets: bool) -> None:
        self.chance = random.Random(seed)
        self._forgets = forgets
        rows = generate_account(seed, contacts=self.chance.randint(2, 5), months=self.chance.randint(3, 9), now=BEGIN)
        self.moments = [Moment(BEGIN, rows)]
        for step in range(self.chance.randint(1, 4)):
            self.moments.append(self._next(self.moments[-1], seed * 1000 + step))

    @property
    def last(self) -> Moment:
        return self.moments[-1]

    def _next(self, before: Moment, seed: int) -> Moment:
        now = before.now + timedelta(days=self.chance.choice([2, 3, 9, 20, 45]))
        rows = evolve(before.rows, seed, before=before.now, now=now)
        if not self._forgets:
            for stream in FORGETTABLE:
                left = {row["id"] for row in rows[stream]}
                rows[stream] += [copy.deepcopy(row) for row in before.rows[stream] if row["id"] not in left]
        told = {stream: {row["id"]: copy.deepcopy(row) for row in rows[stream]} for stream in CHANGED}
        editor = Editor(rows, self.chance)
        editor._new_id += seed % 10_000 * 100
        for moment in self.moments:
            lost = {row["id"]: row for row in moment.rows["subscriptions"]}
            there = {row["id"] for row in rows["subscriptions"]}
            editor.removed |= {
                ("subscriptions", key): copy.deepcopy(row) for key, row in lost.items() if key not in there
            }
        edits = tuple(editor.edit() for _ in range(self.chance.randint(0, 6)))
        for stream, field in CHANGED.items():
            for row in rows[stream]:
                if row != told[stream].get(row["id"]):
                    row[field] = format_instant(now - timedelta(hours=1))
        return Moment(now, rows, edits)

    # what Keap does not show any more

    @cached_property
    def gone(self) -> dict[str, set[str]]:
        """Ids of orders and contacts that Keap had once."""
        return {
            stream: {row["id"] for moment in self.moments for row in moment.rows[stream]}
            - {row["id"] for row in self.last.rows[stream]}
            for stream in FORGETTABLE
        }

    def versions(self, stream: str, row_id: str) -> list[dict[str, Any] | None]:
        """A row as it was at each moment, None where it was not there."""
        return [next((row for row in moment.rows[stream] if row["id"] == row_id), None) for moment in self.moments]
