"""Whose a subscription and its invoices are (§0 g, rules 4.8, 6.7)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from target_chartmogul.sources.keap.records import Subscription
from target_chartmogul.sources.keap.unrecorded_orders import UnrecordedOrder, subscription_lines


class Owners:
    """Answers by subscription id.

    A subscription that Keap no longer has, that has not arrived, or that names no contact of which a customer can be
    made, belongs to the contact of its latest order (rule 6.7).

    Args:
        subscriptions: those that Keap has, by id.
        unrecorded: orders that only ChartMogul knows: theirs are the customers that it holds them under.
        contacts: ids of those that are customers, or can be made one.
        subscription_owner: the setting.
        frozen: contacts that a filter keeps out, whose lines stay where ChartMogul has them (§8).
    """

    def __init__(
        self,
        subscriptions: Mapping[str, Subscription],
        unrecorded: Iterable[UnrecordedOrder],
        contacts: Collection[str],
        subscription_owner: str,
        frozen: Collection[str] = frozenset(),
    ) -> None:
        self._frozen = frozen
        self._by_subscription = subscription_owner == "subscription"
        self._contacts = {key: each.contact_id for key, each in subscriptions.items() if each.contact_id in contacts}
        self._latest: dict[str, tuple[datetime, int, str]] = {}
        for order in unrecorded:
            for invoice in order.invoices:
                for line in subscription_lines(invoice):
                    self.see_order(
                        order.order_id, invoice.date, invoice.customer_external_id, line.subscription_external_id or ""
                    )

    def see_order(self, order_id: str, date: datetime, contact_id: str | None, subscription_id: str) -> None:
        """Take in an order, with the contact whose it is, that names a subscription."""
        if contact_id is not None and subscription_id not in self._contacts:
            sight = (date, int(order_id), contact_id)
            self._latest[subscription_id] = max(sight, self._latest.get(subscription_id, sight))

    def current(self, subscription_id: str) -> str | None:
        """The contact whose customer has the subscription's cancellations."""
        if (contact := self._contacts.get(subscription_id)) is not None:
            return contact
        latest = self._latest.get(subscription_id)
        return latest[2] if latest else None

    def of_line(self, subscription_id: str, order_contact: str | None, holder: str | None = None) -> str | None:
        """The contact whose customer has a line (rule 4.8); None if nobody is known.

        Args:
            subscription_id: the line's.
            order_contact: the order's own contact.
            holder: the customer under whom ChartMogul holds the line, if it does: a filter on contacts freezes it
                there (§8).
        """
        owner = (self.current(subscription_id) if self._by_subscription else None) or order_contact
        return holder if holder is not None and owner in self._frozen else owner

    def known(self, subscription_ids: Iterable[str]) -> dict[str, str]:
        """Subscription id -> current contact, of those that have one."""
        return {key: contact for key in subscription_ids if (contact := self.current(key)) is not None}
