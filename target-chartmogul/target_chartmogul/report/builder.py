"""The report of a run: one JSON document, and a few lines for the log (rules 7.1 to 7.3).

What stands in it is described in the documentation's `report.md`; `REPORT_VERSION` is raised whenever that changes
in a way that a reader must know of. It names records and objects by id and holds neither names nor addresses.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from target_chartmogul.billing.changes import Action, Change, Kind, Refusal
from target_chartmogul.billing.decisions import Note, Reject
from target_chartmogul.billing.objects import Invoice
from target_chartmogul.report.document import TOP_LISTS, write_document
from target_chartmogul.report.lists import (
    REFUSED_ADVICE,
    UNANSWERED_ADVICE,
    reject_advice,
    words,
)
from target_chartmogul.report.months import Months
from target_chartmogul.report.spool import Spool
from target_chartmogul.report.text import money

logger = logging.getLogger("target-chartmogul")

REPORT_VERSION = 2
KINDS: dict[Kind, str] = {
    "customer": "customers",
    "plan": "plans",
    "invoice": "invoices",
    "line_item": "line_items",
    "transaction": "transactions",
    "event": "cancellations",
}
_ABOUT_NO_RECORD = {"zero_decimal_currencies"}
MRR_IS = (
    "Computed by this target from the invoices and cancellations of its own data source, unconverted;"
    " not ChartMogul's own figure."
)


class Counts(msgspec.Struct, kw_only=True):
    """Objects of one kind: what became of them in this run, or would in a dry run."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    moved: int = 0
    """Deleted under one id or customer and written again under another (rules 2.1, 4.9)."""
    unchanged: int = 0
    rejected: int = 0
    """Refused by ChartMogul, or left out since something that they need was."""


