"""A journal in memory: what apply tells the store, for tests of apply alone."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from target_chartmogul.billing.changes import Change, Kind, Refusal


class MemoryJournal:
    """Keeps everything that it hears; `held` is what it thinks ChartMogul has (invoices without later part changes)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.uuids: dict[tuple[Kind, str], str] = {}
        self.intents: dict[tuple[Kind, str], Change] = {}
        self.acknowledgements: list[Change] = []
        self.refusals: list[tuple[Change, Refusal]] = []
        self.emails: dict[str, str] = {}
        self.notices: list[tuple[str, str]] = []
        self.missing: list[tuple[Kind, str]] = []
        self.lanes: dict[int, bool] = {}

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        return self.uuids.get((kind, external_id))

    def intend(self, change: Change) -> None:
        with self._lock:
            self.intents[change.kind, change.external_id] = change

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        with self._lock:
            self.intents.pop((change.kind, change.external_id), None)
            self.acknowledgements.append(change)
            if change.action == "delete":
                self.uuids.pop((change.kind, change.external_id), None)
            self.uuids.update(uuids)

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def refused(self, change: Change, refusal: Refusal) -> None:
        with self._lock:
            if not refusal.uncertain:
                self.intents.pop((change.kind, change.external_id), None)
            self.refusals.append((change, refusal))

    def email_refused(self, external_id: str, email: str) -> None:
        with self._lock:
            self.emails[external_id] = email

    def noticed(self, change: Change, what: str) -> None:
        with self._lock:
            self.notices.append((change.external_id, what))

    def gone(self, kind: Kind, external_id: str) -> None:
        with self._lock:
            self.missing.append((kind, external_id))
            self.uuids.pop((kind, external_id), None)

    def lane_done(self, lane: int, *, complete: bool) -> None:
        with self._lock:
            self.lanes[lane] = complete

    def refused_ids(self) -> list[str]:
        return sorted(change.external_id for change, _ in self.refusals)


def create(kind: Kind, thing: Any, **more: Any) -> Change:
    parent = getattr(thing, "customer_external_id", None) if kind == "invoice" else None
    return Change(
        action="create", kind=kind, external_id=thing.external_id, desired=thing, **{"parent": parent, **more}
    )


def update(kind: Kind, held: Any, desired: Any = None, parent: str | None = None, **fields: Any) -> Change:
    desired = desired or msgspec.structs.replace(held, **fields)
    return Change(
        action="update", kind=kind, external_id=desired.external_id, desired=desired, held=held, parent=parent
    )


def delete(kind: Kind, held: Any, **more: Any) -> Change:
    parent = getattr(held, "customer_external_id", None) if kind == "invoice" else None
    return Change(action="delete", kind=kind, external_id=held.external_id, held=held, **{"parent": parent, **more})


def root_of(kind: Kind, external_id: str) -> str:
    """An order's invoices share its id: `500` and `500-c2`."""
    return external_id.partition("-c")[0] if kind == "invoice" else external_id
