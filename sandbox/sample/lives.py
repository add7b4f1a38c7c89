"""Plausible customers, one after the other: the same seed makes the same."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from sandbox.keap.values import Row
from sandbox.sample import catalogue as shop
from sandbox.sample import rows
from sandbox.sample.books import Books, currency_of, discount_item, minor, tax_item
from sandbox.sample.calendar import at, billing_days, step

GIVEN = (
    "Ada", "Bo", "Carl", "Dina", "Emil", "Fay", "Gus", "Hana", "Ivo", "June", "Kai", "Lena", "Milo", "Nora", "Omar",
    "Petra", "Quinn", "Rosa", "Sami", "Tove",
)  # fmt: skip
FAMILY = (
    "Ahlberg", "Brook", "Castell", "Dorn", "Eklund", "Fisher", "Grant", "Holt", "Iversen", "Jansen", "Keller", "Lund",
    "Moss", "Nash", "Orr", "Price", "Quist", "Reed", "Stone", "Thorn",
)  # fmt: skip
_PLANS: tuple[tuple[Row, Row, int], ...] = (
    (shop.COACHING, shop.COACHING_MONTHLY, 40),
    (shop.COACHING, shop.COACHING_QUARTERLY, 15),
    (shop.COACHING, shop.COACHING_YEARLY, 12),
    (shop.STARTER, shop.STARTER_MONTHLY, 15),
    (shop.BOX, shop.BOX_WEEKLY, 5),
    (shop.STUDIO, shop.STUDIO_MONTHLY, 10),
    (shop.STUDIO, shop.STUDIO_YEARLY, 3),
)


class Lives:
    """Writes lives into books.

    Args:
        books: where to.
        chance: the only source of chance.
        months: how long the business has been running.
        after: nothing happens before or at this time; contacts come from the day after it on.
    """

    def __init__(self, books: Books, chance: random.Random, months: int = 36, *, after: datetime | None = None) -> None:
        self._books = books
        self._chance = chance
        self._after = after
        opened = step(books.now.date(), "MONTH", 1, -months)
        self._opened = opened if after is None else after.date() + timedelta(days=1)

    @property
    def days(self) -> int:
        """On how many days a contact can have come."""
        return max(0, (self._books.now.date() - self._opened).days)

    def live(self) -> Row:
        """Add a contact with all that it ever did; return it."""
        chance = self._chance
        created = self._opened + timedelta(days=chance.randrange(self.days))
        contact = self._contact(created)
        kind = chance.random()
        if kind < 0.10:
            return contact
        if kind < 0.22:
            for _ in range(chance.randint(1, 3)):
                self._one_time(contact, created)
            return contact
        for _ in range(2 if chance.random() < 0.08 else 1):
            self._subscription(contact, created)
        if chance.random() < 0.15:
            self._one_time(contact, created)
        return contact

    def live_by_count(self, orders: int) -> Row:
        """Add a contact with one monthly subscription that has been billed so often; return it."""
        today = self._books.now.date()
        start = step(today.replace(day=1 + self._chance.randrange(28)), "MONTH", 1, -orders)
        contact = self._contact(start)
        held = self._books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, start)
        for times in range(orders):
            self.cycle(held, shop.COACHING, shop.COACHING_MONTHLY, step(start, "MONTH", 1, times))
        return contact

    def _contact(self, created: date) -> Row:
        chance = self._chance
        given, family = chance.choice(GIVEN), chance.choice(FAMILY)
        contact = self._books.contact(
            given,
            family,
            at(created, chance.randrange(24), chance.randrange(60)),
            custom_fields=[{"id": "12", "content": chance.choice(("gold", "silver", "bronze"))}],
            tag_ids=sorted(chance.sample(("101", "102", "103", "104", "105"), chance.randrange(4))),
        )
        if chance.random() < 0.02:
            contact["email_addresses"][0]["email"] = chance.choice(("n/a", "none", "foo@bar", "a b@example.com"))
        if chance.random() < 0.2:
            contact["company"] = {"id": "9001", "company_name": "Bright & Sons"}
        return contact

    def _one_time(self, contact: Row, created: date) -> None:
        chance = self._chance
        product = chance.choice((shop.JOURNAL, shop.MUG, shop.WORKSHOP, shop.GIFT_CARD))
        day = created + timedelta(days=chance.randrange(1 + (self._books.now.date() - created).days))
        items = [self._books.line(product, quantity=chance.choice((1, 1, 1, 2, 3)))]
        self._extras(items, items[0]["price_per_unit"]["amount"] * items[0]["quantity"], "USD")
        when = min(at(day, chance.randrange(24)), self._books.now - timedelta(hours=1))
        order = self._books.order(contact, when, items)
        if chance.random() < 0.95:
            self._books.pay(order, when + timedelta(minutes=1))

    def _subscription(self, contact: Row, created: date) -> None:
        chance = self._chance
        product, plan, _ = chance.choices(_PLANS, [weight for *_, weight in _PLANS])[0]
        start = created + timedelta(days=14 if chance.random() < 0.12 else 0)
        held = self._books.subscribe(contact, product, plan, start)
        days = list(billing_days(start, held["billing_cycle"], held["billing_frequency"], self._books.now.date()))
        churn = 0.25 if plan["billing_cycle"] == "YEARLY" else 0.01 if plan["billing_cycle"] == "WEEKLY" else 0.045
        for number, day in enumerate(days):
            if at(day, 11) > self._books.now:
                break
            self.cycle(held, product, plan, day)
            if chance.random() < churn:
                self._end(held, day, days[number + 1] if number + 1 < len(days) else None)
                return

    def cycle(self, held: Row, product: Row, plan: Row, day: date) -> None:
        """Bill one cycle of a subscription, with the luck that a charge has."""
        books, chance = self._books, self._chance
        when = at(day, chance.randrange(11), chance.randrange(60))
        if self._after is not None and when <= self._after:
            when = self._after + timedelta(minutes=1)
        items: list[Row] = []
        currency = currency_of(product, plan)
        self._extras(items, minor(held["billing_amount"], currency), currency)
        order = books.bill(held, when, plan, product, items=items)
        luck = chance.random()
        if luck < 0.04:
            tries = chance.randint(1, 3)
            for attempt in range(tries):
                if when + timedelta(days=2 * attempt) < books.now:
                    books.fail(order, when + timedelta(days=2 * attempt, seconds=31))
            paid_at = when + timedelta(days=2 * tries, seconds=62)
            if tries < 3 and paid_at < books.now:
                books.pay(order, paid_at)
            return
        payment = books.pay(order, when + timedelta(seconds=3))
        back = when + timedelta(days=chance.randrange(1, 20))
        if luck > 0.985 and back < books.now:
            whole = order["total"]["amount"]
            amount = whole if chance.random() < 0.4 else max(1, whole // 3)
            books.refund(payment, amount, back, negative=chance.random() < 0.5)

    def _extras(self, items: list[Row], amount: int, currency: str) -> None:
        chance = self._chance
        if chance.random() < 0.06:
            off = amount // 10
            items.append(discount_item("Spring 10%", "DISCOUNT_ORDER_TOTAL", off, currency, special=(10.0, "PERCENT")))
            amount -= off
        if currency == "USD" and chance.random() < 0.1:
            items.append(tax_item(amount, "7.25", currency))
        if currency == "USD" and chance.random() < 0.04:
            items.append(rows.item("", "Shipping", "SHIPPING", 795, currency))

    def _end(self, held: Row, last: date, following: date | None) -> None:
        chance, today = self._chance, self._books.now.date()
        stopped = min(last + timedelta(days=chance.randrange(1, 20)), today)
        stopped_at = min(max(at(stopped, 7), at(last, 11)), self._books.now)
        match chance.randrange(4):
            case 0:
                self._books.stop(held, stopped_at)
            case 1 if following is None:
                held["end_date"] = (today + timedelta(days=chance.randrange(3, 60))).isoformat()
            case _:
                self._books.stop(held, stopped_at, end_date=stopped, reason=chance.choice(_REASONS))


_REASONS = ("Too expensive", "No time", "Moved away", None)
