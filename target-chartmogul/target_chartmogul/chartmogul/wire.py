"""ChartMogul's objects as its API writes them, and back.

Here alone `external_id_prefix` (rule 2.2) is put on and taken off. Reading is generous: fields that an older answer
lacks have their defaults. An object whose id does not begin with the prefix is not ours and read as None, whatever
else it holds (rule 1.4); one of ours with a field that cannot be read raises `OddFieldError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from target_chartmogul.billing.instants import text_of
from target_chartmogul.billing.objects import (
    SUBSCRIPTION,
    VOIDED,
    WRITTEN_OFF,
    Customer,
    Invoice,
    LineItem,
    Plan,
    SubscriptionEvent,
    Transaction,
)
from target_chartmogul.chartmogul.fields import (
    Json,
    OddFieldError,
    instant,
    objects,
    part,
    text,
    texts,
    whole,
    yes_or_no,
)

BY_HAND = frozenset({VOIDED, WRITTEN_OFF})
"""The statuses that are set; ChartMogul computes the others from the transactions."""
_CUSTOMER_TEXTS = ("name", "company", "email", "country", "state", "city", "zip")
_CUSTOMER_DATES = ("lead_created_at", "free_trial_started_at")


def changed(old: Json, new: Json) -> Json:
    """The body of a PATCH that makes `new` of `old`: what differs, with null for what became empty (rule 3.2)."""
    return {key: new.get(key) for key in {**old, **new} if new.get(key) != old.get(key)}


class Wire:
    """The form of one data source.

    Args:
        prefix: `external_id_prefix`.
        data_source_uuid: ChartMogul's `ds_…`.
        own_tags: tags that this target gives (the texts of `customer_tags`); others are people's.
        own_attributes: keys of custom attributes that it gives (`customer_attributes`).
    """

    def __init__(
        self,
        prefix: str,
        data_source_uuid: str,
        *,
        own_tags: frozenset[str] = frozenset(),
        own_attributes: frozenset[str] = frozenset(),
    ) -> None:
        self.prefix = prefix
        self.data_source_uuid = data_source_uuid
        self._own_tags = own_tags
        self._own_attributes = own_attributes

    def outer(self, external_id: str) -> str:
        """The id as ChartMogul knows it."""
        return self.prefix + external_id

    def inner(self, external_id: object) -> str | None:
        """Our id of ChartMogul's; None if it is not ours."""
        if not isinstance(external_id, str) or not external_id.startswith(self.prefix):
            return None
        return external_id[len(self.prefix) :] or None

    # --- customers and plans

    def customer(self, customer: Customer) -> Json:
        """The fields of a customer that PATCH takes too: without ids and attributes."""
        body: Json = {name: value for name in _CUSTOMER_TEXTS if (value := getattr(customer, name)) is not None}
        for name in _CUSTOMER_DATES:
            if (moment := getattr(customer, name)) is not None:
                body[name] = text_of(moment)
        return body

    def new_customer(self, customer: Customer) -> Json:
        """The body that creates a customer, but for `data_source_uuid` (which a bulk import does not name)."""
        body = {"external_id": self.outer(customer.external_id), **self.customer(customer)}
        attributes: Json = {}
        if customer.tags:
            attributes["tags"] = list(customer.tags)
        if customer.custom:
            attributes["custom"] = self.custom(customer.custom)
        return {**body, "attributes": attributes} if attributes else body

    @staticmethod
    def custom(pairs: tuple[tuple[str, str], ...]) -> list[Json]:
        """Custom attributes as typed values: the first use of a key fixes its type in ChartMogul."""
        return [{"type": "String", "key": key, "value": value} for key, value in pairs]

    def read_customer(self, row: Json, external_id: str) -> Customer:
        """A customer under one of its external ids (ours, without prefix)."""
        attributes = part(row, "attributes")
        return Customer(
            external_id=external_id,
            **{name: text(row, name) for name in _CUSTOMER_TEXTS},
            lead_created_at=instant(row, "lead_created_at"),
            free_trial_started_at=instant(row, "free_trial_started_at"),
            tags=tuple(tag for tag in texts(attributes, "tags") if tag in self._own_tags),
            custom=tuple(
                sorted(
                    (key, str(value))
                    for key, value in part(attributes, "custom").items()
                    if key in self._own_attributes and value is not None
                )
            ),
        )

    def plan(self, plan: Plan) -> Json:
        """The body of a plan, but for `data_source_uuid`."""
        return {
            "external_id": self.outer(plan.external_id),
            "name": plan.name,
            "interval_count": plan.interval_count,
            "interval_unit": plan.interval_unit,
        }

    def read_plan(self, row: Json) -> Plan | None:
        """A plan, None if it is not ours."""
        external_id = self.inner(row.get("external_id"))
        if external_id is None:
            return None
        return Plan(
            external_id=external_id,
            name=text(row, "name") or "",
            interval_count=whole(row, "interval_count") or 1,
            interval_unit=text(row, "interval_unit") or "month",
        )

    # --- invoices

    def header(self, invoice: Invoice) -> Json:
        """The fields of an invoice that PATCH takes; status and `disabled` have requests of their own."""
        body = {"date": text_of(invoice.date), "currency": invoice.currency}
        if invoice.due_date is not None:
            body["due_date"] = text_of(invoice.due_date)
        return body

    def new_invoice(self, invoice: Invoice) -> Json:
        """Ids and header of an invoice that is imported; lines and transactions are put in by the caller."""
        return {
            "external_id": self.outer(invoice.external_id),
            "customer_external_id": self.outer(invoice.customer_external_id),
            **self.header(invoice),
        }

    def line_item(self, line: LineItem, plan: Json) -> Json:
        """A line; `plan` is its `plan_uuid` or `plan_external_id`, empty for a line without a plan.

        `event_order` is any integer for ChartMogul's reference, which names no limit: Keap's order ids are sent as
        they are (rule 4.7).
        """
        body: Json = {
            "external_id": self.outer(line.external_id),
            "type": line.type,
            "amount_in_cents": line.amount_in_cents,
            "quantity": line.quantity,
            "tax_amount_in_cents": line.tax_amount_in_cents,
            "discount_amount_in_cents": line.discount_amount_in_cents,
        }
        if line.type == SUBSCRIPTION:
            body |= {"subscription_external_id": self.outer(line.subscription_external_id or ""), "prorated": False}
            body |= plan
            if line.service_period_start is not None:
                body["service_period_start"] = text_of(line.service_period_start)
            if line.service_period_end is not None:
                body["service_period_end"] = text_of(line.service_period_end)
        elif line.description is not None:
            body["description"] = line.description
        if line.balance_transfer:
            body["balance_transfer"] = True
        if line.event_order is not None:
            body["event_order"] = line.event_order
        return body

    def transaction(self, row: Transaction) -> Json:
        """A transaction."""
        return {
            "external_id": self.outer(row.external_id),
            "type": row.type,
            "result": row.result,
            "date": text_of(row.date),
            "amount_in_cents": row.amount_in_cents,
        }

    def read_invoice(
        self, row: Json, *, plans: Mapping[str, str] | None = None, customers: Mapping[str, str] | None = None
    ) -> Invoice | None:
        """An invoice whole, None if it is not ours.

        Args:
            row: the answer.
            plans: our plan ids by ChartMogul's uuid, for answers that name plans by uuid only.
            customers: our customer ids by uuid, likewise.
        """
        external_id = self.inner(row.get("external_id"))
        if external_id is None:
            return None
        owner = (customers or {}).get(text(row, "customer_uuid") or "")
        status = text(row, "status")
        lines = [self._line_at(place, line, plans or {}) for place, line in enumerate(objects(row, "line_items"))]
        entries = [self._transaction_at(place, each, row) for place, each in enumerate(objects(row, "transactions"))]
        return Invoice(
            external_id=external_id,
            customer_external_id=self.inner(row.get("customer_external_id")) or owner or "",
            date=_needed(instant(row, "date"), "date"),
            due_date=instant(row, "due_date"),
            currency=text(row, "currency") or "",
            status=status if status in BY_HAND else None,
            disabled=yes_or_no(row.get("disabled")) or None,
            line_items=tuple(line for line in lines if line is not None),
            transactions=tuple(entry for entry in entries if entry is not None),
        )

    def _line_at(self, place: int, row: Json, plans: Mapping[str, str]) -> LineItem | None:
        try:
            return self.read_line_item(row, plans)
        except OddFieldError as odd:
            raise OddFieldError(f"line_items[{place}].{odd.place}") from None

    def _transaction_at(self, place: int, row: Json, invoice: Json) -> Transaction | None:
        try:
            return self._read_transaction(row, invoice)
        except OddFieldError as odd:
            raise OddFieldError(f"transactions[{place}].{odd.place}") from None

    def read_line_item(self, row: Json, plans: Mapping[str, str]) -> LineItem | None:
        """A line of ours, else None."""
        external_id = self.inner(row.get("external_id"))
        if external_id is None:
            return None
        recurring = row.get("type") == SUBSCRIPTION
        plan = self.inner(row.get("plan_external_id")) or plans.get(text(row, "plan_uuid") or "")
        return LineItem(
            external_id=external_id,
            type=text(row, "type") or "",
            amount_in_cents=whole(row, "amount_in_cents") or 0,
            quantity=whole(row, "quantity") or 1,
            tax_amount_in_cents=whole(row, "tax_amount_in_cents") or 0,
            discount_amount_in_cents=whole(row, "discount_amount_in_cents") or 0,
            subscription_external_id=self.inner(row.get("subscription_external_id")) if recurring else None,
            plan_external_id=plan if recurring else None,
            service_period_start=instant(row, "service_period_start") if recurring else None,
            service_period_end=instant(row, "service_period_end") if recurring else None,
            description=None if recurring else text(row, "description"),
            balance_transfer=yes_or_no(row.get("balance_transfer")) or None,
            event_order=whole(row, "event_order"),
        )

    def _read_transaction(self, row: Json, invoice: Json) -> Transaction | None:
        """A transaction of ours, else None; without an amount of its own it is the whole invoice's."""
        external_id = self.inner(row.get("external_id"))
        if external_id is None:
            return None
        amount = whole(row, "amount_in_cents")
        if amount is None:
            amount = sum(whole(line, "amount_in_cents") or 0 for line in objects(invoice, "line_items"))
        return Transaction(
            external_id=external_id,
            type=text(row, "type") or "",
            result=text(row, "result") or "",
            date=_needed(instant(row, "date"), "date"),
            amount_in_cents=amount,
        )

    # --- subscription events

    def event(self, event: SubscriptionEvent) -> Json:
        """An event, but for `data_source_uuid`."""
        return {
            "external_id": self.outer(event.external_id),
            "customer_external_id": self.outer(event.customer_external_id),
            "subscription_external_id": self.outer(event.subscription_external_id),
            "event_type": event.event_type,
            "event_date": text_of(event.event_date),
            "effective_date": text_of(event.effective_date),
        }

    def read_event(self, row: Json) -> SubscriptionEvent | None:
        """An event, None if it is not ours."""
        external_id = self.inner(row.get("external_id"))
        if external_id is None:
            return None
        return SubscriptionEvent(
            external_id=external_id,
            event_type=text(row, "event_type") or "",
            customer_external_id=self.inner(row.get("customer_external_id")) or "",
            subscription_external_id=self.inner(row.get("subscription_external_id")) or "",
            event_date=_needed(instant(row, "event_date"), "event_date"),
            effective_date=_needed(instant(row, "effective_date"), "effective_date"),
        )


def _needed(found: datetime | None, name: str) -> datetime:
    if found is None:
        raise OddFieldError(name)
    return found
