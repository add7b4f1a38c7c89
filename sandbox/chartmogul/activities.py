"""MRR movements as the API lists them (fact sheet §8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sandbox.chartmogul import errors, intervals, timestamps
from sandbox.chartmogul.customers import SIGNS, Customers
from sandbox.chartmogul.http import Answer, Call
from sandbox.chartmogul.movements import KINDS, Movement, Movements
from sandbox.chartmogul.paging import per_page
from sandbox.chartmogul.state import State

_WORDS = {
    "new_biz": "purchased the {} plan",
    "reactivation": "reactivated the {} plan",
    "expansion": "upgraded to the {} plan",
    "contraction": "downgraded to the {} plan",
    "churn": "cancelled their {} plan",
}


class Activities:
    def __init__(self, state: State, movements: Movements, customers: Customers) -> None:
        self._state = state
        self._movements = movements
        self._customers = customers

    def list(self, call: Call) -> Answer:
        """Oldest first, or by `order=-date` newest first."""
        found = [m for m in self._movements.all() if m.at <= call.now and _wanted(m, call.query)]
        if call.query.get("order", "date") not in ("date", "-date"):
            raise errors.coded(400, 'Parameter "order" is invalid', "order")
        if call.query.get("order") == "-date":
            found.reverse()
        return Answer(self._page(found, call.query, self._show))

    def list_of_customer(self, call: Call) -> Answer:
        """Newest first."""
        found = [m for m in self._movements.of(self._customers.find(call)) if m.at <= call.now]
        found.reverse()
        return Answer(self._page(found, call.query, self._show_short))

    def _page(self, found: Sequence[Movement], query: Mapping[str, str], show: Any) -> dict[str, Any]:
        """The cursor is the uuid of the next activity."""
        start, size = 0, per_page(query)
        cursor = query.get("cursor")
        if cursor:
            places = [place for place, movement in enumerate(found) if self._uuid(movement) == cursor]
            if not places:
                raise errors.coded(400, 'Parameter "cursor" is invalid', "cursor")
            start = places[0]
        end = start + size
        return {
            "entries": [show(movement) for movement in found[start:end]],
            "has_more": len(found) > end,
            "per_page": size,
            "cursor": self._uuid(found[end]) if len(found) > end else None,
        }

    def _uuid(self, movement: Movement) -> str:
        return self._state.store.ids.bare(movement.subscription.seq << 24 | movement.index)

    def _show(self, movement: Movement) -> dict[str, Any]:
        ids, customer = self._state.store.ids, movement.customer
        return self._common(movement) | {
            "subscription-set-external-id": movement.subscription.set_external_id or movement.subscription.external_id,
            "plan-external-id": movement.plan.external_id if movement.plan else None,
            "customer-name": customer.company or customer.name,
            "customer-uuid": ids.uuid("cus", customer.seq),
            "customer-external-id": customer.external_id,
            "billing-connector-uuid": ids.uuid("ds", movement.subscription.source.seq),
            "uuid": self._uuid(movement),
        }

    def _show_short(self, movement: Movement) -> dict[str, Any]:
        currency = self._state.settings.account["currency"]
        identifier = movement.subscription.seq << 24 | movement.index
        return self._common(movement) | {"id": identifier, "currency-sign": SIGNS.get(currency, currency)}

    def _common(self, movement: Movement) -> dict[str, Any]:
        plan = movement.plan.name if movement.plan else ""
        return {
            "description": _WORDS[movement.kind].format(plan),
            "activity-mrr-movement": movement.change,
            "activity-mrr": movement.total,
            "activity-arr": movement.total * 12,
            "date": timestamps.with_offset(movement.at),
            "type": movement.kind,
            "currency": self._state.settings.account["currency"],
            "subscription-external-id": movement.subscription.external_id,
        }


def _wanted(movement: Movement, query: Mapping[str, str]) -> bool:
    kind = query.get("type")
    if kind is not None and kind not in KINDS:
        raise errors.coded(400, 'Parameter "type" is invalid', "type")
    start, end = _day(query, "start-date"), _day(query, "end-date")
    if start is not None and movement.at <= intervals.end_of(start) - 86_400_000:
        return False
    if end is not None and movement.at > intervals.end_of(end):
        return False
    return kind in (None, movement.kind)


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise errors.coded(400, f'Parameter "{name}" is invalid', name) from None
