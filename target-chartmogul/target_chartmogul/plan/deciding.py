"""Which accounts are to be decided, and the plan that follows (rules 1.8 to 1.10)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.mrr import month_range
from target_chartmogul.billing.nodes import node
from target_chartmogul.plan import guards
from target_chartmogul.plan.change_file import ChangeFile
from target_chartmogul.plan.planner import SETTINGS, SETTINGS_AGAIN, Listener, Planner
from target_chartmogul.sources.protocol import Context, InvalidRecordError, Source
from target_chartmogul.store.store import Store

logger = logging.getLogger("target-chartmogul")

RULES: Final = "1"
"""Raised whenever the same records, settings and holdings can have another result: then everything is decided again."""
_SETTINGS: Final = "settings"
_RULES: Final = "rules"
_PENDING: Final = "settings pending"
"""Names of settings that changed, and that accounts marked for `SETTINGS` are still to be decided with."""
_LONG_SINCE: Final = "0001-01-01T00:00:00Z"
"""Instant of marks for `SETTINGS`: they stand beside the others of their account."""
_RESEND: Final = "resend"
_NOT_OF_THE_RESULT: Final = ("only_contacts", "resend")
"""Settings that say what one run looks at."""


def changed_names(store: Store, settings: Any) -> frozenset[str]:
    """Names of the mapping settings that differ from those of the last decisions, and `rules` (rule 1.10).

    Args:
        store: remembers them.
        settings: those of the mapping.
    """
    known = store.meta.get(_SETTINGS)
    if known is None:
        return frozenset()
    before, now = msgspec.json.decode(known), msgspec.json.decode(fingerprint(settings))
    names = {name for name in {**before, **now} if before.get(name) != now.get(name)}
    if store.meta.get(_RULES) != RULES:
        names.add(_RULES)
    return frozenset(names)


def put_in_force(source: Source, store: Store, settings: Any) -> frozenset[str]:
    """From now on accounts are decided with these settings and rules; where they differ, every account is marked.

    Args:
        source: reads again what could not be read.
        store: remembers them.
        settings: those of the mapping.

    Returns:
        `changed_names`.
    """
    differing = changed_names(store, settings)
    if differing:
        for each in list(store.records.invalid()):
            _put_again(source, store, each)
        store.records.input_complete()
    with store.transaction():
        if differing:
            earlier = _pending(store) if store.accounts.has_marks(SETTINGS, SETTINGS_AGAIN) else ()
            store.meta.put(_PENDING, msgspec.json.encode(sorted(differing.union(earlier))).decode())
            store.accounts.mark_all(SETTINGS, at=_LONG_SINCE)
        store.meta.put(_SETTINGS, fingerprint(settings))
        store.meta.put(_RULES, RULES)
    return differing


def pending_names(store: Store, now: datetime) -> frozenset[str]:
    """Names of settings that changed, of which some account is to be decided now; see `put_in_force`."""
    return _pending(store) if store.accounts.has_marks(SETTINGS, SETTINGS_AGAIN, now=now) else frozenset()


def _pending(store: Store) -> frozenset[str]:
    return frozenset(msgspec.json.decode(store.meta.get(_PENDING) or "[]"))


def settings_before(store: Store) -> dict[str, Any]:
    """The mapping settings of the last decisions, by name; none if there were none."""
    known = store.meta.get(_SETTINGS)
    return {} if known is None else dict(msgspec.json.decode(known))


def fingerprint(settings: Any) -> str:
    """The mapping settings that a result depends on, as JSON."""
    values = msgspec.to_builtins(settings)
    for name in _NOT_OF_THE_RESULT:
        values.pop(name, None)
    return msgspec.json.encode(values, order="sorted").decode()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What planning came to, beside the changes."""

    vanished: int
    moved_figures: Mapping[tuple[str, str, str], int]
    """Month, currency and figure -> by how much the plan changes it; empty where nobody asked."""
    moved_by_settings: Mapping[tuple[str, str, str], int]
    """The same of accounts that are decided again for changed settings alone."""

    def past_months(self, now: datetime) -> dict[str, dict[str, int]]:
        """Months that are over -> currency -> by how much changed settings change their MRR at the end (rule 1.7)."""
        steps: dict[str, dict[str, int]] = {}
        for (month, currency, name), delta in sorted(self.moved_by_settings.items()):
            if name == "mrr" and delta:
                steps.setdefault(currency, {})[month] = delta
        found: dict[str, dict[str, int]] = {}
        for currency, by_month in steps.items():
            total = 0
            for month in month_range(min(by_month), now)[:-1]:
                total += by_month.get(month, 0)
                if total:
                    found.setdefault(month, {})[currency] = total
        return found


def decide(
    source: Source,
    store: Store,
    file: ChangeFile,
    listener: Listener,
    context: Context,
    *,
    cut: bool,
    resend: bool,
    only: Collection[str],
    counts_figures: bool,
    check: Callable[[], None],
    advance: Callable[[], None],
) -> Plan:
    """Decide every account that is due.

    Args:
        source: decides.
        store: what is known.
        file: takes the changes.
        listener: hears what is of this run alone.
        context: of the run; `settings_changed` is for accounts that are marked for `SETTINGS`.
        cut: the input was cut off: accounts that it touched wait (rule 1.8).
        resend: every account is decided.
        only: contacts to look at; empty for all.
        counts_figures: see `Planner`.
        check: raises if the run is to stop.
        advance: counts progress.
    """
    if resend and not only:
        store.accounts.mark_all(_RESEND)
    planner = Planner(
        source, store, file, listener, context, counts_figures=counts_figures, believes_listing=bool(resend and only)
    )
    wanted = [node(source.contact_stream, int(each)) for each in only]
    accounts = store.accounts.only(wanted, cut=cut) if wanted else store.accounts.due(context.now, cut=cut)
    with store.outcomes.together():
        for _ in planner.plan(accounts):
            check()
            advance()
    return Plan(
        vanished=planner.vanished,
        moved_figures=planner.moved_figures,
        moved_by_settings=planner.moved_by_settings,
    )


def accidents(
    plan: Plan,
    file: ChangeFile,
    store: Store,
    source: Source,
    share: float,
    changed: frozenset[str],
    now: datetime,
) -> list[str]:
    """What the guards of rule 1.7 have against a plan, as far as the store alone can say; a sentence each.

    Args:
        plan: of the run.
        file: its changes.
        store: what ChartMogul has.
        source: whose records they are.
        share: `max_delete_share`.
        changed: settings that changed, see `pending_names`.
        now: the clock of the run.
    """
    held = store.holdings.counts()
    found = guards.too_many_deletes(file.counts, held, share, late_payments=file.payments_as_evidence)
    if plan.vanished:
        found += guards.too_many_vanished(plan.vanished, store.records.count_known(source.subscription_stream), share)
    if changed:
        found += guards.past_months_changed(plan.past_months(now), sorted(changed))
    return found


def settings_note(names: frozenset[str]) -> Note:
    """For the report: what differs from the last run (rule 1.10)."""
    return Note(kind="settings_changed", id="", rule="1.10", detail={"settings": sorted(names)})


def _put_again(source: Source, store: Store, record: Any) -> None:
    """A changed setting, or a new version of the target, may make an invalid record valid (rule 1.5)."""
    try:
        found = source.read(source.streams[record.stream], record.payload)
    except InvalidRecordError:
        return
    store.records.put(record.stream, found.number, found.payload, found.links, id_text=found.id_text)
