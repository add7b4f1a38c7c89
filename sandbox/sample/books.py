"""Double-entry of a sort: sells, bills and collects, and writes down the rows that Keap would show for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from sandbox.clock import format_instant
from sandbox.keap.values import Row
from sandbox.sample import rows
from sandbox.sample.calendar import NOW, at, billing_days, next_billing_day, step


class Books:
    """The books of a business at the time ``now``.

    Args:
        now: nothing is billed after it unless asked for.
        first_id: where the ids of each kind begin, so that several books can be put together.
    """

    def __init__(self, now: datetime, first_id: int = 1) -> None:
        self.now = now
        self.contacts: dict[str, Row] = {}
        self.subscriptions: dict[str, Row] = {}
        self.orders: dict[str, Row] = {}
        self.payments: dict[str, Row] = {}
        self.transactions: list[Row] = []
        self.order_payments: list[Row] = []
        self._ids = dict.fromkeys(("contact", "subscription", "order", "payment", "share", "charge"), first_id - 1)

    def day(self, year: int, month: int, day: int) -> date:
        """Return the day of a story, which is told as of ``NOW``: as many months on as these books are."""
        months = (self.now.year - NOW.year) * 12 + self.now.month - NOW.month
        return step(date(year, month, day), "MONTH", 1, months)

    def account(self) -> dict[str, list[Row]]:
        """Return the rows by stream."""
        return {
            "contacts": list(self.contacts.values()),
            "subscriptions": list(self.subscriptions.values()),
            "orders": list(self.orders.values()),
            "payments": list(self.payments.values()),
            "transactions": self.transactions,
            "order_payments": self.order_payments,
        }

    def adopt(self, account: dict[str, Any]) -> None:
        """Go on with the rows of an account, which are changed in place."""
        self.contacts = {row["id"]: row for row in account.get("contacts", ())}
        self.subscriptions = {row["id"]: row for row in account.get("subscriptions", ())}
        self.orders = {row["id"]: row for row in account.get("orders", ())}
        self.payments = {row["id"]: row for row in account.get("payments", ())}
        self.transactions = list(account.get("transactions", ()))
        self.order_payments = list(account.get("order_payments", ()))
        shares = {row["id"]: row for row in self.order_payments}
        for kind, ids in (
            ("contact", self.contacts), ("subscription", self.subscriptions), ("order", self.orders),
            ("payment", self.payments), ("share", shares),
        ):  # fmt: skip
            self._ids[kind] = max((int(row_id) for row_id in ids), default=0)
        self._ids["charge"] = 1_000_000 + len(self.transactions)

    def clear(self) -> None:
        """Forget all rows, but go on numbering."""
        for rows_by_id in (self.contacts, self.subscriptions, self.orders, self.payments):
            rows_by_id.clear()
        self.transactions = []
        self.order_payments = []

    def _next(self, kind: str) -> int:
        self._ids[kind] += 1
        return self._ids[kind]

    def contact(self, given: str | None, family: str | None, created: datetime, **changes: Any) -> Row:
        """Add a contact."""
        row = rows.contact(self._next("contact"), given, family, created, **changes)
        self.contacts[row["id"]] = row
        return row

    def subscribe(self, contact: Row, product: Row, plan: Row | None, start: date, **changes: Any) -> Row:
        """Add a subscription that has not been billed yet."""
        row = rows.subscription(self._next("subscription"), contact["id"], product, plan, start, **changes)
        row["modification_time"] = min(row["modification_time"], format_instant(self.now))
        self.subscriptions[row["id"]] = row
        return row

    def line(self, product: Row, plan: Row | None = None, subscription: Row | None = None, **changes: Any) -> Row:
        """Return an item without id: of a subscription if there is a plan or subscription, else a product."""
        price = (plan["plan_price"] if plan else product["price"])["amount"]
        kind = "SUBSCRIPTION" if plan or subscription else "PRODUCT"
        given = {
            "of_product": product,
            "of_plan": plan,
            "subscription_id": subscription["id"] if subscription else None,
            **changes,
        }
        return rows.item(
            "", product["name"], given.pop("kind", kind), given.pop("price", price), currency_of(product, plan), **given
        )

    def order(
        self,
        contact: Row,
        when: datetime,
        items: Iterable[Row],
        *,
        currency: str = "USD",
        total: int | None = None,
        **changes: Any,
    ) -> Row:
        """Add an order that is not paid; its total follows from the items unless given, in smallest units."""
        number = self._next("order")
        numbered = [{**item, "id": f"{number}{place:02d}"} for place, item in enumerate(items, 1)]
        amount = total_of(numbered) if total is None else total
        row = rows.order(number, contact, numbered, amount, when, currency, **changes)
        self.orders[row["id"]] = row
        return row

    def pay(self, order: Row, when: datetime, amount: int | None = None, *, touch: bool = True, **changes: Any) -> Row:
        """Collect a card payment for an order, all that is open unless an amount in smallest units is given."""
        currency = order["total"]["currency_code"]
        due = order["total"]["amount"] - order["total_paid"]["amount"] if amount is None else amount
        major = rows.major(due, currency)
        contact_id = order["contact"]["id"]
        payment = rows.payment(self._next("payment"), contact_id, [order["id"]], major, when, **changes)
        self.payments[payment["id"]] = payment
        self._settle(order, due, when, touch=touch)
        self._share(payment, order, major)
        method = "CAPTURE" if payment["type"] == "Credit Card" else "MANUAL"
        pending = payment["status"] == "PENDING"
        self._transaction(
            order,
            major,
            when,
            payment_id=payment["id"],
            transaction_method=method,
            status="PENDING" if pending else "APPROVED",
            is_successful=not pending,
        )
        return payment

    def pay_together(
        self, orders: list[Row], shares: list[int], when: datetime, *, factor: int = 1, shown: bool = True
    ) -> Row:
        """Collect one payment for several orders.

        ``shares`` are in smallest units; the order payments show them times ``factor``, or not at all.
        """
        currency = orders[0]["total"]["currency_code"]
        payment = rows.payment(
            self._next("payment"),
            orders[0]["contact"]["id"],
            [order["id"] for order in orders],
            rows.major(sum(shares), currency),
            when,
            type="Check",
        )
        self.payments[payment["id"]] = payment
        for order, share in zip(orders, shares, strict=True):
            self._settle(order, share, when)
            if shown:
                self._share(payment, order, rows.major(share, currency) * factor)
        return payment

    def fail(self, order: Row, when: datetime, *, status: str = "FAILED") -> Row:
        """Note a charge that was declined."""
        due = order["total"]["amount"] - order["total_paid"]["amount"]
        return self._transaction(
            order,
            rows.major(due, order["total"]["currency_code"]),
            when,
            status=status,
            is_successful=False,
            external_response_code="card_declined",
            error_details="Your card was declined." if status == "FAILED" else "Gateway timeout.",
        )

    def refund(
        self, payment: Row, amount: int, when: datetime, *, negative: bool = True, linked: bool = True, row: bool = True
    ) -> None:
        """Pay back ``amount`` in smallest units.

        Args:
            payment: what was paid.
            amount: how much of it goes back.
            when: the time of the refund.
            negative: whether Keap shows a negative amount, or the type ``Refund``.
            linked: whether the refund names the orders; else only the original names the refund.
            row: whether there is a payment row at all, or only the order's total and a transaction.
        """
        order = self.orders[payment["order_ids"][0]]
        currency = order["total"]["currency_code"]
        major = rows.major(amount, currency)
        if row:
            back = rows.payment(
                self._next("payment"),
                payment["contact_id"],
                list(payment["order_ids"]) if linked else [],
                -major if negative else major,
                when,
                type="Credit Card" if negative else "Refund",
                note="Refund",
            )
            self.payments[back["id"]] = back
            payment["refund_payment_id"] = back["id"]
            payment["update_time"] = format_instant(when)
        refunded = order["refund_total"]["amount"] + amount
        order["refund_total"] = rows.money(refunded, currency)
        order["refund_status"] = "FULL" if refunded >= order["total"]["amount"] else "PARTIAL"
        order["modification_time"] = format_instant(when)
        self._transaction(order, major, when, transaction_method="REFUND", payment_id=payment["id"])

    def void(self, payment: Row, when: datetime) -> None:
        """Take back a payment before it was settled."""
        order = self.orders[payment["order_ids"][0]]
        amount = minor(payment["amount"], order["total"]["currency_code"])
        self._settle(order, -amount, when)
        self._transaction(order, payment["amount"], when, transaction_method="VOID", payment_id=payment["id"])
        for share in self.order_payments:
            if share["payment_id"] == payment["id"]:
                share["pay_status"] = "VOIDED"
                share["last_updated_time"] = format_instant(when)

    def adjust(self, order: Row, kind: str, amount: int, when: datetime) -> Row:
        """Settle by something that is not money: ``Credit``, ``Adjustment`` or ``Write Off``; smallest units."""
        major = rows.major(amount, order["total"]["currency_code"])
        contact_id = order["contact"]["id"]
        row = rows.payment(self._next("payment"), contact_id, [order["id"]], major, when, type=kind, note=kind)
        self.payments[row["id"]] = row
        self._settle(order, amount, when)
        if kind == "Write Off":
            order["refund_status"] = "WRITTEN_OFF"
        else:
            order["credit_status"] = "APPROVED"
        return row

    def bill(self, subscription: Row, when: datetime, plan: Row | None, product: Row, **changes: Any) -> Row:
        """Add the order of one cycle to the subscription's contact, and move its billing dates on."""
        contact = self.contacts[subscription["contact_id"]]
        currency = currency_of(product, plan)
        price = minor(subscription["billing_amount"], currency)
        item = self.line(product, plan, subscription, price=price, quantity=subscription["quantity"])
        items = [item, *changes.pop("items", ())]
        order = self.order(contact, when, items, currency=currency, **changes)
        self.billed(subscription, when.date())
        return order

    def billed(self, subscription: Row, day: date) -> None:
        """Move a subscription's billing dates on to behind ``day``."""
        subscription["last_bill_date"] = day.isoformat()
        start = date.fromisoformat(subscription["start_date"])
        cycle, frequency = subscription["billing_cycle"], subscription["billing_frequency"]
        subscription["next_bill_date"] = next_billing_day(start, cycle, frequency, day).isoformat()
        subscription["modification_time"] = format_instant(min(at(day, 18), self.now))

    def run(
        self, subscription: Row, plan: Row | None, product: Row, until: date | None = None, *, paid: bool = True
    ) -> list[Row]:
        """Bill every cycle up to a day, by default today, each paid at once unless ``paid`` is false."""
        last = until or self.now.date()
        orders: list[Row] = []
        start = date.fromisoformat(subscription["start_date"])
        for day in billing_days(start, subscription["billing_cycle"], subscription["billing_frequency"], last):
            when = at(day, 6 + int(subscription["id"]) % 12)
            if when > self.now:
                break
            order = self.bill(subscription, when, plan, product)
            if paid:
                self.pay(order, when + timedelta(seconds=3))
            orders.append(order)
        return orders

    def stop(
        self, subscription: Row, when: datetime, *, end_date: date | None = None, reason: str | None = None
    ) -> None:
        """Make a subscription inactive, as a person does in Keap."""
        subscription["active"] = False
        subscription["auto_charge"] = False
        subscription["end_date"] = end_date.isoformat() if end_date else None
        subscription["reason_stopped"] = reason
        subscription["modification_time"] = format_instant(when)

    def _settle(self, order: Row, amount: int, when: datetime, *, touch: bool = True) -> None:
        currency = order["total"]["currency_code"]
        paid = order["total_paid"]["amount"] + amount
        order["total_paid"] = rows.money(paid, currency)
        order["status"] = "PAID" if paid >= order["total"]["amount"] else "SENT"
        if touch:
            order["modification_time"] = max(order["modification_time"], format_instant(when))

    def _share(self, payment: Row, order: Row, amount: float) -> None:
        self.order_payments.append(rows.order_payment(payment, order, self._next("share"), amount))

    def _transaction(self, order: Row, amount: float, when: datetime, **changes: Any) -> Row:
        contact = self.contacts.get(order["contact"]["id"]) or rows.contact(0, None, None, when)
        reference = f"ch_{self._next('charge'):06d}"
        row = rows.transaction(contact, [order["id"]], amount, when, reference, **changes)
        self.transactions.append(row)
        return row


