"""Streams that are more than one listing, or whose rows get something added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from tap_keap.client import PageRequest
from tap_keap.conform import MOST_DIGITS, Row, load_schema
from tap_keap.errors import RefusedRequestError
from tap_keap.instants import format_instant, parse_instant
from tap_keap.paging import Listing, PageFeed
from tap_keap.rows import Page, RowReader, read_object
from tap_keap.stream_specs import DISCOUNT_KINDS
from tap_keap.streams import KeapStream

MOST_TAGS = 100
"""Tags that Keap takes in one request for their contacts."""


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """The items in lists of at most `size`."""
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class SubscriptionPlanStream(KeapStream):
    """Plans of all products. Keap's rows do not name their product since June 2026."""

    def add_fields(self, row: Row) -> None:
        """The product that lists the plan, where `products` was read in this run."""
        if not row.get("product_id"):
            row["product_id"] = self.session.product_of_plan.get(row.get("id", ""))


class ProductStream(KeapStream):
    """Products; remembers which product a plan belongs to."""

    def add_fields(self, row: Row) -> None:
        """Nothing is added; the plans are remembered for `subscription_plans`."""
        for plan in row.get("subscription_plans") or ():
            if plan and plan.get("id"):
                self.session.product_of_plan[plan["id"]] = row.get("id")


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
            for page in PageFeed(self.session.client, listing, self.reader):
                for row in page.rows:
                    row["kind"] = kind
                yield page


class ContactTagStream(KeapStream):
    """Which contact has which tag: the contacts of many tags at once, or of one after the other."""

    one_listing = False
    by_batch = True
    """Until the account refuses it."""

    @cached_property
    def reader(self) -> RowReader:
        """Reads both forms of row: tagged contacts, whose `id` is the contact's, and pairs of contact and tag."""
        schema = load_schema(self.name)
        text = {"type": ["string", "null"]}
        more = {"id": text, "contact_id": text, "tag_id": text, "applied_at": schema["properties"]["applied_time"]}
        return RowReader({**schema, "properties": {**schema["properties"], **more}}, self.spec.envelope)

    def add_fields(self, row: Row) -> None:
        """The contact's id and the time under their own names."""
        contact, applied = row.pop("id", None), row.pop("applied_at", None)
        row["contact_id"] = row.get("contact_id") or contact
        row["applied_time"] = row.get("applied_time") or applied

    def pages(self) -> Iterator[Page]:
        """The pages of up to 100 tags at once, and then of the next."""
        for tags in batched(self._tags(), MOST_TAGS):
            if self.by_batch:
                yield from self._of_many(tags)
            if not self.by_batch:
                for tag in tags:
                    yield from self._of_one(tag)

    def _tags(self) -> Iterator[str]:
        params = {"page_size": str(self.session.settings.page_size), "order_by": "create_time asc"}
        listing = Listing(self.name, "tags", params)
        for page in PageFeed(self.session.client, listing, RowReader(load_schema("tags"), "tags")):
            yield from (tag["id"] for tag in page.rows if tag.get("id"))

    def _of_many(self, tags: list[str]) -> Iterator[Page]:
        listing = Listing(self.name, self.spec.path, self.listing_params(f"tag_ids=={','.join(tags)}", None))
        begun = False
        try:
            for page in PageFeed(self.session.client, listing, self.reader):
                begun = True
                yield page
        except RefusedRequestError as error:
            if begun or error.status not in {400, 403, 404, 405, 501}:
                raise
            self.by_batch = False
            self.logger.info("This Keap account does not list the contacts of many tags at once; asking tag by tag.")

    def _of_one(self, tag: str) -> Iterator[Page]:
        listing = Listing(self.name, f"tags/{tag}/contacts", self.query(self.plan))
        try:
            for page in PageFeed(self.session.client, listing, self.reader):
                for row in page.rows:
                    row["tag_id"] = tag
                yield page
        except RefusedRequestError as error:
            if error.status != 404:
                raise
            self.logger.info("Tag %s was deleted meanwhile.", tag)


