"""What a source answers: what ChartMogul should hold of an account, and what there is to report about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from target_chartmogul.billing.objects import Customer, Invoice, Plan, SubscriptionEvent


class Holdings(msgspec.Struct, kw_only=True):
    """What ChartMogul holds of an account, by external id, as it was last acknowledged."""

    customers: dict[str, Customer] = {}
    invoices: dict[str, Invoice] = {}
    events: dict[str, SubscriptionEvent] = {}


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the report (rule 7.1).

    `kind` is its list there, `id` the record or object it is about, `rule` the rule's number.
    """

    kind: str
    id: str
    rule: str
    detail: dict[str, Any] = {}


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A record, or a part of one, that can never be accepted (rule 1.5, invalid)."""

    stream: str
    id: str
    field: str
    reason: str


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A record that waits.

    `future` until `due`, without being an error, or `unsettled` (rule 5.4) until its counterpart is known.
    """

    stream: str
    id: str
    reason: str
    rule: str
    due: datetime | None = None


class Decision(msgspec.Struct, kw_only=True):
    """What ChartMogul should hold of an account after this run.

    It is *all* of it, so that what is missing here is to be deleted; what stays as it is held is here too.
    """

    customers: dict[str, Customer] = {}
    plans: dict[str, Plan] = {}
    """Plans that the lines use (rule 2.4)."""
    plans_since: dict[str, tuple[datetime, int]] = {}
    """Plan external id -> date and id of the earliest order that uses it (rule 9.4)."""
    invoices: dict[str, Invoice] = {}
    events: dict[str, SubscriptionEvent] = {}
    memories: Any = None
    """What the source wants to know again in the next run."""
    notes: list[Note] = []
    rejects: list[Reject] = []
    """Records that this decision could not take: the caller decides again with their last accepted version."""
    waiting: list[Waiting] = []
    next_due: datetime | None = None
    """The next instant at which the same records would give another decision (scheduled cancellations, dates in the
    future).
    """
