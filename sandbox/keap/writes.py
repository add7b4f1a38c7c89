"""The few writes that the sandbox takes: creating, changing and stopping a subscription."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from sandbox.clock import Clock, format_instant
from sandbox.keap.errors import KeapError
from sandbox.keap.store import Store
from sandbox.keap.values import Row

_CYCLES = {"YEARLY": "YEAR", "MONTHLY": "MONTH", "WEEKLY": "WEEK", "DAILY": "DAY"}
_CREATABLE = frozenset(
    {
        "quantity", "active", "contact_id", "subscription_plan_id", "billing_amount", "auto_charge",
        "max_charge_attempts", "days_between_retries", "start_date", "payment_method_id", "allow_tax",
        "allow_duplicate", "lead_affiliate_id", "sale_affiliate_id", "shipping_address", "promo_code",
        "shipping_option_id", "reason_stopped", "custom_fields",
    }
)  # fmt: skip
_CHANGEABLE = (_CREATABLE - {"allow_duplicate", "start_date"}) | {
    "billing_cycle", "billing_frequency", "end_date", "next_bill_date",
}  # fmt: skip


class SubscriptionWrites:
    """Writes to the subscriptions of an account."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def create(self, body: bytes) -> Row:
        """Create a subscription of a plan.

        Raises:
            KeapError: 400 for a body that Keap refuses, 404 for a contact or plan that is not there.
        """
        wanted = self._checked(body, _CREATABLE)
        for name in ("contact_id", "subscription_plan_id"):
            if not wanted.get(name):
                raise KeapError(400, f"{name} is required", domain="subscriptions", resource=name)
        contact_id, plan_id = str(wanted["contact_id"]), str(wanted["subscription_plan_id"])
        if contact_id not in self._store.tables["contacts"].rows:
            raise KeapError(404, "Unable to find this Contact", domain="contacts", resource=contact_id)
        plan = self._store.tables["subscription_plans"].rows.get(plan_id)
        if plan is None:
            raise KeapError(404, "Unable to find this Subscription Plan", domain="products", resource=plan_id)
        if not wanted.pop("allow_duplicate", False):
            self._refuse_duplicate(contact_id, plan_id)
        today = self._clock.now().date().isoformat()
        start = wanted.get("start_date") or today
        table = self._store.tables["subscriptions"]
        row: Row = {
            "id": str(max((int(row_id) for row_id in table.rows if row_id.isdigit()), default=0) + 1),
            "contact_id": contact_id,
            "product_id": plan.get("product_id"),
            "subscription_plan_id": plan_id,
            "quantity": 1,
            "active": True,
            "billing_amount": plan["plan_price"]["amount"] / 100,
            "auto_charge": True,
            "allow_tax": False,
            "billing_cycle": _CYCLES[plan["cycle_type"]],
            "billing_frequency": plan["frequency"],
            "start_date": start,
            "last_bill_date": None,
            "next_bill_date": start,
            "end_date": None,
            "reason_stopped": None,
            "custom_fields": [],
            **wanted,
            "modification_time": format_instant(self._clock.now()),
        }
        self._store.put("subscriptions", [row])
        return row

    def change(self, subscription_id: str, body: bytes, mask: str | None) -> Row:
        """Change the fields that the body names, or those of them that ``update_mask`` names.

        Raises:
            KeapError: 400 for a body that Keap refuses, or a date in the past; 404 for an unknown subscription.
        """
        row = self._found(subscription_id)
        changes = self._checked(body, _CHANGEABLE)
        if mask:
            changes = {name: changes[name] for name in mask.split(",") if name in changes}
        for name in ("end_date", "next_bill_date"):
            self._refuse_past(name, changes.get(name))
        return self._stored({**row, **changes})

    def deactivate(self, subscription_id: str, body: bytes) -> None:
        """Stop billing. As in Keap, no end date is written.

        Raises:
            KeapError: 400 for a body that is no object, 404 for an unknown subscription.
        """
        reason = self._checked(body, frozenset({"reason"})).get("reason") if body else None
        row = self._found(subscription_id)
        self._stored({**row, "active": False, "auto_charge": False, "reason_stopped": reason})

    def _stored(self, row: Row) -> Row:
        row["modification_time"] = format_instant(self._clock.now())
        self._store.put("subscriptions", [row])
        return row

    def _found(self, subscription_id: str) -> Row:
        row = self._store.tables["subscriptions"].rows.get(subscription_id)
        if row is None:
            raise KeapError(404, "Unable to find this Subscription", domain="subscriptions", resource=subscription_id)
        return row

    def _checked(self, body: bytes, allowed: frozenset[str]) -> dict[str, Any]:
        try:
            given = msgspec.json.decode(body)
        except msgspec.DecodeError:
            raise KeapError(400, "The body is not valid JSON") from None
        if not isinstance(given, dict):
            raise KeapError(400, "The body must be an object")
        for name in ("quantity", "billing_frequency", "max_charge_attempts", "days_between_retries"):
            if name in given and (not isinstance(given[name], int) or given[name] < 1):
                raise KeapError(400, f"{name} must be 1 or greater", domain="subscriptions", resource=name)
        if given.get("billing_amount") is not None and given["billing_amount"] < 0:
            raise KeapError(400, "billing_amount must be 0 or greater", domain="subscriptions")
        return {name: value for name, value in given.items() if name in allowed}

    def _refuse_past(self, name: str, value: str | None) -> None:
        if not value:
            return
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise KeapError(400, f"{name} must be a date", domain="subscriptions", resource=name) from None
        if day < self._clock.now().date():
            raise KeapError(400, f"{name} must not be in the past", domain="subscriptions", resource=name)

    def _refuse_duplicate(self, contact_id: str, plan_id: str) -> None:
        for row in self._store.tables["subscriptions"].rows.values():
            if (row["contact_id"], row["subscription_plan_id"], row["active"]) == (contact_id, plan_id, True):
                raise KeapError(409, "The contact already has this subscription", domain="subscriptions")
