"""ChartMogul's objects as this target writes them, named by external id.

External ids stand here without `external_id_prefix` (rule 2.2): the prefix is put on and taken off where objects
become JSON.
Amounts are integers in hundredths of the major unit (or whole units, by `zero_decimal_amounts`); instants are aware,
in UTC.
Fields follow ChartMogul's API reference; a field that is None is not sent.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

SUBSCRIPTION = "subscription"
ONE_TIME = "one_time"
PAYMENT = "payment"
REFUND = "refund"
SUCCESSFUL = "successful"
FAILED = "failed"
CANCELLED = "subscription_cancelled"
CANCELLATION_SCHEDULED = "subscription_cancellation_scheduled"
WRITTEN_OFF = "written_off"
VOIDED = "voided"


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer (rules 3.1 to 3.5, 3.8)."""

    external_id: str
    name: str | None = None
    company: str | None = None
    email: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    zip: str | None = None
    lead_created_at: datetime | None = None
    free_trial_started_at: datetime | None = None
    tags: tuple[str, ...] = ()
    custom: tuple[tuple[str, str], ...] = ()
    """Custom attributes as (key, value) pairs, sorted by key (rule 3.8)."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan (rules 2, 3.6, 3.7); `interval_unit` is `day`, `month` or `year`."""

    external_id: str
    name: str
    interval_count: int
    interval_unit: str


class LineItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an invoice; `prorated` is false on every one (rule 4.7). `type` is `subscription` or `one_time`."""

    external_id: str
    type: str
    amount_in_cents: int
    quantity: int = 1
    tax_amount_in_cents: int = 0
    discount_amount_in_cents: int = 0
    subscription_external_id: str | None = None
    plan_external_id: str | None = None
    service_period_start: datetime | None = None
    service_period_end: datetime | None = None
    description: str | None = None
    balance_transfer: bool | None = None
    event_order: int | None = None
    """Which of a subscription's lines that start at the same instant comes later (rule 4.7)."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A payment or refund, successful or failed (rules 5.1 to 5.6)."""

    external_id: str
    type: str
    result: str
    date: datetime
    amount_in_cents: int


class Invoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An invoice whole: header, lines and transactions (§4, §5).

    Lines and transactions are sorted by nothing: order is Keap's.
    """

    external_id: str
    customer_external_id: str
    date: datetime
    currency: str
    due_date: datetime | None = None
    status: str | None = None
    """`written_off` or `voided` where this target set it (rule 5.7), else None.

    ChartMogul derives all other statuses from the transactions.
    """
    disabled: bool | None = None
    """True: taken out of the figures. None of a desired invoice: left as it is in ChartMogul (rule 6.8)."""
    line_items: tuple[LineItem, ...] = ()
    transactions: tuple[Transaction, ...] = ()


class SubscriptionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A cancellation or a scheduled one (rules 6.2, 6.3).

    `event_type` is `subscription_cancelled` or `subscription_cancellation_scheduled`.
    """

    external_id: str
    event_type: str
    customer_external_id: str
    subscription_external_id: str
    event_date: datetime
    effective_date: datetime
