"""What the mapping is given and what it answers: one *group* of accounts at a time, in and out as plain data.

A group is a set of contacts that are tied together by subscriptions, orders, payments or by what ChartMogul holds of
them, with all their records. Nothing
that the rules decide crosses a group's border, so that groups can be mapped one by one, in little memory and in any
order (rule 1.1).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from target_chartmogul.billing.decisions import Holdings, Note
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


class Catalog(msgspec.Struct, kw_only=True):
    """What arrives whole in every run and belongs to no account (rule 1.8), by id."""

    products: dict[str, Product] = {}
    plans: dict[str, SubscriptionPlan] = {}
    free_trials: dict[str, FreeTrialDiscount] = {}
    plans_held: dict[str, Plan] = {}
    """Plans that ChartMogul holds, by external id.

    Their intervals are needed for lines of orders that did not arrive.
    """


class UnlinkedItem(msgspec.Struct, frozen=True, kw_only=True):
    """A SUBSCRIPTION item without a subscription, as far as rule 4.3 needs it. Ids are Keap's."""

    product_id: str | None = None
    plan_id: str | None = None
    cycle: str | None = None
    """`cycle_type` of the item's own plan."""
    frequency: int | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A failed attempt (rule 5.5) of an order that is not sent; `amount` in major units."""

    digits: str
    time: datetime
    amount: Decimal


class UnsentTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A free trial that began with an order which is not sent (rule 3.5, §8)."""

    contact_id: str | None
    """The order's own contact."""
    subscription_id: str | None
    """Of the line with which it began; None: the order has none."""
    date: datetime


class Remembered(msgspec.Struct, kw_only=True):
    """What the ledger remembers of a group and ChartMogul cannot tell; lost with the ledger (rule 1.2)."""

    cancellation_sources: dict[str, str] = {}
    """Event external id -> the churn-date source it was written with (`end_date`, `next_bill_date`, …), rules 6.4
    and 6.9.
    """
    cancellation_rules: dict[str, str] = {}
    """Event external id -> the rule that decided it last, for `explain` and the report (rule 6.9)."""
    refused_emails: dict[str, str] = {}
    """Contact id -> fingerprint of an address that ChartMogul refused (rule 9.9)."""
    excess: dict[str, int] = {}
    """Order id -> hundredths paid above the total (rule 5.3)."""
    ended_by_refund: dict[str, str] = {}
    """Subscription id -> order id, where `full_refund: remove_mrr` ended it (§8)."""
    order_contacts: dict[str, str] = {}
    """Order id -> the order's own contact, where an invoice is another contact's (rule 2.1)."""
    unlinked_items: dict[str, UnlinkedItem] = {}
    """`<order id>-<item id>` -> what Keap says of a SUBSCRIPTION item that is `one_time` for want of a subscription.

    A subscription that appears later, or of which no interval was known, can still be linked (rule 4.3), though the
    order does not arrive again. It is forgotten when ChartMogul has the link.
    """
    inferred_links: dict[str, str] = {}
    """`<order id>-<item id>` -> subscription id, as rule 4.3 paired them: one order creates one subscription."""
    voided_payments: tuple[str, ...] = ()
    """Payments of which a VOID said that they never were: that row is not read again with every run (rule 5.1)."""
    unsent_subscription_orders: dict[str, str] = {}
    """Contact id -> one of its own orders with a SUBSCRIPTION item that is not sent: it stands for a trial (§0 b)."""
    unsent_trials: dict[str, UnsentTrial] = {}
    """`<order id>-<item id>` -> the trial that began with it, with `trial_source: subscription`."""
    attempts: dict[str, list[Attempt]] = {}
    """Order id -> failed attempts, where no invoice of the order has them: it is not sent, or not yet (rule 5.5).

    Their rows may be read once only, and the order may be sent later.
    """
    totals_before_exclusion: dict[str, int] = {}
    """Order id -> hundredths that Keap asks for, where invoices are less for want of excluded items (§8).

    A failed attempt may come without its order, and its share is known by this alone.
    """
    withdrawn_links: dict[str, str] = {}
    """`<order id>-<item id>` -> subscription id, where `full_refund: remove_mrr` made the line `one_time` (§8)."""
    remarks: dict[str, list[Note]] = {}
    """`order:9071`, `subscription:581`, `contact:1207` -> what `explain` has to say beyond what ChartMogul holds."""


class Arrived(msgspec.Struct, kw_only=True):
    """What holds for the whole run, not for one group."""

    subscriptions_whole: bool = False
    """`subscriptions` was read completely: one that lines name and that is not here is gone (rule 6.7)."""
    invalid_subscriptions: frozenset[str] = frozenset()
    """Ids of subscriptions that arrived but were rejected (rule 1.5): they are not gone, only unknown."""
    orders_whole: bool = False
    """`orders` was read completely and said so by ACTIVATE_VERSION (rule 4.10)."""


class Group(msgspec.Struct, kw_only=True):
    """The records of a group that arrived in this run, and what is known of it."""

    contacts: dict[str, Contact] = {}
    subscriptions: dict[str, Subscription] = {}
    orders: dict[str, Order] = {}
    payments: dict[str, Payment] = {}
    transactions: list[PaymentTransaction] = []
    order_payments: list[OrderPayment] = []
    unreadable: dict[str, frozenset[str]] = {}
    """Stream -> ids of records that arrived, but that `records.decode` refused.

    They are not gone: what ChartMogul holds of them stays (rules 1.5, 4.10, 6.7).
    """
    existing: Holdings = msgspec.field(default_factory=Holdings)
    remembered: Remembered = msgspec.field(default_factory=Remembered)
