"""What happens to one in a hundred orders of a generated account between two runs."""

from __future__ import annotations

import copy
from typing import Any

from tests.support.sandbox_process import Sandbox

LATER = "2026-11-20T10:00:00Z"
LATEST = "2026-11-21T10:00:00Z"
FIRST_NEW = 50_000_000
Record = dict[str, Any]


def new_orders(sandbox: Sandbox, count: int) -> int:
    """Another unpaid order of so many subscriptions; how many there are."""
    sandbox.put("orders", *(_again(order, FIRST_NEW + number) for number, order in enumerate(_plain(sandbox, count))))
    return count


def late_payments(sandbox: Sandbox, count: int) -> int:
    """The orders of `new_orders` are paid; Keap does not count that as a change of an order."""
    orders = [row for row in sandbox.account()["orders"] if int(row["id"]) >= FIRST_NEW][:count]
    sandbox.put("payments", *(_payment(order, LATEST) for order in orders))
    return len(orders)


def new_customers(sandbox: Sandbox, count: int) -> int:
    """A tenth as many new contacts, each with a subscription and a paid order."""
    account = sandbox.account()
    contacts = {row["id"]: row for row in account["contacts"]}
    held = {row["id"]: row for row in account["subscriptions"]}
    count //= 10
    for number, order in enumerate(_plain(sandbox, count)):
        new = str(2 * FIRST_NEW + number)
        old = order["order_items"][0]["subscription_id"]
        contact = copy.deepcopy(contacts[order["contact"]["id"]])
        contact.update(id=new, create_time=LATEST, update_time=LATEST)
        contact["email_addresses"] = [{"email": f"new.{new}@example.com", "field": "EMAIL1"}]
        subscription = held[old] | {
            "id": new,
            "contact_id": new,
            "start_date": LATEST[:10],
            "modification_time": LATEST,
        }
        bill = _again(order, int(new), LATEST)
        bill["status"], bill["contact"] = "PAID", {"id": new}
        bill["order_items"][0]["subscription_id"] = new
        for stream, row in (
            ("contacts", contact),
            ("subscriptions", subscription),
            ("orders", bill),
            ("payments", _payment(bill, LATEST)),
        ):
            sandbox.put(stream, row)
    return count


def moved_subscriptions(sandbox: Sandbox, count: int) -> int:
    """So many orders' subscriptions get another contact; how many invoices and cancellations move with them."""
    account = sandbox.account()
    orders: dict[str, int] = {}
    for order in account["orders"]:
        for item in order["order_items"][:1]:
            if item["subscription_id"]:
                orders[item["subscription_id"]] = orders.get(item["subscription_id"], 0) + 1
    active = [row for row in account["subscriptions"] if row["active"] and int(row["id"]) < FIRST_NEW]
    moved = 0
    for one, other in zip(active[::2], active[1::2], strict=False):
        if moved >= count:
            break
        if one["contact_id"] != other["contact_id"]:
            sandbox.put("subscriptions", one | {"contact_id": other["contact_id"], "modification_time": LATEST})
            moved += orders.get(one["id"], 0)
    return moved


def _plain(sandbox: Sandbox, count: int) -> list[Record]:
    """Paid orders of one line of an active subscription, the last of each of so many."""
    account = sandbox.account()
    active = {row["id"] for row in account["subscriptions"] if row["active"]}
    found: dict[str, Record] = {}
    for order in account["orders"]:
        items = order["order_items"]
        if order["status"] == "PAID" and len(items) == 1 and items[0]["subscription_id"] in active:
            found[items[0]["subscription_id"]] = order
    return sorted(found.values(), key=lambda order: int(order["id"]))[:count]


def _again(order: Record, number: int, when: str = LATER) -> Record:
    another = copy.deepcopy(order)
    another.update(
        id=str(number),
        status="SENT",
        creation_time=when,
        modification_time=when,
        order_time=when,
        invoice_id=str(number),
    )
    another["total_paid"] = order["total_paid"] | {"amount": 0}
    another["order_items"][0]["id"] = f"{number}1"
    return another


def _payment(order: Record, when: str) -> Record:
    return {
        "id": order["id"],
        "type": "Credit Card",
        "amount": order["total"]["amount"] / 100,
        "note": "Charge",
        "status": "COMPLETED",
        "payment_time": when,
        "update_time": when,
        "refund_payment_id": None,
        "contact_id": order["contact"]["id"],
        "order_ids": [order["id"]],
    }