class AccountStream(KeapStream):
    """The account itself, as its business profile and its configuration have it: one row."""

    one_listing = False

    def pages(self) -> Iterator[Page]:
        """One page with one row; what only one of the two answers says is in it too."""
        profile = self._object("businessProfile")
        configuration = self._object("settings/applications:getConfiguration")
        if profile is None and configuration is None:
            raise RefusedRequestError("Keap refuses both the business profile and the configuration.", 403)
        commerce, application = _part(configuration, "ecommerce"), _part(configuration, "application")
        row = {
            **(profile or {}),
            "default_country": commerce.get("default_country"),
            "payment_types": _list(commerce.get("payment_types")),
            "credit_card_types": _list(commerce.get("credit_card_types")),
            "tax_label": _part(configuration, "invoice").get("tax_label"),
            "id": "account",
        }
        row["currency_code"] = row.get("currency_code") or commerce.get("currency")
        row["time_zone"] = row.get("time_zone") or application.get("time_zone")
        yield self.reader.page_of([row])

    def _object(self, path: str) -> dict[str, Any] | None:
        try:
            return self.session.client.fetch(PageRequest(self.name, path, {}), read_object)
        except RefusedRequestError as error:
            if error.status not in {403, 404}:
                raise
            self.logger.info("This Keap account does not offer %s (%d).", path, error.status)
            return None


def _part(configuration: dict[str, Any] | None, name: str) -> dict[str, Any]:
    part = (configuration or {}).get(name)
    return part if isinstance(part, dict) else {}


def _list(text: Any) -> list[str] | None:
    """A list that Keap writes as one text with commas."""
    return [each.strip() for each in text.split(",") if each.strip()] if isinstance(text, str) else None


class PaymentStream(KeapStream):
    """Payments; remembers which orders share one."""

    def add_fields(self, row: Row) -> None:
        """Nothing is added; orders that share a payment have something to say in `order_payments`."""
        self.session.shared_orders.note(row.get("order_ids") or ())


class OrderPaymentStream(KeapStream):
    """How payments for several orders are shared among them.

    Keap lists these rows order by order, so they are asked for only where a payment names two or more orders: of every
    other payment they say nothing new. The orders that are still to be asked for are in the state, with the version of
    the whole read that they belong to: after all payments were read whole, these rows are whole too.
    """

    one_listing = False
    payments: KeapStream | None = None
    """Of this run."""

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[Row]:
        """The rows, as those of any other stream."""
        state = self.state_manager.stream_state
        payments = self.payments
        version = state.get("version")
        if payments is not None and payments.ended and payments.plan.version is not None and not payments.rejected:
            version = self.session.version
        self.plan = replace(self.plan, version=version)
        yield from super().get_records(context)

    def pages(self) -> Iterator[Page]:
        """The order payments of each order that shares a payment."""
        waiting = self.session.shared_orders
        for order_id in waiting.waiting():
            self._remember_version()
            self.emit_state()
            listing = Listing(self.name, f"orders/{order_id}/payments", self.listing_params("", self.spec.order))
            try:
                for page in PageFeed(self.session.client, listing, self.reader):
                    for row in page.rows:
                        row["order_id"] = order_id
                    yield page
            except RefusedRequestError as error:
                if error.status != 404:
                    raise
                self.logger.info("Order %s of a payment is gone from Keap.", order_id)
            waiting.done(order_id)

    def _remember_version(self) -> None:
        """Rows that were left out make the read incomplete, also for a run that continues it."""
        state = self.state_manager.stream_state
        version = None if self.rejected else self.plan.version
        if version is not None or state.get("version") is not None:
            state["version"] = version

    def end(self) -> None:
        """After the last order."""
        state = self.state_manager.stream_state
        if state.get("version") is not None:
            state["version"] = None
        super().end()


def _spelt(amount: Decimal) -> str:
    """One spelling of an amount, whatever its zeros; one that no money has is not spelt out."""
    return f"{amount.normalize():f}" if abs(amount.adjusted()) <= MOST_DIGITS else str(amount)


def transaction_key(row: Row) -> str:
    """Digest over payment, method, instant, reference and amount, whatever their spelling."""
    moment, amount = row.get("transaction_time"), row.get("amount")
    parts = (
        row.get("payment_id"),
        row.get("transaction_method"),
        format_instant(parse_instant(moment)) if moment else None,
        row.get("external_reference_id"),
        None if amount is None else _spelt(Decimal(amount)),
    )
    return hashlib.sha256("|".join(str(part or "") for part in parts).encode()).hexdigest()[:32]


STREAM_CLASSES: dict[str, type[KeapStream]] = {
    "products": ProductStream,
    "subscription_plans": SubscriptionPlanStream,
    "payments": PaymentStream,
    "order_payments": OrderPaymentStream,
    "transactions": TransactionStream,
    "discounts": DiscountStream,
    "contact_tags": ContactTagStream,
    "account": AccountStream,
}
