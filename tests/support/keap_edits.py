"""What a person can do to an account in Keap, beyond billing's usual days: one edit of its rows at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]
Rows = dict[str, list[Row]]


class Editor:
    """Edits the rows of an account in place; what is taken out of them is in `removed`, by stream and id."""

    def __init__(self, rows: Rows, chance: random.Random) -> None:
        self.rows = rows
        self.removed: dict[tuple[str, str], Row] = {}
        self._chance = chance
        self._new_id = 800_000

    def edit(self) -> str:
        """One edit, whose name is returned; it may find nothing to change."""
        how = self._chance.choice(EDITS)
        how(self)
        return how.__name__

    def _any(self, stream: str) -> Row | None:
        return self._chance.choice(self.rows[stream]) if self.rows[stream] else None

    def _id(self) -> str:
        self._new_id += 1
        return str(self._new_id)

    def _take_out(self, stream: str, row: Row) -> None:
        self.rows[stream].remove(row)
        self.removed[stream, row["id"]] = row

    def _put_back(self, stream: str) -> None:
        gone = [key for key in self.removed if key[0] == stream]
        if gone:
            self.rows[stream].append(self.removed.pop(self._chance.choice(gone)))

    # -- orders

    def order_is_another_contacts(self) -> None:
        order, contact = self._any("orders"), self._any("contacts")
        if order and contact:
            order["contact"] = {"id": contact["id"], "given_name": contact["given_name"]}

    def order_has_another_date(self) -> None:
        if order := self._any("orders"):
            order["order_time"] = _shifted(order["order_time"], days=self._chance.randint(-40, 40))

    def order_has_another_price(self) -> None:
        if (order := self._any("orders")) and order["order_items"]:
            item = self._chance.choice(order["order_items"])
            if item["price_per_unit"]:
                item["price_per_unit"]["amount"] += 500
                order["total"]["amount"] += 500

    def order_is_a_draft_or_is_sent(self) -> None:
        if order := self._any("orders"):
            order["status"] = "SENT" if order["status"] == "DRAFT" else "DRAFT"

    def order_loses_an_item(self) -> None:
        if (order := self._any("orders")) and len(order["order_items"]) > 1:
            order["order_items"].remove(self._chance.choice(order["order_items"]))

    def order_gets_an_item(self) -> None:
        if order := self._any("orders"):
            money = {"amount": 1000, "currency_code": order["total"]["currency_code"]}
            subscription = self._any("subscriptions") if self._chance.random() < 0.4 else None
            order["order_items"].append(
                {
                    "id": self._id(),
                    "name": "Extra",
                    "quantity": 1,
                    "item_type": "PRODUCT",
                    "subscription_id": subscription and subscription["id"],
                    "product": {"id": "31", "name": "Coaching Membership"},
                    "subscription_plan": {"id": "7", "cycle_type": "MONTHLY", "frequency": 1},
                    "price_per_unit": money,
                }
            )
            order["total"]["amount"] += 1000

    def items_have_new_ids(self) -> None:
        if order := self._any("orders"):
            for item in order["order_items"]:
                item["id"] = self._id()

    def item_is_another_subscriptions(self) -> None:
        order, subscription = self._any("orders"), self._any("subscriptions")
        if order and subscription:
            for item in order["order_items"]:
                if item["item_type"] == "SUBSCRIPTION":
                    item["subscription_id"] = subscription["id"]

    def item_is_no_subscriptions(self) -> None:
        if order := self._any("orders"):
            for item in order["order_items"]:
                item["subscription_id"] = None

    # -- contacts

    def contacts_are_merged(self) -> None:
        if len(self.rows["contacts"]) < 2:
            return
        loser, winner = self._chance.sample(self.rows["contacts"], 2)
        self._take_out("contacts", loser)
        for order in self.rows["orders"]:
            if order["contact"]["id"] == loser["id"]:
                order["contact"] = {"id": winner["id"], "given_name": winner["given_name"]}
        for stream in ("subscriptions", "payments"):
            for row in self.rows[stream]:
                if row["contact_id"] == loser["id"]:
                    row["contact_id"] = winner["id"]

    def contact_gets_or_loses_a_tag(self) -> None:
        if contact := self._any("contacts"):
            contact["tag_ids"] = [] if contact["tag_ids"] else [TAG]

    def contact_is_called_otherwise(self) -> None:
        if contact := self._any("contacts"):
            contact["given_name"] = f"New {self._chance.randint(0, 99)}"

    # -- payments

    def payment_is_deleted(self) -> None:
        if payment := self._any("payments"):
            self._take_out("payments", payment)

    def payment_changes(self) -> None:
        if payment := self._any("payments"):
            match self._chance.randrange(4):
                case 0:
                    payment["amount"] = round(payment["amount"] * self._chance.choice([0.5, 1.5]), 2)
                case 1:
                    payment["payment_time"] = _shifted(payment["payment_time"], days=self._chance.randint(-9, 9))
                case 2:
                    payment["status"] = "PENDING" if payment["status"] != "PENDING" else "COMPLETED"
                case _:
                    order = self._any("orders")
                    payment["order_ids"] = [order["id"]] if order else []

    def payment_is_spread_over_two(self) -> None:
        if (payment := self._any("payments")) and len(self.rows["orders"]) > 1:
            payment["order_ids"] = [each["id"] for each in self._chance.sample(self.rows["orders"], 2)]

    # -- subscriptions

    def subscription_moves(self) -> None:
        subscription, contact = self._any("subscriptions"), self._any("contacts")
        if subscription and contact:
            subscription["contact_id"] = contact["id"]

    def subscription_disappears(self) -> None:
        if subscription := self._any("subscriptions"):
            self._take_out("subscriptions", subscription)

    def subscription_comes_back(self) -> None:
        self._put_back("subscriptions")

    def subscription_changes_its_plan(self) -> None:
        if subscription := self._any("subscriptions"):
            subscription["subscription_plan_id"] = self._chance.choice(["7", "8"])
            subscription["billing_frequency"] = self._chance.choice([1, 3])

    def subscription_ends_or_goes_on(self) -> None:
        if subscription := self._any("subscriptions"):
            subscription["active"] = not subscription["active"]
            subscription["end_date"] = None if subscription["active"] else subscription["next_bill_date"]

    # -- the catalogue

    def product_is_renamed(self) -> None:
        if product := self._any("products"):
            product["name"] = f"Renamed {self._chance.randint(0, 99)}"


TAG = "999"
"""The tag that contacts get and lose."""
EDITS: tuple[Callable[[Editor], None], ...] = tuple(
    each for name, each in vars(Editor).items() if callable(each) and not name.startswith("_") and name != "edit"
)


def _shifted(text: str, *, days: int) -> str:
    moment = datetime.fromisoformat(text) + timedelta(days=days)
    return moment.isoformat().replace("+00:00", "Z")
