"""Later states of an account: what people and the billing run do to it between two moments."""

from __future__ import annotations

import copy
import random
from datetime import date, datetime, timedelta
from typing import Any

from sandbox.clock import format_instant, parse_instant
from sandbox.keap.values import Row
from sandbox.sample.books import Books, minor
from sandbox.sample.calendar import at, billing_days
from sandbox.sample.lives import FAMILY, Lives


def evolve(account: dict[str, Any], seed: int, *, before: datetime, now: datetime) -> dict[str, Any]:
    """Return the account as it may look at ``now``, if ``account`` is how it looked at ``before``.

    The billing run goes on; besides there are new contacts, late payments, refunds, voids, subscriptions that move to
    another contact, stop, come back or get another end date, edits, and deletions. What changes has a modification
    time between the two moments, except orders whose payments Keap does not count as a change of the order.

    Args:
        account: streams by name; left as it is.
        seed: the same seed makes the same changes.
        before: the time of ``account``.
        now: the time of the result.

    Raises:
        ValueError: ``now`` is not later than ``before``.
    """
    if now <= before:
        raise ValueError("now must be later than before")
    later = copy.deepcopy(account)
    _History(later, random.Random(seed), before, now).happen()
    return later


class _History:
    """Changes an account in place."""

    def __init__(self, account: dict[str, Any], chance: random.Random, before: datetime, now: datetime) -> None:
        self._account = account
        self._chance = chance
        self._before = before
        self._now = now
        self._books = Books(now)
        self._books.adopt(account)
        self._products = {row["id"]: row for row in account.get("products", ())}

    def happen(self) -> None:
        """Let everything happen, and write it back."""
        self._billing_run()
        for happening in (
            self._pay_late, self._refund, self._void, self._move, self._stop, self._come_back, self._change_end,
            self._edit_contact, self._edit_order, self._edit_product, self._delete_subscription,
            self._delete_contact, self._delete_order, self._arrive,
        ):  # fmt: skip
            happening()
        self._account.update(self._books.account())

    def _time(self) -> datetime:
        seconds = int((self._now - self._before).total_seconds())
        return self._before + timedelta(seconds=self._chance.randint(1, max(1, seconds)))

    def _some(self, rows: list[Row], share: float) -> list[Row]:
        return [row for row in rows if self._chance.random() < share]

    def _billing_run(self) -> None:
        lives = Lives(self._books, self._chance, after=self._before)
        for held in list(self._books.subscriptions.values()):
            product = self._products.get(held["product_id"])
            plans = {plan["id"]: plan for plan in (product or {}).get("subscription_plans", ())}
            plan = plans.get(held["subscription_plan_id"])
            if not held["active"] or product is None or plan is None or held["contact_id"] not in self._books.contacts:
                continue
            for day in self._due(held):
                lives.cycle(held, product, plan, day)

    def _due(self, held: Row) -> list[date]:
        start = date.fromisoformat(held["start_date"])
        days = billing_days(start, held["billing_cycle"], held["billing_frequency"], self._now.date())
        last = held["last_bill_date"] or ""
        end = held["end_date"] or "9999-12-31"
        return [day for day in days if last < day.isoformat() <= end and self._before < at(day, 11) <= self._now]

    def _pay_late(self) -> None:
        unpaid = [row for row in self._orders() if row["status"] == "SENT" and row["order_items"]]
        for order in self._some(unpaid, 0.35):
            if order["total"]["amount"] > order["total_paid"]["amount"] and self._old(order):
                self._books.pay(order, self._time(), touch=self._chance.random() < 0.5)

    def _refund(self) -> None:
        for payment in self._some(self._plain_payments(), 0.02):
            order = self._books.orders[payment["order_ids"][0]]
            whole = minor(payment["amount"], order["total"]["currency_code"])
            amount = whole if self._chance.random() < 0.5 else max(1, whole // 4)
            how = {"negative": self._chance.random() < 0.5, "linked": self._chance.random() < 0.8}
            self._books.refund(payment, amount, self._time(), **how)

    def _void(self) -> None:
        for payment in self._some(self._plain_payments(), 0.005):
            self._books.void(payment, self._time())

    def _plain_payments(self) -> list[Row]:
        voided = {row["payment_id"] for row in self._books.transactions if row["transaction_method"] == "VOID"}
        return [
            row
            for row in self._books.payments.values()
            if row["type"] == "Credit Card" and row["status"] == "COMPLETED" and row["amount"] > 0
            and len(row["order_ids"]) == 1 and row["order_ids"][0] in self._books.orders
            and not row["refund_payment_id"] and row["id"] not in voided
            and self._before - timedelta(days=90) < parse_instant(row["payment_time"]) <= self._before
        ]  # fmt: skip

    def _move(self) -> None:
        contacts = list(self._books.contacts)
        for held in self._some(self._subscriptions(), 0.03):
            held["contact_id"] = self._chance.choice(contacts)
            self._touch_subscription(held)

    def _stop(self) -> None:
        for held in self._some([row for row in self._subscriptions() if row["active"]], 0.07):
            when = self._time()
            end: date | None = when.date() if self._chance.random() < 0.6 else None
            if self._chance.random() < 0.25:
                held["end_date"] = (self._now.date() + timedelta(days=self._chance.randrange(1, 50))).isoformat()
                self._touch_subscription(held)
            else:
                self._books.stop(held, when, end_date=end, reason="Too expensive")

    def _come_back(self) -> None:
        for held in self._some([row for row in self._subscriptions() if not row["active"]], 0.06):
            held.update(active=True, auto_charge=True, end_date=None, reason_stopped=None)
            self._touch_subscription(held)

    def _change_end(self) -> None:
        for held in self._some([row for row in self._subscriptions() if row["end_date"]], 0.08):
            shift = timedelta(days=self._chance.randrange(-5, 20))
            keep = not held["active"] or self._chance.random() < 0.5
            moved = (date.fromisoformat(held["end_date"]) + shift).isoformat()
            held["end_date"] = moved if keep else None
            self._touch_subscription(held)

    def _edit_contact(self) -> None:
        for contact in self._some(list(self._books.contacts.values()), 0.04):
            change = self._chance.randrange(3)
            if change == 0:
                contact["family_name"] = self._chance.choice(FAMILY)
            elif change == 1 and contact["email_addresses"]:
                wanted = self._chance.choice((f"new.{contact['id']}@example.com", "n/a", ""))
                contact["email_addresses"][0]["email"] = wanted
            else:
                contact["company"] = None if contact["company"] else {"id": "9002", "company_name": "Cactus Ltd"}
            contact["update_time"] = format_instant(self._time())

    def _edit_order(self) -> None:
        for order in self._some([row for row in self._orders() if row["order_items"]], 0.01):
            order["order_items"][0]["name"] += " (changed)"
            order["modification_time"] = format_instant(self._time())

    def _edit_product(self) -> None:
        for product in self._some(list(self._products.values()), 0.1):
            product["name"] += " II"
            product["update_time"] = format_instant(self._time())

    def _delete_subscription(self) -> None:
        for held in self._some(self._subscriptions(), 0.005):
            del self._books.subscriptions[held["id"]]

    def _delete_contact(self) -> None:
        for contact in self._some(list(self._books.contacts.values()), 0.003):
            if len(self._books.contacts) > 1:
                del self._books.contacts[contact["id"]]

    def _delete_order(self) -> None:
        charged = {order_id for row in self._books.transactions for order_id in row["order_ids"]}
        charged |= {order_id for row in self._books.payments.values() for order_id in row["order_ids"]}
        for order in self._some([row for row in self._orders() if row["id"] not in charged], 0.3):
            del self._books.orders[order["id"]]

    def _arrive(self) -> None:
        lives = Lives(self._books, self._chance, after=self._before)
        for _ in range(1 + len(self._books.contacts) // 50 if lives.days else 0):
            lives.live()

    def _touch_subscription(self, held: Row) -> None:
        held["modification_time"] = format_instant(self._time())

    def _orders(self) -> list[Row]:
        return list(self._books.orders.values())

    def _subscriptions(self) -> list[Row]:
        return list(self._books.subscriptions.values())

    def _old(self, order: Row) -> bool:
        return parse_instant(order["order_time"]) <= self._before
