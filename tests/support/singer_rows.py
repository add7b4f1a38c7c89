"""Plain accounts of any number of contacts, each with a monthly subscription and paid orders."""

from __future__ import annotations

from typing import Any

Account = dict[str, list[dict[str, Any]]]


def club_account(contacts: int, *, orders: int = 2, first: int = 1) -> Account:
    """Contact `n` has subscription `1000 + n` and orders `100 n + 1`, `100 n + 2`, …, monthly from January 2026 on."""
    rows: Account = {name: [] for name in ("contacts", "subscriptions", "orders", "payments", "products")}
    plan = {"id": "7", "name": "Monthly", "billing_cycle": "MONTHLY", "frequency": 1, "active": True}
    rows["products"].append({"id": "31", "name": "Club", "subscription_plans": [plan]})
    for number in range(first, first + contacts):
        rows["contacts"].append(_contact(number))
        rows["subscriptions"].append(_subscription(number))
        for month in range(1, orders + 1):
            rows["orders"].append(_order(number, month))
            rows["payments"].append(_payment(number, month))
    return rows


def _contact(number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "given_name": f"Zenobia{number}",
        "family_name": f"Quillfeather{number}",
        "email_addresses": [{"email": f"zenobia{number}@quillfeather.example", "field": "EMAIL1"}],
        "create_time": "2026-01-01T00:00:00Z",
        "update_time": f"2026-01-01T00:00:{number % 60:02d}Z",
    }


def _subscription(number: int) -> dict[str, Any]:
    return {
        "id": str(1000 + number),
        "contact_id": str(number),
        "product_id": "31",
        "subscription_plan_id": "7",
        "active": True,
        "billing_cycle": "MONTH",
        "billing_frequency": 1,
        "start_date": "2026-01-05",
        "modification_time": "2026-01-05T00:00:00Z",
    }


def _order(number: int, month: int) -> dict[str, Any]:
    order = str(100 * number + month)
    when = f"2026-{month:02d}-05T10:00:00Z"
    money = {"amount": 4900, "currency_code": "USD"}
    item = {
        "id": f"{order}1",
        "name": "Club",
        "quantity": 1,
        "item_type": "SUBSCRIPTION",
        "subscription_id": str(1000 + number),
        "product": {"id": "31", "name": "Club"},
        "price_per_unit": money,
        "subscription_plan": {"id": "7", "frequency": 1, "cycle_type": "MONTHLY"},
    }
    return {
        "id": order,
        "status": "PAID",
        "total": money,
        "contact": {"id": str(number)},
        "order_time": when,
        "creation_time": when,
        "modification_time": when,
        "order_items": [item],
    }


def _payment(number: int, month: int) -> dict[str, Any]:
    order = str(100 * number + month)
    return {
        "id": f"{order}9",
        "type": "Credit Card",
        "amount": 49.0,
        "status": "APPROVED",
        "payment_time": f"2026-{month:02d}-05T10:00:00Z",
        "contact_id": str(number),
        "order_ids": [order],
    }