class ReportBuilder:
    """Collects what a run finds and does. It listens to planning and to apply; methods may be called from any thread.

    Args:
        started: when the run began, by the machine's clock, aware.
        now: the clock that the mapping was given.
        records_of: the records that an object is made of, as `orders:123`.
        dry_run: nothing is written; planned changes are counted and itemised instead.
        accepted: `accepted_rejects`, as `orders:123`.
    """

    def __init__(
        self,
        *,
        started: datetime,
        now: datetime,
        records_of: Callable[[Change], list[str]],
        dry_run: bool = False,
        accepted: frozenset[str] = frozenset(),
    ) -> None:
        self.started = started
        self.now = now
        self.dry_run = dry_run
        self._accepted = accepted
        self._records_of = records_of
        self._refused: dict[tuple[Kind, str], tuple[dict[str, Any], bool]] = {}
        self._spool = Spool()
        self._counts = {name: Counts() for name in KINDS.values()}
        self._held_before: dict[str, int] = {}
        self._lock = threading.Lock()
        self._sections: dict[str, Any] = {}
        self._changes: Counter[Action] = Counter()
        self._said: set[tuple[str, str]] = set()
        self._known_rejects: set[tuple[str, str, str, str]] = set()
        self.guards: list[str] = []
        """Sentences of the guards of rule 1.7 that stopped the run, or would have without `force`."""
        self._not_accepted: Counter[str] = Counter()
        """By list: invalid and refused ones that `accepted_rejects` does not name (rule 1.5)."""

    # planning

    def note(self, note: Note) -> None:
        """An entry of a list, by its kind. What is said of a currency is said once, however many groups use it."""
        if note.kind in _ABOUT_NO_RECORD:
            if (note.kind, note.id) in self._said:
                return
            self._said.add((note.kind, note.id))
        self._spool.add(note.kind, {"id": note.id, "rule": note.rule, **note.detail})

    def reject(self, reject: Reject) -> None:
        """A row that no record of the store stands for, or an account that the rules could not decide."""
        entry = {"stream": reject.stream, "id": reject.id, "field": reject.field, "reason": reject.reason}
        self._reject(entry, {"since": None, "new": True})

    def _reject(self, entry: dict[str, Any], known: dict[str, Any]) -> None:
        key = (entry["stream"], entry["id"], entry["field"], entry["reason"])
        if key in self._known_rejects:
            return
        self._known_rejects.add(key)
        accepted = self._is_accepted("rejects", f"{entry['stream']}:{entry['id']}")
        advice = reject_advice(entry["stream"], entry["field"])
        kept = {name: entry[name] for name in ("stream", "id", "field", "reason")}
        self._spool.add("rejects", {**kept, "what_to_do": advice, "accepted": accepted, **known})

    def outstanding(self, kind: str, entry: dict[str, Any], *, since: str, new: bool) -> None:
        """An entry of the whole account's lists, rejects and waiting records among them (rule 7.2).

        Args:
            kind: its list.
            entry: its content.
            since: when it was first found, in UTC.
            new: this run found it.
        """
        known = {"since": since, "new": new}
        if kind in _ABOUT_NO_RECORD:
            if (kind, entry["id"]) in self._said:
                return
            self._said.add((kind, entry["id"]))
        if kind == "rejects":
            self._reject({**entry, "id": entry["record"]}, known)
        elif kind == "waiting":
            self._spool.add("waiting", {**entry, "id": entry["record"], **known})
        elif kind == "refusals":
            external_id = entry["id"].partition(":")[2]
            again, uncertain = self._refused.pop((entry["kind"], external_id), ({**entry, "id": external_id}, False))
            self._add_refusal(again, known, uncertain=uncertain)
        else:
            self._spool.add(kind, {**entry, **known})

    def drift(self, kind: Kind, external_id: str, *, missing: bool, new: bool) -> None:
        """What ChartMogul listed otherwise than it was sent: a person did it (rules 1.11, 6.8)."""
        name = "deleted_in_chartmogul" if missing else "edited"
        self._spool.add(name, {"id": external_id, "kind": kind, "rule": "1.11", "new": new})

    def entry(self, name: str, content: dict[str, Any]) -> None:
        """An entry of any list."""
        self._spool.add(name, content)

    def planned(self, change: Change) -> None:
        """A change of a dry run: counted as if done, and itemised by the names of the fields that differ."""
        self._count(change)
        self._spool.add(
            "changes",
            {
                "action": "move" if change.moved else change.action,
                "kind": change.kind,
                "id": change.external_id,
                "rule": change.rule,
                "fields": _differing(change),
            },
        )

    # apply

    def acknowledged(self, change: Change) -> None:
        """ChartMogul has it."""
        self._count(change)

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it."""
        with self._lock:
            self._counts[KINDS[change.kind]].rejected += 1
        entry = {
            "kind": change.kind,
            "id": change.external_id,
            "action": change.action,
            "records": sorted(self._records_of(refusal.because_of or change)),
            "status": refusal.status,
            "field": refusal.field,
            "reason": refusal.reason,
        }
        with self._lock:
            self._refused[change.kind, change.external_id] = entry, refusal.uncertain

    def list_refusals(self) -> None:
        """Those of this run that the store has no entry of: without an answer, or of a run that ended early."""
        for entry, uncertain in self._refused.values():
            self._add_refusal(entry, {"since": None, "new": True}, uncertain=uncertain)
        self._refused.clear()

    def _add_refusal(self, entry: dict[str, Any], known: dict[str, Any], *, uncertain: bool) -> None:
        accepted = self._is_accepted("refusals", *entry["records"])
        advice = UNANSWERED_ADVICE if uncertain else REFUSED_ADVICE
        self._spool.add("refusals", {**entry, "what_to_do": advice, "accepted": accepted, **known})

    def noticed(self, change: Change, what: str) -> None:
        """Something that is no error; see `changes.Journal.noticed`."""
        self._spool.add(what, {"id": change.external_id, "kind": change.kind, "rule": change.rule})

    def churn(self, entry: dict[str, Any]) -> None:
        """A cancellation of the whole account's list (see `account_figures.churn_entries`)."""
        self._spool.add("churn", entry)

    # what became of it

    @property
    def has_rejects(self) -> bool:
        """Whether the run ends with the exit code of rejects (rule 1.5)."""
        return any(self._not_accepted.values())

    def listed(self, name: str) -> int:
        """How many entries a list has."""
        return self._spool.counts().get(name, 0)

    def first(self, name: str, number: int) -> list[dict[str, Any]]:
        """The first entries of a list, for the log."""
        return list(islice(self._spool.entries(name), number))

    def written(self, action: Action) -> int:
        """How many changes of all kinds were acknowledged (in a dry run: planned)."""
        with self._lock:
            return self._changes[action]

    # sections that others work out

    def held_before(self, counts: Mapping[str, int]) -> None:
        """Objects per kind (as in `changes.Kind`) that ChartMogul held before the run."""
        self._held_before = {KINDS[kind]: counts.get(kind, 0) for kind in KINDS}

    def section(self, name: str, content: Any) -> None:
        """One of `data_source`, `records`, `settings`, `preflight`, `requests`, `account`.

        Anything that msgspec turns into JSON; a later one replaces an earlier one.
        """
        self._sections[name] = content

    def mrr(self, months: Months, unpaid: dict[str, dict[str, int]], *, before: Months | None = None) -> None:
        """MRR by month and currency after the run (or what a dry run would do), and before it (rules 1.10, 7.3)."""
        section: dict[str, Any] = {
            "what_it_is": MRR_IS,
            "as_of": self.now.isoformat(),
            "months": months,
            "on_unpaid_orders_by_age_in_days": unpaid,
        }
        if before is not None:
            section["months_before"] = before
        self._sections["mrr"] = section

    def months_before_and_after(self) -> tuple[Months, Months]:
        """MRR by month before what the run decided and after it; the same twice where nothing changes."""
        found = self._sections.get("mrr") or {"months": {}}
        return found.get("months_before", found["months"]), found["months"]

    # the end

    def counts(self) -> dict[str, Counts]:
        """What became of the objects, by kind in the plural."""
        with self._lock:
            found = {name: msgspec.structs.replace(each) for name, each in self._counts.items()}
        for name, each in found.items():
            touched = each.updated + each.deleted + each.moved
            each.unchanged = max(self._held_before.get(name, 0) - touched, 0)
        return found

    def summary(self) -> list[str]:
        """Lines for the log: what was done, and how many of what to look at. Ids stand in the report."""
        would = "would be " if self.dry_run else ""
        lines = []
        for name, each in self.counts().items():
            parts = [
                f"{count} {would}{word}"
                for word, count in (
                    ("created", each.created),
                    ("updated", each.updated),
                    ("deleted", each.deleted),
                    ("moved", each.moved),
                )
                if count
            ]
            parts += [f"{each.unchanged} unchanged"] if each.unchanged else []
            parts += [f"{each.rejected} refused"] if each.rejected else []
            if parts:
                lines.append(f"{name.replace('_', ' ')}: {', '.join(parts)}")
        listed = self._spool.counts()
        for name, sentence in (
            ("rejects", "records rejected"),
            ("refusals", "objects refused by ChartMogul"),
            ("waiting", "records wait"),
        ):
            if listed.get(name):
                lines.append(f"{sentence}: {listed[name]}")
        lines += [f"{words(name).title}: {count}" for name, count in listed.items() if words(name).warns]
        return lines

    def rejects_in_words(self) -> str:
        """How many records and objects the run could not take, for its last line; accepted ones do not count."""
        counted = (
            (self._not_accepted["rejects"], "rejected record", "rejected records"),
            (self._not_accepted["refusals"], "object that ChartMogul refused", "objects that ChartMogul refused"),
        )
        return " and ".join(f"{number:,} {one if number == 1 else many}" for number, one, many in counted if number)

    def totals(self) -> str:
        """What was done in all, for the last line of a good run."""
        would = "would be " if self.dry_run else ""
        counts = self.counts().values()
        parts = [
            f"{total:,} {would}{word}"
            for word in ("created", "updated", "deleted", "moved")
            if (total := sum(getattr(each, word) for each in counts))
        ]
        return ", ".join(parts) or f"nothing {would}changed"

    def mrr_now(self) -> list[str]:
        """MRR of the running month by currency, for the log."""
        months = self.months_before_and_after()[1]
        if not months:
            return []
        return [
            f"MRR now: {money(each['mrr'], currency)} from {each['customers']:,} customers"
            for currency, each in months[max(months)].items()
        ]

    def write(self, path: Path, *, outcome: str, exit_code: int) -> None:
        """Write the document, whole or not at all.

        Args:
            path: where to; its folder is made.
            outcome: `finished`, `stopped`, `refused` (by a guard or the preflight) or `failed`.
            exit_code: the program's.

        Raises:
            OSError: it cannot be written.
        """
        finished = datetime.now(UTC)
        head: dict[str, Any] = {
            "report_version": REPORT_VERSION,
            "run": {
                "started_at": self.started.isoformat(),
                "finished_at": finished.isoformat(),
                "seconds": round((finished - self.started).total_seconds(), 3),
                "now": self.now.isoformat(),
                "dry_run": self.dry_run,
                "outcome": outcome,
                "exit_code": exit_code,
            },
            "counts": self.counts(),
            "guards": self.guards,
            "list_counts": self._spool.counts(),
            **self._sections,
        }
        write_document(path, head, self._spool, TOP_LISTS if self.dry_run else TOP_LISTS[:-1])

    def close(self) -> None:
        """Forget everything."""
        self._spool.close()

    def _is_accepted(self, kind: str, *records: str) -> bool:
        accepted = bool(records) and all(each in self._accepted for each in records)
        if not accepted:
            with self._lock:
                self._not_accepted[kind] += 1
        return accepted

    def _count(self, change: Change) -> None:
        with self._lock:
            self._changes[change.action] += 1
            self._add(change.kind, change, 1)
            whole = change.desired if change.action == "create" else change.held if change.action == "delete" else None
            if isinstance(whole, Invoice):
                self._add("line_item", change, len(whole.line_items))
                self._add("transaction", change, len(whole.transactions))

    def _add(self, kind: Kind, change: Change, number: int) -> None:
        counts = self._counts[KINDS[kind]]
        if change.action == "create":
            counts.created += number
        elif change.action == "update":
            counts.updated += number
        elif change.moved:
            counts.moved += number
        else:
            counts.deleted += number


def _differing(change: Change) -> list[str]:
    """Names of the fields that an update changes; values stay out, some of them are personal."""
    if change.action != "update" or change.desired is None or change.held is None:
        return []
    return [
        name
        for name in change.desired.__struct_fields__
        if getattr(change.desired, name) != getattr(change.held, name, None)
    ]
