"""What happened in a run, as plain data for log, exit code and report (rule 7.1). May be told from several threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from target_chartmogul.changes import Change, Refusal
from target_chartmogul.keap.group import Decision, Existing, Held, Note, Reject


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A change that ChartMogul did not take."""

    kind: str
    external_id: str
    action: str
    status: int | None
    field: str
    reason: str


class RunRecord:
    """Collects; decides nothing."""

    def __init__(self, accepted_rejects: frozenset[str] = frozenset()) -> None:
        self._accepted = accepted_rejects
        self._lock = threading.Lock()
        self.notes: list[Note] = []
        self.rejects: list[Reject] = []
        self.holds: list[Held] = []
        self.refusals: list[Refused] = []
        self.notices: list[tuple[str, str, str]] = []
        """Kind, external id and what `Journal.noticed` said."""
        self.done: Counter[tuple[str, str]] = Counter()
        """Acknowledged changes by action and kind."""
        self.guards: list[str] = []
        self.facts: dict[str, Any] = {}

    def note(self, note: Note) -> None:
        """An entry of the report."""
        self.notes.append(note)

    def reject(self, reject: Reject) -> None:
        """A record that can never be accepted."""
        if reject not in self.rejects:
            self.rejects.append(reject)

    def held(self, held: Held) -> None:
        """A record that waits."""
        self.holds.append(held)

    def decided(self, existing: Existing, decision: Decision) -> None:
        """A group: what ChartMogul holds of it and what it should hold."""

    def acknowledged(self, change: Change) -> None:
        """ChartMogul has taken a change."""
        with self._lock:
            self.done[change.action, change.kind] += 1

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul has not taken a change."""
        with self._lock:
            self.refusals.append(
                Refused(
                    kind=change.kind,
                    external_id=change.external_id,
                    action=change.action,
                    status=refusal.status,
                    field=refusal.field,
                    reason=refusal.reason,
                )
            )

    def noticed(self, change: Change, what: str) -> None:
        """Something about a change that is no error."""
        with self._lock:
            self.notices.append((change.kind, change.external_id, what))

    @property
    def counting_rejects(self) -> list[Reject]:
        """Rejects that the exit code is about: those that nobody accepted."""
        return [each for each in self.rejects if f"{each.stream}:{each.id}" not in self._accepted]

    @property
    def has_rejects(self) -> bool:
        """Whether the run ends with the exit code of rejects (rule 1.5)."""
        return bool(self.counting_rejects or self.refusals)

    def written(self, action: str) -> int:
        """How many objects were created, updated or deleted."""
        return sum(number for (each, _), number in self.done.items() if each == action)

    def planned(self, counts: Mapping[tuple[str, str, bool], int]) -> dict[str, dict[str, int]]:
        """Changes by kind and action."""
        found: dict[str, dict[str, int]] = {}
        for (action, kind, _), number in sorted(counts.items()):
            found.setdefault(kind, {})[action] = found.get(kind, {}).get(action, 0) + number
        return found
