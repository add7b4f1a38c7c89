"""Rows as they are written out: with the selected fields, and as the account's behaviour wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.keap.values import Row, id_key, seconds

if TYPE_CHECKING:
    from sandbox.keap.store import Store

# Fields that came to v2 in the spring of 2026 and later.
_YOUNG = {
    "subscriptions": frozenset({"modification_time", "reason_stopped", "promo_code", "custom_fields"}),
    "orders": frozenset(
        {"sent_time", "due_time", "external_create_user", "external_create_time", "external_update_time"}
    ),
    "subscription_plans": frozenset({"subscription_plan_name"}),
}
_HIDDEN = {"subscription_plans": frozenset({"product_id"})}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which fields of a row are shown. ``kept`` None: all."""

    kept: frozenset[str] | None = None
    left_out: frozenset[str] = frozenset()

    def shows(self, name: str) -> bool:
        return name not in self.left_out and (self.kept is None or name in self.kept)


class View:
    """Written-out rows of one stream; each is written once and kept until it changes."""

    def __init__(self, store: Store, stream: str, selected: Selection) -> None:
        self._store = store
        self._stream = stream
        self._selected = selected
        self._written: dict[str, bytes] = {}
        self._originating: dict[str, str] | None = None
        unchanged = selected == Selection() and store.behaviour.as_documented
        self._plain = unchanged and stream not in _HIDDEN

    def forget(self, row_ids: list[str] | None) -> None:
        """Forget these rows, or all."""
        self._originating = None
        if row_ids is None or not self._store.behaviour.originating_orders_linked:
            self._written.clear()
            return
        for row_id in row_ids:
            self._written.pop(row_id, None)

    def row(self, row_id: str) -> bytes:
        """Return a row as JSON."""
        written = self._written.get(row_id)
        if written is not None:
            return written
        table = self._store.tables[self._stream]
        packed = table.packed(row_id)
        if packed is not None and self._plain:
            return packed
        written = msgspec.json.encode(self.shape(table.rows[row_id]))
        if packed is None:
            self._written[row_id] = written
        return written

    def shape(self, row: Row) -> Row:
        """Return a row as the behaviour wants it."""
        behaviour = self._store.behaviour
        hidden = _HIDDEN.get(self._stream, frozenset())
        if behaviour.edition == "old":
            hidden -= {"product_id"}
        if behaviour.edition == "old" or not behaviour.young_fields:
            hidden |= _YOUNG.get(self._stream, frozenset())
        shaped = {name: value for name, value in row.items() if name not in hidden and self._selected.shows(name)}
        if self._stream == "orders" and not behaviour.originating_orders_linked:
            shaped = self._unlinked(shaped)
        if self._stream == "order_payments" and behaviour.order_payments_in_hundredths:
            shaped["amount"] = self._hundredths(row)
        if behaviour.unknown_fields:
            shaped["renewal_score"] = 7  # no document knows it
        match behaviour.null_style:
            case "omitted":
                return {name: value for name, value in shaped.items() if value is not None}
            case "empty":
                return {name: "" if value is None else value for name, value in shaped.items()}
            case "zero":
                return {n: "0" if value is None and n.endswith("_id") else value for n, value in shaped.items()}
        return shaped

    def _hundredths(self, share: Row) -> int:
        """Return the amount of an order payment in hundredths; one above its payment's is in them already."""
        payment = self._store.tables["payments"].rows.get(str(share["payment_id"]))
        already = payment is not None and abs(share["amount"]) > abs(payment["amount"])
        return round(float(share["amount"]) * (1 if already else 100))

    def _unlinked(self, order: Row) -> Row:
        if self._originating is None:
            self._originating = _first_orders(self._store)
        items: list[dict[str, Any]] = []
        for item in order.get("order_items") or ():
            created = self._originating.get(str(item.get("subscription_id"))) == order["id"]
            items.append({**item, "subscription_id": None} if created else item)
        return {**order, "order_items": items}


def _first_orders(store: Store) -> dict[str, str]:
    """Return the order that created each subscription: its first."""
    first: dict[str, tuple[float, tuple[int, str], str]] = {}
    for row_id, order in store.tables["orders"].rows.items():
        key = (seconds(order.get("order_time") or order["creation_time"]), id_key(row_id), row_id)
        for item in order.get("order_items") or ():
            subscription = item.get("subscription_id")
            if subscription and (subscription not in first or key < first[subscription]):
                first[subscription] = key
    return {subscription: key[2] for subscription, key in first.items()}
