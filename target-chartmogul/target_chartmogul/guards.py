"""Guards of rule 1.7: no plan that looks like an accident is carried out without `force: true`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FEWEST: Final = 10
"""A share says nothing where fewer objects of a kind are held."""

_PLURALS: Final = {
    "customer": "customers",
    "invoice": "invoices",
    "line_item": "line items",
    "transaction": "transactions",
    "event": "cancellation events",
    "subscription": "subscriptions",
}


def too_many_deletes(
    counts: Mapping[tuple[str, str, bool], int], vanished: int, held: Mapping[str, int], share: float
) -> list[str]:
    """What of the plan would take away more than `max_delete_share` of a kind.

    Args:
        counts: number of changes by action, kind and whether the content is written again (`moved`).
        vanished: subscriptions that would be cancelled because they are gone from Keap (rule 6.7).
        held: how many objects of each kind ChartMogul holds.
        share: the setting.

    Returns:
        One sentence for each kind; none if all is well.
    """
    losses = {kind: counts.get(("delete", kind, False), 0) for kind in _PLURALS}
    losses["subscription"] = vanished
    found = []
    for kind, plural in _PLURALS.items():
        have = held.get(kind, 0)
        if have >= FEWEST and losses[kind] > share * have:
            what = "cancel as vanished" if kind == "subscription" else "delete"
            found.append(f"it would {what} {losses[kind]} of {have} {plural} (max_delete_share is {share:g})")
    return found


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
