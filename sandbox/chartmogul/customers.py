"""Customers: create, list, read, update, delete (fact sheet §3.3)."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.chartmogul import customer_fields, errors, places, timestamps
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import NO_CONTENT, Answer, Call
from sandbox.chartmogul.paging import page, shelf_of
from sandbox.chartmogul.records import Customer, DataSource
from sandbox.chartmogul.shelf import Shelf
from sandbox.chartmogul.state import State

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


class Customers:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, call: Call) -> Answer:
        data = call.object()
        reader = Reader(data, call.now)
        source = self._state.store.source(data.get("data_source_uuid"))
        if source is None:
            reader.note("data_source_uuid", "A valid data source UUID is required for each customer.")
        customer = self.build(reader, source)
        if customer is None:
            raise _refusal(reader.errors)
        self._state.store.add_customer(customer)
        self._state.note_write(customer.source.seq)
        return Answer(self.show(customer), 201)

    def build(self, reader: Reader, source: DataSource | None) -> Customer | None:
        """A checked customer that is not stored yet; None if the reader has noted errors."""
        external_id = reader.text("external_id")
        if external_id is None:
            reader.errors["external_id"] = "A unique external ID is required for each customer."
        elif source and external_id in source.customers_by_id:
            reader.note("external_id", errors.DUPLICATE_CUSTOMER)
        values = self._read(reader)
        if reader.errors or source is None or external_id is None:
            return None
        customer = Customer(self._state.store.next_seq(), source, external_id, reader.now, [(source, external_id)])
        customer_fields.apply(customer, values)
        attributes = reader.data.get("attributes")
        customer_fields.set_attributes(customer, attributes, self._state.store.attribute_types, reader)
        return None if reader.errors else customer

    def list(self, call: Call) -> Answer:
        store, query = self._state.store, call.query
        shelf: Shelf[Customer] = store.customers
        source_uuid, external_id = query.get("data_source_uuid"), query.get("external_id")
        sources = list(store.sources.values())
        if source_uuid:
            source = store.source(source_uuid)
            sources = [source] if source else []
            shelf = source.customers if source else Shelf()
        if external_id is not None:
            found = {c.seq: c for s in sources if (c := s.customers_by_id.get(external_id))}
            shelf = shelf_of([found[seq] for seq in sorted(found)])
        status, system = query.get("status"), query.get("system")
        keep = None
        if status or system:
            wanted = status.replace("_", " ") if status else None

            def keep(customer: Customer) -> bool:
                return wanted in (None, self._status(customer, call.now)) and system in (
                    None,
                    customer.source.system,
                )

        return Answer(page("entries", shelf, query, self.show, keep=keep, oldest_first=True))

    def search(self, call: Call) -> Answer:
        email = call.query.get("email")
        if not email:
            raise errors.missing_parameter("email")
        found = [c for c in self._state.store.customers if c.email.lower() == email.lower()]
        if not found:
            raise errors.coded(404, f"Can't find any customers with email: {email}", "email")
        return Answer(page("entries", shelf_of(found), call.query, self.show, oldest_first=True))

    def retrieve(self, call: Call) -> Answer:
        return Answer(self.show(self.find(call)))

    def update(self, call: Call) -> Answer:
        """Refused as a whole if one field is; external id and data source are ignored."""
        customer = self.find(call)
        reader = Reader(call.object(), call.now)
        values = self._read(reader)
        if reader.errors:
            raise _coded(reader.errors)
        attributes = reader.data.get("attributes")
        customer_fields.set_attributes(customer, attributes, self._state.store.attribute_types, reader)
        if reader.errors:
            raise _coded(reader.errors)
        customer_fields.apply(customer, values)
        self._state.store.version += 1
        return Answer(self.show(customer))

    def destroy(self, call: Call) -> Answer:
        self._state.store.delete_customer(self.find(call))
        return NO_CONTENT

    def find(self, call: Call) -> Customer:
        customer = self._state.store.customer(call.path["uuid"])
        if customer is None:
            raise errors.customer_not_found(call.path["uuid"])
        return customer

    def show(self, customer: Customer) -> dict[str, Any]:
        store, settings, now = self._state.store, self._state.settings, self._state.now()
        uuid = store.ids.uuid
        number = 100_000_000 + customer.seq
        mrr = self.mrr(customer, now)
        since = self._since(customer, now)
        display = re.sub(r"\W+", "_", customer.company or customer.name).strip("_")
        currency = settings.account["currency"]
        return {
            "id": number,
            "uuid": uuid("cus", customer.seq),
            "external_id": customer.external_id,
            "name": customer.name,
            "email": customer.email,
            "status": self._status(customer, now),
            "customer-since": None if since is None else timestamps.with_offset(since),
            "attributes": attributes_of(customer),
            "data_source_uuid": uuid("ds", customer.source.seq),
            "data_source_uuids": list(dict.fromkeys(uuid("ds", source.seq) for source, _ in customer.identities)),
            "external_ids": [external_id for _, external_id in customer.identities],
            "company": customer.company,
            "country": customer.country,
            "state": self._state_shown(customer),
            "city": customer.city,
            "zip": customer.zip,
            "lead_created_at": _moment(customer.lead_created_at),
            "free_trial_started_at": _moment(customer.free_trial_started_at),
            "address": {
                "country": places.country_name(customer.country),
                "state": places.state_name(customer.country, customer.state),
                "city": customer.city,
                "address_zip": customer.zip,
            },
            "mrr": mrr,
            "arr": mrr * 12,
            "billing-system-url": None,
            "chartmogul-url": f"https://app.chartmogul.com/#/customers/{number}-{display}",
            "billing-system-type": customer.source.system,
            "currency": currency,
            "currency-sign": SIGNS.get(currency, currency),
            "owner": customer.owner,
            "website_url": customer.website_url,
        }

    def _state_shown(self, customer: Customer) -> str | None:
        match self._state.settings.choices["state_form"]:
            case "prefixed" if customer.state:
                return f"{customer.country}-{customer.state}"
            case "name":
                return places.state_name(customer.country, customer.state)
        return customer.state

    def _read(self, reader: Reader) -> dict[str, Any]:
        values = customer_fields.read(reader)
        if self._state.settings.chose("invalid_email", "dropped"):
            for name in ("email", "primary_contact.email"):
                reader.errors.pop(name, None)
        return values

    def mrr(self, customer: Customer, now: int) -> int:
        """Sum of the subscriptions' MRR now, in hundredths of the account's currency."""
        total = 0
        for subscription in customer.subscriptions.values():
            step = self._state.mrr.at(subscription, now)
            if step:
                total += self.converted(step.mrr, step.currency)
        return total

    def converted(self, amount: int, currency: str) -> int:
        if currency == self._state.settings.account["currency"]:
            return amount
        exact = amount * self._state.settings.rate(currency)
        return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))

    def _since(self, customer: Customer, now: int) -> int | None:
        starts = [
            step.at
            for subscription in customer.subscriptions.values()
            for step in self._state.mrr.timeline(subscription)
            if step.mrr > 0 and step.at <= now
        ]
        return min(starts, default=None)

    def _status(self, customer: Customer, now: int) -> str:
        steps = [self._state.mrr.at(s, now) for s in customer.subscriptions.values()]
        begun = [step for step in steps if step is not None]
        free_counts = not self._state.settings.account["churn_when_zero_mrr"]
        if any(step.line is not None and (step.mrr > 0 or free_counts) for step in begun):
            return "Active"
        return "Cancelled" if begun else customer.lead_status


def attributes_of(customer: Customer) -> dict[str, Any]:
    return {"custom": dict(customer.custom), "stripe": {}, "tags": list(customer.tags)}


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else timestamps.with_milliseconds(milliseconds)


def _refusal(found: dict[str, str]) -> errors.ApiError:
    """A bad address is refused in shape A, everything else in shape B."""
    if set(found) <= {"email", "owner", "primary_contact.email"}:
        return _coded(found)
    return errors.fields(found)


def _coded(found: dict[str, str]) -> errors.ApiError:
    name, message = next(iter(found.items()))
    return errors.coded(422, message, name)
