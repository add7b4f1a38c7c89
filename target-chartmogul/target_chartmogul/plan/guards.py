"""Guards of rule 1.7: no plan that looks like an accident is carried out without `force: true`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from target_chartmogul.plan.vanished import Vanished

FEWEST: Final = 10
"""A share says nothing where fewer objects of a kind are held."""

_PLURALS: Final = {
    "customer": "customers",
    "invoice": "invoices",
    "line_item": "line items",
    "transaction": "transactions",
    "event": "cancellation events",
}


def too_many_deletes(counts: Mapping[tuple[str, str, bool], int], held: Mapping[str, int], share: float) -> list[str]:
    """What of the plan would take away more than `max_delete_share` of a kind.

    Args:
        counts: number of changes by action, kind and whether the content is written again (`moved`).
        held: how many objects of each kind ChartMogul holds.
        share: the setting.

    Returns:
        One sentence for each kind; none if all is well.
    """
    losses = {kind: counts.get(("delete", kind, False), 0) for kind in _PLURALS}
    found = []
    for kind, plural in _PLURALS.items():
        have = held.get(kind, 0)
        if have >= FEWEST and losses[kind] > share * have:
            found.append(f"it would delete {losses[kind]} of {have} {plural} (max_delete_share is {share:g})")
    return found


def too_many_vanished(vanished: Vanished, held: int, share: float) -> list[str]:
    """Whether too many subscriptions would be cancelled because they are gone from Keap (rule 6.7).

    Those that orders of this run name are measured against all subscriptions that ChartMogul will hold: a first load
    that was broken off leaves a source with few of them, and one that is truly gone must not stop the run that
    finishes it. All others, against those that it holds.
    """
    after = held + vanished.new
    if held < FEWEST or (vanished.unnamed <= share * held and vanished.cancelled <= share * after):
        return []
    return [
        f"it would cancel as vanished {vanished.cancelled} of {after} subscriptions (max_delete_share is {share:g})"
    ]


def empty_source_after_state(*, incremental: bool, objects_held: int) -> list[str]:
    """A state with bookmarks came before the first record, but the data source is empty or new."""
    if incremental and not objects_held:
        return ["the data source holds nothing, but Keap was read from a bookmark on: run with --full-refresh"]
    return []


def cut_off(*, orders: int, payments_began: bool, transactions_held: int) -> list[str]:
    """Orders arrived and the stream of their payments never began: every payment would look as if it were gone."""
    if orders and transactions_held and not payments_began:
        return ["orders arrived without the stream `payments`: the tap was stopped before it, or leaves it out"]
    return []


def foreign_prefix(*, customers: int, customers_of_ours: int, prefix: str) -> list[str]:
    """The source has customers, but none whose external id begins with our prefix."""
    if customers and not customers_of_ours:
        named = f"“{prefix}”" if prefix else "(empty)"
        return [f"the data source has customers, but none that external_id_prefix {named} formed"]
    return []


def other_source(*, ledger_uuid: str | None, found_uuid: str | None) -> list[str]:
    """The ledger knows another data source than the one that would be written to, or created."""
    if ledger_uuid is None or ledger_uuid == found_uuid:
        return []
    what = "would be created" if found_uuid is None else "is another one"
    return [f"the ledger belongs to data source {ledger_uuid}, but the one of the settings {what}"]
