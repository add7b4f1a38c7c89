"""Guards of rule 1.7: no plan that looks like an accident is carried out without `force: true`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FEW: Final = 5
"""A share says nothing of so few losses, unless they are all that there is."""
FEWEST_OF_ALL: Final = 3

_PLURALS: Final = {
    "customer": "customers",
    "invoice": "invoices",
    "line_item": "line items",
    "transaction": "transactions",
    "event": "cancellation events",
}


def _is_accident(losses: int, have: int, share: float) -> bool:
    if have >= FEWEST_OF_ALL and losses >= have:
        return True
    return losses > FEW and losses > share * have


def too_many_deletes(
    counts: Mapping[tuple[str, str, bool], int], held: Mapping[str, int], share: float, *, late_payments: int = 0
) -> list[str]:
    """What the plan would take away more of than `max_delete_share` of a kind.

    Args:
        counts: number of changes by action, kind and whether the content is written again (`moved`).
        held: how many objects of each kind ChartMogul has.
        share: the setting.
        late_payments: cancellations that go by rule 6.4, for which a payment is the evidence.

    Returns:
        One sentence for each kind; none if all is well.
    """
    found = []
    for kind, plural in _PLURALS.items():
        losses = counts.get(("delete", kind, False), 0) - (late_payments if kind == "event" else 0)
        have = held.get(kind, 0)
        if _is_accident(losses, have, share):
            found.append(f"it would delete {losses} of {have} {plural} (`max_delete_share` is {share:g})")
    return found


def too_many_vanished(vanished: int, subscriptions: int, share: float) -> list[str]:
    """Whether too many subscriptions would be cancelled because they are gone (rule 6.7).

    Args:
        vanished: subscriptions that the plan cancels as gone.
        subscriptions: those that the store knows, gone ones too.
        share: the setting.
    """
    if not _is_accident(vanished, subscriptions, share):
        return []
    text = f"it would cancel {vanished} of {subscriptions} subscriptions because they are gone from their source"
    return [f"{text} (`max_delete_share` is {share:g})"]


def past_months_changed(months: Mapping[str, Mapping[str, int]], names: list[str]) -> list[str]:
    """Changed settings or rules would change the MRR of months that are over.

    Args:
        months: month -> currency -> by how much.
        names: the settings that differ, or `rules`.
    """
    if not months:
        return []
    first, last = min(months), max(months)
    which = f"of {first}" if first == last else f"of {len(months)} months that are over ({first} to {last})"
    text = f"changed settings ({', '.join(names)}) would change the MRR {which}"
    return [f"{text}; `target-chartmogul preview` shows by how much"]


def foreign_prefix(*, customers: int, prefix: str) -> list[str]:
    """The source has customers, but none whose external id begins with our prefix."""
    if not customers:
        return []
    if prefix:
        return [
            f"the data source has customers, but none with an id that starts with “{prefix}” (`external_id_prefix`)"
        ]
    return ["the data source has customers, but none with an id that this target forms"]


def other_data_source(*, known: str | None, found: str | None) -> list[str]:
    """The store knows another data source than the one that would be written to, or created."""
    if known is None or known == found:
        return []
    what = "one would be created" if found is None else "the settings name another one"
    return [f"the store belongs to data source {known}, but {what}"]
