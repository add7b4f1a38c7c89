"""Small ChartMogul objects for tests: a customer with a monthly subscription."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from target_chartmogul.billing.objects import (
    CANCELLED,
    PAYMENT,
    SUBSCRIPTION,
    SUCCESSFUL,
    Customer,
    Invoice,
    LineItem,
    Plan,
    SubscriptionEvent,
    Transaction,
)

PLAN = Plan(external_id="31-7-1month", name="Club (monthly)", interval_count=1, interval_unit="month")


def on(day: str, **more: int) -> datetime:
    """Noon of a day, UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC, hour=12, **more)


def customer(number: int, **fields: Any) -> Customer:
    return Customer(
        external_id=str(number),
        **{
            "name": f"Ada {number}",
            "email": f"ada{number}@example.com",
            "country": "US",
            "state": "AZ",
            "free_trial_started_at": on("2025-01-01", microsecond=123456),
            **fields,
        },
    )


def line(invoice: str, number: int = 1, amount: int = 4900, subscription: str = "901", **fields: Any) -> LineItem:
    return LineItem(
        external_id=f"{invoice}-{number}",
        **{
            "type": SUBSCRIPTION,
            "amount_in_cents": amount,
            "subscription_external_id": subscription,
            "plan_external_id": PLAN.external_id,
            "service_period_start": on("2025-02-01"),
            "service_period_end": on("2025-03-01"),
            **fields,
        },
    )


def paid(invoice: str, number: int = 1, amount: int = 4900, **fields: Any) -> Transaction:
    return Transaction(
        external_id=f"{number}-{invoice}",
        **{"type": PAYMENT, "result": SUCCESSFUL, "date": on("2025-02-02"), "amount_in_cents": amount, **fields},
    )


def bare_invoice(**fields: Any) -> Invoice:
    """An invoice of these fields; here alone, tests give those that every invoice must have."""
    return Invoice(**{"date": on("2025-02-01"), "currency": "USD", **fields})


def invoice(external_id: str, owner: int = 1, **fields: Any) -> Invoice:
    return bare_invoice(
        external_id=external_id,
        customer_external_id=str(owner),
        **{
            "line_items": (line(external_id),),
            "transactions": (paid(external_id),),
            **fields,
        },
    )


def cancellation(
    subscription: str = "901", owner: int = 1, day: str = "2025-04-01", **fields: Any
) -> SubscriptionEvent:
    return SubscriptionEvent(
        external_id=f"{subscription}-cancelled-{day}",
        **{
            "event_type": CANCELLED,
            "customer_external_id": str(owner),
            "subscription_external_id": subscription,
            "event_date": on(day),
            "effective_date": on(day),
            **fields,
        },
    )
