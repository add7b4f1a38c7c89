"""Subscriptions that a plan cancels because they are gone from Keap (rules 1.7 and 6.7), counted for the guard."""

from __future__ import annotations

import msgspec

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.decisions import Decision
from target_chartmogul.billing.objects import Invoice, SubscriptionEvent
from target_chartmogul.sources.keap.account import Group


class Vanished(msgspec.Struct, frozen=True):
    """Counts over the groups of a run."""

    cancelled: int = 0
    unnamed: int = 0
    """Those of them that no order of this run names: for these nothing shows that Keap's answer is this account's."""
    new: int = 0
    """Subscriptions that get their first line by this run."""

    def and_of(self, group: Group, decision: Decision, changes: list[Change]) -> Vanished:
        """With another group."""
        gone = {note.id for note in decision.notes if note.kind == "vanished_subscriptions"}
        cancelled = [
            change.desired.subscription_external_id
            for change in changes
            if change.action == "create"
            and isinstance(change.desired, SubscriptionEvent)
            and change.desired.subscription_external_id in gone
        ]
        named = {item.subscription_id for order in group.orders.values() for item in order.order_items or ()}
        first = _with_lines(decision.invoices) - _with_lines(group.existing.invoices) if changes else set()
        return Vanished(
            cancelled=self.cancelled + len(cancelled),
            unnamed=self.unnamed + sum(each not in named for each in cancelled),
            new=self.new + len(first),
        )


def _with_lines(invoices: dict[str, Invoice]) -> set[str | None]:
    return {line.subscription_external_id for invoice in invoices.values() for line in invoice.line_items} - {None}
