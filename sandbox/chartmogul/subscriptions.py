"""Subscriptions derived from line items: the import view, the metrics view, cancellations (fact sheet §3.9)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from sandbox.chartmogul import cancellations, errors, timestamps
from sandbox.chartmogul.customers import SIGNS, Customers
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import Answer, Call
from sandbox.chartmogul.paging import page, per_page, shelf_of
from sandbox.chartmogul.records import Customer, Subscription
from sandbox.chartmogul.state import State

_NEXT_PAGE = "subscriptions_next_page="


class Subscriptions:
    def __init__(self, state: State, customers: Customers) -> None:
        self._state = state
        self._customers = customers

    def list_imported(self, call: Call) -> Answer:
        customer = self._customers.find(call)
        shelf = shelf_of(list(customer.subscriptions.values()))
        listed = page("subscriptions", shelf, call.query, self._imported)
        return Answer({"customer_uuid": self._state.store.ids.uuid("cus", customer.seq), **listed})

    def list(self, call: Call) -> Answer:
        """The metrics view; its cursor counts pages, and is given on the last one too."""
        customer = self._customers.find(call)
        found = [s for s in customer.subscriptions.values() if self._state.mrr.timeline(s)]
        size, number = per_page(call.query), _page_number(call.query)
        shown = found[(number - 1) * size : number * size]
        return Answer(
            {
                "entries": [self._measured(subscription, call.now) for subscription in shown],
                "has_more": len(found) > number * size,
                "per_page": size,
                "page": number,
                "cursor": base64.b64encode(f"{_NEXT_PAGE}{number + 1}".encode()).decode(),
            }
        )

    def update(self, call: Call) -> Answer:
        """`cancelled_at` adds a date, `cancellation_dates` replaces all of them."""
        store = self._state.store
        subscription = store.subscription(call.path["uuid"])
        if subscription is None:
            raise errors.not_found("Subscription")
        data = call.object()
        reader = Reader(data, call.now)
        if "cancellation_dates" in data:
            moments = _moments(data["cancellation_dates"], reader)
            if not reader.errors:
                cancellations.replace(store, subscription, moments, call.now)
        elif "cancelled_at" in data:
            moment = reader.moment("cancelled_at", required=True, past="must be in the past")
            if moment is not None and not reader.errors:
                cancellations.cancel(store, subscription, moment, call.now)
        else:
            raise errors.missing_parameter("cancelled_at")
        if reader.errors:
            raise errors.fields(reader.errors)
        return Answer(
            {
                **self._imported(subscription),
                "customer_uuid": store.ids.uuid("cus", subscription.customer.seq),
            },
            202,
        )

    def connect(self, call: Call) -> Answer:
        """Joining subscriptions hides a churn followed by new business; here it is checked and accepted."""
        self._named(self._customers.find(call), call.object())
        return Answer({}, 202)

    def _named(self, customer: Customer, data: dict[str, Any]) -> None:
        given = data.get("subscriptions")
        if not isinstance(given, list) or len(given) < 2:
            raise errors.missing_parameter("subscriptions")
        for entry in given:
            known = entry if isinstance(entry, dict) else {}
            source = self._state.store.source(known.get("data_source_uuid"))
            found = self._state.store.subscription(known.get("uuid"))
            if source and known.get("external_id"):
                found = customer.subscriptions.get((source.seq, known["external_id"]))
            if found is None or found.customer is not customer:
                raise errors.not_found("Subscription")

    def _imported(self, subscription: Subscription) -> dict[str, Any]:
        store = self._state.store
        plan = subscription.line_items[-1].plan
        moments = cancellations.dates(store, subscription)
        shown: dict[str, Any] = {
            "external_id": subscription.external_id,
            "uuid": store.ids.uuid("sub", subscription.seq),
            "cancellation_dates": [timestamps.with_milliseconds(moment) for moment in moments],
            "plan_uuid": store.ids.uuid("pl", plan.seq) if plan else None,
            "data_source_uuid": store.ids.uuid("ds", subscription.source.seq),
        }
        if subscription.set_external_id:
            shown["subscription_set_external_id"] = subscription.set_external_id
        return shown

    def _measured(self, subscription: Subscription, now: int) -> dict[str, Any]:
        steps = self._state.mrr.timeline(subscription)
        step = self._state.mrr.at(subscription, now) or steps[0]
        latest = step.line or next(s.line for s in reversed(steps) if s.line and s.at <= step.at)
        assert latest.plan is not None  # noqa: S101 - lines that count have a plan
        currency = self._state.settings.account["currency"]
        mrr = self._customers.converted(step.mrr, step.currency)
        end = latest.period_end if step.line else step.at
        return {
            "id": subscription.seq,
            "external_id": subscription.external_id,
            "subscription_set_external_id": subscription.set_external_id,
            "quantity": latest.quantity,
            "uuid": self._state.store.ids.bare(subscription.seq ^ 1 << 40),
            "mrr": mrr,
            "arr": mrr * 12,
            "status": "active" if step.line else "inactive",
            "plan": latest.plan.name,
            "billing-cycle": latest.plan.interval_unit,
            "billing-cycle-count": latest.plan.interval_count,
            "start-date": timestamps.with_offset(steps[0].at),
            "end-date": None if end is None else timestamps.with_offset(end),
            "currency": currency,
            "currency-sign": SIGNS.get(currency, currency),
        }


def _moments(given: Any, reader: Reader) -> list[int]:
    if not isinstance(given, list):
        reader.note("cancellation_dates", errors.INVALID)
        return []
    found: list[int] = []
    for value in given:
        part = Reader({"cancellation_dates": value}, reader.now)
        moment = part.moment("cancellation_dates", required=True, past="must be in the past")
        reader.errors.update(part.errors)
        if moment is not None:
            found.append(moment)
    return found


def _page_number(query: Mapping[str, str]) -> int:
    cursor = query.get("cursor")
    if not cursor:
        return 1
    try:
        head, _, number = base64.b64decode(cursor, validate=True).decode().partition("=")
    except (binascii.Error, UnicodeDecodeError):
        head, number = "", ""
    if f"{head}=" != _NEXT_PAGE or not number.isdecimal():
        raise errors.coded(400, 'Parameter "cursor" is invalid', "cursor")
    return int(number)
