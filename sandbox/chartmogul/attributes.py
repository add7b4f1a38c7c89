"""Tags and custom attributes of customers (fact sheet §3.11)."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import errors
from sandbox.chartmogul.customer_fields import typed_custom
from sandbox.chartmogul.customers import Customers, attributes_of
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import Answer, Call
from sandbox.chartmogul.records import Customer
from sandbox.chartmogul.state import State


class Attributes:
    def __init__(self, state: State, customers: Customers) -> None:
        self._state = state
        self._customers = customers

    def retrieve(self, call: Call) -> Answer:
        return Answer({"attributes": attributes_of(self._customers.find(call))})

    def add_tags(self, call: Call) -> Answer:
        customer = self._customers.find(call)
        self._tag(customer, _tags(call))
        return Answer({"tags": customer.tags})

    def remove_tags(self, call: Call) -> Answer:
        customer = self._customers.find(call)
        gone = _tags(call)
        customer.tags = [tag for tag in customer.tags if tag not in gone]
        self._state.store.version += 1
        return Answer({"tags": customer.tags})

    def add_tags_by_email(self, call: Call) -> Answer:
        found = self._by_email(call)
        for customer in found:
            self._tag(customer, _tags(call))
        return Answer({"entries": [self._customers.show(customer) for customer in found]})

    def set_custom(self, call: Call) -> Answer:
        """POST with typed values and PUT with a map: both merge into what is there."""
        customer = self._customers.find(call)
        customer.custom |= self._custom(call)
        self._state.store.version += 1
        return Answer({"custom": customer.custom})

    def remove_custom(self, call: Call) -> Answer:
        customer = self._customers.find(call)
        keys = call.object().get("custom")
        if not isinstance(keys, list):
            raise errors.missing_parameter("custom")
        customer.custom = {key: value for key, value in customer.custom.items() if key not in keys}
        self._state.store.version += 1
        return Answer({"custom": customer.custom})

    def set_custom_by_email(self, call: Call) -> Answer:
        found = self._by_email(call)
        values = self._custom(call)
        for customer in found:
            customer.custom |= values
        self._state.store.version += 1
        return Answer({"entries": [self._customers.show(customer) for customer in found]})

    def _tag(self, customer: Customer, tags: list[str]) -> None:
        customer.tags = list(dict.fromkeys([*customer.tags, *tags]))
        self._state.store.version += 1

    def _custom(self, call: Call) -> dict[str, Any]:
        data = call.object()
        if "custom" not in data:
            raise errors.missing_parameter("custom")
        reader = Reader(data, call.now)
        values = typed_custom(data["custom"], self._state.store.attribute_types, reader)
        if reader.errors:
            raise errors.fields(reader.errors)
        return values

    def _by_email(self, call: Call) -> list[Customer]:
        email = call.object().get("email")
        if not isinstance(email, str) or not email:
            raise errors.missing_parameter("email")
        found = [c for c in self._state.store.customers if c.email.lower() == email.lower()]
        if not found:
            raise errors.coded(404, f"Can't find any customers with email: {email}", "email")
        return found


def _tags(call: Call) -> list[str]:
    tags = call.object().get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise errors.missing_parameter("tags")
    return tags
