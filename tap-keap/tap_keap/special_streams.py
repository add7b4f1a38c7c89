"""Streams that are more than one listing, or whose rows get something added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property

from tap_keap.client import Listing
from tap_keap.errors import RefusedRequestError
from tap_keap.instants import format_instant, parse_instant
from tap_keap.rows import Page, Row, RowReader, load_schema
from tap_keap.stream_specs import DISCOUNT_KINDS
from tap_keap.streams import KeapStream


class SubscriptionPlanStream(KeapStream):
    """Plans of all products. Keap's rows do not name their product since June 2026."""

    def add_fields(self, row: Row) -> None:
        """The product that lists the plan, where `products` was read in this run."""
        if not row.get("product_id"):
            row["product_id"] = self.keap.product_of_plan.get(row.get("id", ""))


class ProductStream(KeapStream):
    """Products; remembers which product a plan belongs to."""

    def add_fields(self, row: Row) -> None:
        """Nothing is added; the plans are remembered for `subscription_plans`."""
        for plan in row.get("subscription_plans") or ():
            if plan and plan.get("id"):
                self.keap.product_of_plan[plan["id"]] = row.get("id")


class TransactionStream(KeapStream):
    """Payment attempts. Keap gives them no id."""

    def add_fields(self, row: Row) -> None:
        """A key made of what tells attempts apart; two rows that agree in all of it are one attempt."""
        row["transaction_key"] = transaction_key(row)


class DiscountStream(KeapStream):
    """Discounts of all kinds but free trials, which have a stream of their own."""

    one_listing = False

    def pages(self) -> Iterator[Page]:
        """The pages of one kind after the other."""
        for path, kind in DISCOUNT_KINDS.items():
            listing = Listing(self.name, f"discounts/{path}", self.query(self.plan))
            for page in self.keap.client.pages(listing, self.reader):
                for row in page.rows:
                    row["kind"] = kind
                yield page


class ContactTagStream(KeapStream):
    """Which contact has which tag: the contacts of each tag."""

    one_listing = False

    @cached_property
    def reader(self) -> RowReader:
        """Reads tagged contacts, whose `id` is the contact's."""
        schema = load_schema(self.name)
        properties = {**schema["properties"], "id": {"type": ["string", "null"]}}
        return RowReader({**schema, "properties": properties}, self.spec.envelope)

    def add_fields(self, row: Row) -> None:
        """The contact's id under its own name."""
        row["contact_id"] = row.pop("id", None)

    def pages(self) -> Iterator[Page]:
        """The pages of one tag after the other."""
        tags = RowReader(load_schema("tags"), "tags")
        for tag_page in self.keap.client.pages(
            Listing(self.name, "tags", {"page_size": str(self.config["page_size"]), "order_by": "create_time asc"}),
            tags,
        ):
            for tag in tag_page.rows:
                listing = Listing(self.name, f"tags/{tag['id']}/contacts", self.query(self.plan))
                try:
                    for page in self.keap.client.pages(listing, self.reader):
                        for row in page.rows:
                            row["tag_id"] = tag["id"]
                        yield page
                except RefusedRequestError as error:
                    if error.status != 404:
                        raise
                    self.logger.info("Tag %s was deleted meanwhile.", tag["id"])


class OrderPaymentStream(KeapStream):
    """How payments for several orders are shared among them.

    Keap lists these rows order by order, so they are asked for only where a payment names two or more orders: of every
    other payment they say nothing new.
    """

    one_listing = False

    @property
    def reads_all(self) -> bool:
        """Only after all payments: others may share orders too."""
        payments = self.keap.streams["payments"]
        return bool(payments.listed and payments.reads_all and not payments.rejected)

    def pages(self) -> Iterator[Page]:
        """The order payments of each order that shares a payment read in this run."""
        for order_id in self.keap.take_orders_of_shared_payments():
            listing = Listing(self.name, f"orders/{order_id}/payments", self.listing_params("", self.spec.order))
            try:
                for page in self.keap.client.pages(listing, self.reader):
                    for row in page.rows:
                        row["order_id"] = order_id
                    yield page
            except RefusedRequestError as error:
                if error.status != 404:
                    raise
                self.logger.info("Order %s of a payment is gone from Keap.", order_id)


class SubscriptionStream(KeapStream):
    """Subscriptions."""

    def note(self, row: Row) -> None:
        """The contact of one that changed belongs to it."""
        if self.keap.related is not None:
            self.keap.related.note_subscription(row)


class OrderStream(KeapStream):
    """Orders, with their items."""

    def note(self, row: Row) -> None:
        """Its contact and its payments belong to it."""
        if self.keap.related is not None:
            self.keap.related.note_order(row)


class PaymentStream(KeapStream):
    """Payments; remembers which orders share one."""

    def note(self, row: Row) -> None:
        """Its orders belong to it; orders that share it have something to say in `order_payments`."""
        order_ids = row.get("order_ids") or ()
        if len(order_ids) > 1:
            self.keap.note_shared_payment(order_ids)
        if self.keap.related is not None:
            self.keap.related.note_payment(row)


def transaction_key(row: Row) -> str:
    """Digest over payment, method, instant, reference and amount, whatever their spelling."""
    moment, amount = row.get("transaction_time"), row.get("amount")
    parts = (
        row.get("payment_id"),
        row.get("transaction_method"),
        format_instant(parse_instant(moment)) if moment else None,
        row.get("external_reference_id"),
        None if amount is None else f"{Decimal(amount).normalize():f}",
    )
    return hashlib.sha256("|".join(str(part or "") for part in parts).encode()).hexdigest()[:32]


STREAM_CLASSES: dict[str, type[KeapStream]] = {
    "products": ProductStream,
    "subscription_plans": SubscriptionPlanStream,
    "subscriptions": SubscriptionStream,
    "orders": OrderStream,
    "payments": PaymentStream,
    "order_payments": OrderPaymentStream,
    "transactions": TransactionStream,
    "discounts": DiscountStream,
    "contact_tags": ContactTagStream,
}