def currency_of(product: Row, plan: Row | None) -> str:
    """Return the currency in which a product or its plan is priced."""
    currency: str = (plan["plan_price"] if plan else product["price"])["currency_code"]
    return currency


@lru_cache(maxsize=10_000)
def minor(amount: float, currency: str) -> int:
    """Return major units as smallest units."""
    places = {"JPY": 0}.get(currency, 2)
    return int((Decimal(str(amount)) * 10**places).quantize(Decimal(1), ROUND_HALF_UP))


def total_of(items: list[Row]) -> int:
    """Return the total of items in smallest units: all lines and taxes, less discounts."""
    total = 0
    for item in items:
        discount = (item["discount"] or {"amount": 0})["amount"]
        if item["item_type"].startswith("DISCOUNT") and discount:
            total -= discount
        else:
            total += item["price_per_unit"]["amount"] * item["quantity"]
    return total


def tax_item(amount: int, percent: str, currency: str = "USD") -> Row:
    """Return a tax item of ``percent`` of an amount, half-up, both in smallest units."""
    tax = int((Decimal(amount) * Decimal(percent) / 100).quantize(Decimal(1), ROUND_HALF_UP))
    return rows.item("", f"Sales Tax {percent}%", "TAX", tax, currency)


def discount_item(name: str, kind: str, amount: int, currency: str = "USD", **changes: Any) -> Row:
    """Return a discount item that takes ``amount`` off, in smallest units."""
    return rows.item("", name, kind, 0, currency, discount=amount, **changes)
