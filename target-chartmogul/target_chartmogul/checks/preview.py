"""A rehearsal with other settings, from a copy of the store: `target-chartmogul preview` (rules 1.10, 7.4)."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from target_chartmogul import exit_codes
from target_chartmogul.billing.nodes import number_of, stream_of
from target_chartmogul.checks.from_store import Opened
from target_chartmogul.plan.change_file import PLANS_LANE, ChangeFile, Outcome
from target_chartmogul.plan.deciding import (
    accidents,
    decide,
    pending_names,
    put_in_force,
    settings_before,
    settings_note,
)
from target_chartmogul.report.builder import Counts, ReportBuilder
from target_chartmogul.report.months import Months
from target_chartmogul.report.place import ReportPlace
from target_chartmogul.report.saving import save_report as save
from target_chartmogul.report.whole_account import report_account
from target_chartmogul.settings import changed_from_defaults
from target_chartmogul.store.instants import instant
from target_chartmogul.store.store import Store

MRR: Final = "mrr"


class AccountChange(msgspec.Struct, kw_only=True):
    """What would change of one account."""

    account: str
    """Stream and id of its lowest contact: `contacts:1207`."""
    changes: dict[str, int]
    """Kind of object -> number of changes."""
    mrr: dict[str, int]
    """Currency -> by how much its MRR at the time of the preview changes, in hundredths; without those of 0."""


class Preview(msgspec.Struct, kw_only=True):
    """What a run with other settings would do. Amounts are integers in hundredths."""

    as_of: datetime
    settings: dict[str, dict[str, Any]]
    """Name -> `before` (of the last run) and `after`, of those that differ."""
    counts: dict[str, Counts]
    """By kind of object in the plural."""
    guards: list[str]
    """What a run would stop for without `force` (rule 1.7), as far as the store can say."""
    months_before: Months
    months: Months
    accounts: list[AccountChange]
    """Those with the largest change of MRR first, then those with the most changes."""


def preview(
    opened: Opened,
    report: ReportBuilder,
    *,
    check: Callable[[], None],
    advance: Callable[[], None],
) -> Preview:
    """Decide with the settings of `opened`, and carry it out in its store, which is a copy.

    Args:
        opened: the copy, with the settings to be tried.
        report: of a dry run; takes the lists and the figures.
        check: raises if the work is to stop.
        advance: counts accounts.
    """
    source, store, settings = opened.source, opened.store, opened.settings
    mapping, now = settings.mapping, opened.now
    before_them = settings_before(store)
    names = put_in_force(source, store, mapping)
    differing = _differing(before_them, msgspec.to_builtins(mapping), names)
    changed = pending_names(store, now)
    if names:
        report.note(settings_note(names))
    report.held_before(store.holdings.counts())
    with (
        tempfile.TemporaryDirectory(prefix="target-chartmogul-") as folder,
        ChangeFile(Path(folder) / "changes.sqlite") as file,
    ):
        plan = decide(
            source,
            store,
            file,
            report,
            opened.context(changed),
            cut=False,
            resend=mapping.resend,
            only=mapping.only_contacts,
            counts_figures=True,
            check=check,
            advance=advance,
        )
        report.guards += accidents(plan, file, store, source, settings.max_delete_share, changed, now)
        accounts = sorted(_accounts(file, store, source.streams, now), key=_importance)
        known = frozenset(store.holdings.differing())
        report_account(report, store, plan, file, now, rehearsed=True, known_drift=known)
    report.section("settings", changed_from_defaults(mapping))
    before, after = report.months_before_and_after()
    return Preview(
        as_of=now,
        settings=differing,
        counts=report.counts(),
        guards=report.guards,
        months_before=before,
        months=after,
        accounts=accounts,
    )


def rehearsal_report(opened: Opened) -> ReportBuilder:
    """A report of a dry run that begins now."""
    return ReportBuilder(
        started=datetime.now(UTC),
        now=opened.now,
        records_of=opened.source.records_of,
        dry_run=True,
        accepted=opened.settings.accepted_rejects,
    )


def save_report(report: ReportBuilder, path: str) -> None:
    """The report of a preview, as JSON or as a page with its JSON beside it."""
    place = ReportPlace(path)
    place.check()
    save(report, place, outcome="finished", exit_code=exit_codes.OK, kept=False)


def _differing(before: dict[str, Any], after: dict[str, Any], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in sorted(names)
        if name in before or name in after
    }


def _accounts(file: ChangeFile, store: Store, streams: Sequence[str], now: datetime) -> Iterator[AccountChange]:
    outcomes = file.outcomes()
    for (_, changes), (_, outcome) in zip(file.lanes(after=PLANS_LANE), outcomes, strict=True):
        yield AccountChange(
            account=_name(store, streams, outcome.nodes[0]),
            changes=dict(Counter(change.kind for change in changes)),
            mrr=_mrr_change(store, outcome, now),
        )


def _name(store: Store, streams: Sequence[str], node: int) -> str:
    record = store.records.get(node)
    return f"{streams[stream_of(node)]}:{(record.id_text if record else None) or number_of(node)}"


def _mrr_change(store: Store, outcome: Outcome, now: datetime) -> dict[str, int]:
    until = instant(now)
    change: Counter[str] = Counter()
    for each in outcome.nodes:
        for at, currency, name, delta in store.outcomes.figures(each):
            if name == MRR and at <= until:
                change[currency] -= delta
    for _, steps in outcome.figures:
        for at, currency, name, delta in steps:
            if name == MRR and at <= until:
                change[currency] += delta
    return {currency: delta for currency, delta in sorted(change.items()) if delta}


def _importance(each: AccountChange) -> tuple[int, int, str]:
    return (-max((abs(delta) for delta in each.mrr.values()), default=0), -sum(each.changes.values()), each.account)
