"""What is added up by month and currency to compare a source with ChartMogul (rule 7.5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from target_chartmogul.billing.objects import CANCELLED, SUBSCRIPTION, Invoice, SubscriptionEvent

ORDERS: Final = "orders"
PAYMENTS: Final = "payments"
REFUNDS: Final = "refunds"
CANCELLATIONS: Final = "cancellations"
WHAT: Final = (ORDERS, PAYMENTS, REFUNDS, CANCELLATIONS)
"""Cancellations are counted, all else is an amount."""


class Amount(NamedTuple):
    """One order, payment, refund or cancellation."""

    what: str
    """One of `WHAT`."""
    key: str
    """What the two sides know it by."""
    records: tuple[str, ...]
    """Those that it is made of: `payments:17071`, then the orders that it is for."""
    month: str
    currency: str
    number: int
    """In hundredths; of a cancellation 1."""


class Reason(NamedTuple):
    """Why the two sides differ."""

    rule: str
    text: str
    is_meant: bool = True
    """The rule has ChartMogul hold something else on purpose; else it needs a look."""


def month(moment: datetime) -> str:
    """`2026-03`, in UTC."""
    return moment.strftime("%Y-%m")


def counted(
    events: Iterable[SubscriptionEvent], invoices: Iterable[Invoice], record_of: dict[str, str]
) -> list[Amount]:
    """Cancellations, in the currency of the latest line of their subscription.

    Args:
        events: those to come are left out.
        invoices: of the same account.
        record_of: external id of an event -> the record that it is made of.
    """
    currencies: dict[str, tuple[datetime, str]] = {}
    for invoice in invoices:
        for line in invoice.line_items:
            if line.type == SUBSCRIPTION and line.subscription_external_id:
                start = line.service_period_start or invoice.date
                known = currencies.get(line.subscription_external_id)
                if known is None or start > known[0]:
                    currencies[line.subscription_external_id] = start, invoice.currency
    return [
        Amount(
            what=CANCELLATIONS,
            key=event.external_id,
            records=(record_of[event.external_id],),
            month=month(event.effective_date),
            currency=currencies.get(event.subscription_external_id, (None, ""))[1],
            number=1,
        )
        for event in events
        if event.event_type == CANCELLED
    ]
