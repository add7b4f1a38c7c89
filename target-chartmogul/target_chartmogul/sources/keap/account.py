"""What the mapping is given: one *account* at a time, as plain data.

An account is a set of contacts that are tied together by subscriptions, orders, payments or by what ChartMogul holds of
them, with every record that the store has of them (rule 1.8). Nothing that the rules decide crosses its border, so that
accounts can be decided one by one, in little memory and in any order (rule 1.1).
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec

from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import Plan
from target_chartmogul.sources.keap.records import (
    Contact,
    FreeTrialDiscount,
    Order,
    OrderPayment,
    Payment,
    PaymentTransaction,
    Product,
    Subscription,
    SubscriptionPlan,
)

_Record = TypeVar("_Record")
_NONE: frozenset[str] = frozenset()


class Catalogue(msgspec.Struct, kw_only=True):
    """What belongs to no account, by id: last versions, of those too that are gone from Keap (rule 1.8)."""

    products: dict[str, Product] = {}
    plans: dict[str, SubscriptionPlan] = {}
    free_trials: dict[str, FreeTrialDiscount] = {}
    plans_held: dict[str, Plan] = {}
    """Plans that ChartMogul holds, by external id."""


class Memories(msgspec.Struct, kw_only=True):
    """What is known of an account from earlier runs alone, and lost with the store (rule 1.2)."""

    cancellation_sources: dict[str, str] = {}
    """Event external id -> where its date came from (`end_date`, `next_bill_date`, …; rules 6.4, 6.9)."""
    refused_emails: dict[str, str] = {}
    """Contact id -> fingerprint of an address that ChartMogul refused (rule 9.9)."""
    first_seen: dict[str, str] = {}
    """Subscription id -> ISO date at which `modified` or the day of the run stays (rule 6.1).

    Without an entry the subscription has been active since, or the store was lost.
    """


class Account(msgspec.Struct, kw_only=True):
    """All records of an account by id, what ChartMogul holds of it, and what is remembered.

    Gone payments, order payments and transactions are not here: they never were (rule 1.8). Gone subscriptions, orders
    and contacts are: their last version, and their id in `gone`.
    """

    contacts: dict[str, Contact] = {}
    subscriptions: dict[str, Subscription] = {}
    orders: dict[str, Order] = {}
    payments: dict[str, Payment] = {}
    transactions: list[PaymentTransaction] = []
    order_payments: list[OrderPayment] = []
    gone: dict[str, frozenset[str]] = {}
    """Stream -> ids of records that are gone from Keap."""
    unreadable: dict[str, frozenset[str]] = {}
    """Stream -> ids of records that are known to exist, but of which no version was ever valid (rule 1.5)."""
    subscriptions_complete: bool = False
    """A complete read of `subscriptions` was made: one that lines name and that is not here is gone (rule 6.7)."""
    subscriptions_read_at: datetime | None = None
    """When the last complete one began."""
    holdings: Holdings = msgspec.field(default_factory=Holdings)
    memories: Memories = msgspec.field(default_factory=Memories)

    def gone_from(self, stream: str) -> frozenset[str]:
        """Ids of gone records of a stream."""
        return self.gone.get(stream, _NONE)

    def live_contacts(self) -> dict[str, Contact]:
        """Those that Keap still has; the others are customers by what was sent, or by an order (rule 3.1)."""
        return _without(self.contacts, self.gone_from("contacts"))

    def live_subscriptions(self) -> dict[str, Subscription]:
        """Those that Keap still has; of one that is gone nothing but its lines counts (rule 6.7)."""
        return _without(self.subscriptions, self.gone_from("subscriptions"))


def _without(records: dict[str, _Record], gone: frozenset[str]) -> dict[str, _Record]:
    return {key: each for key, each in records.items() if key not in gone} if gone else records
