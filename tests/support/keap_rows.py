"""Rows as Keap's REST v2 returns them, with the fields that a test cares about and those a row always has."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def money(amount: int, currency: str = "USD") -> Row:
    return {"amount": amount, "currency_code": currency}


def contact(contact_id: str = "1207", **fields: Any) -> Row:
    return {
        "id": contact_id,
        "given_name": f"Given{contact_id}",
        "family_name": "Family",
        "create_time": "2025-03-04T16:21:09Z",
        "email_addresses": [{"email": f"contact{contact_id}@example.com", "field": "EMAIL1"}],
        "addresses": [],
        "tag_ids": [],
        **fields,
    }


def product(product_id: str = "31", name: str = "Coaching", taxable: bool = True, **fields: Any) -> Row:
    plans = [
        {"id": "7", "billing_cycle": "MONTHLY", "billing_frequency": 1},
        {"id": "8", "billing_cycle": "MONTHLY", "billing_frequency": 3},
    ]
    return {"id": product_id, "name": name, "taxable": taxable, "subscription_plans": plans, **fields}


def subscription(subscription_id: str = "501", contact_id: str | None = "1207", **fields: Any) -> Row:
    return {
        "id": subscription_id,
        "contact_id": contact_id,
        "product_id": "31",
        "subscription_plan_id": "7",
        "active": True,
        "billing_cycle": "MONTH",
        "billing_frequency": 1,
        "start_date": "2026-01-10",
        "last_bill_date": "2026-01-10",
        "next_bill_date": "2026-02-10",
        "end_date": None,
        "modification_time": "2026-01-10T12:00:05Z",
        **fields,
    }


def item(item_id: str, item_type: str, amount: int = 0, currency: str = "USD", **fields: Any) -> Row:
    return {
        "id": item_id,
        "name": fields.pop("name", f"Item {item_id}"),
        "quantity": fields.pop("quantity", 1),
        "item_type": item_type,
        "subscription_id": None,
        "product": None,
        "price_per_unit": money(amount, currency),
        "subscription_plan": None,
        "discount": None,
        "special": None,
        **fields,
    }


def subscription_item(item_id: str, subscription_id: str | None, amount: int = 4900, **fields: Any) -> Row:
    plan = {"id": "7", "frequency": 1, "cycle_type": "MONTHLY"}
    named = {"product": {"id": "31", "name": "Coaching", "taxable": True}, "subscription_plan": plan}
    return item(item_id, "SUBSCRIPTION", amount, subscription_id=subscription_id, **{**named, **fields})


def order(order_id: str, items: list[Row], total: int | None, contact_id: str | None = "1207", **fields: Any) -> Row:
    currency = fields.pop("currency", "USD")
    time = fields.pop("time", "2026-01-10T12:00:00Z")
    return {
        "id": order_id,
        "status": "PAID",
        "total": None if total is None else money(total, currency),
        "contact": None if contact_id is None else {"id": contact_id},
        "creation_time": time,
        "modification_time": time,
        "order_time": time,
        "order_items": items,
        **fields,
    }


def payment(payment_id: str, order_ids: list[str], amount: float, **fields: Any) -> Row:
    time = fields.pop("time", "2026-01-10T12:00:03Z")
    return {
        "id": payment_id,
        "type": "Credit Card",
        "amount": amount,
        "status": "COMPLETED",
        "payment_time": time,
        "refund_payment_id": None,
        "contact_id": "1207",
        "order_ids": order_ids,
        **fields,
    }
