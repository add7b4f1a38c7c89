"""The forms in which Keap may write the same facts: an account's rows, rewritten.

Each form of ``Behaviour`` has a function here; the first of its values leaves the rows as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.keap.behaviour import Behaviour
from sandbox.keap.values import Row

# Other names for what is neither a product nor a tax; no document knows the last one.
_ITEM_TYPES: dict[str, dict[str, str]] = {
    "documented": {},
    "unusual": {"FEE": "OTHER", "TIP": "UNKNOWN", "FINANCE_CHARGE": "SERVICE"},
    "undocumented": dict.fromkeys(("FEE", "TIP", "FINANCE_CHARGE"), "SURCHARGE"),
}
_ZERO_DECIMAL = ("JPY", "KRW", "VND")


def rewritten(account: Mapping[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """Return an account with its rows in the forms of the behaviour; the given one is left alone."""
    found = dict(account)
    _subscriptions(found, behaviour)
    _orders(found, behaviour)
    _voids(found, behaviour)
    _payments(found, behaviour)
    if behaviour.transaction_rows == "twice":
        found["transactions"] = [row for row in _rows(found, "transactions") for _ in range(2)]
    return found


def localised(singles: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """Return the single objects with the currency and the time zone of the behaviour."""
    if behaviour.locale == "usd_utc":
        return singles
    currency, zone = "GBP", "Europe/London"
    configuration = singles["configuration"]
    ecommerce = {**configuration["ecommerce"], "currency": currency}
    application = {**configuration["application"], "time_zone": zone}
    return {
        **singles,
        "business_profile": {**singles["business_profile"], "currency_code": currency, "time_zone": zone},
        "configuration": {**configuration, "ecommerce": ecommerce, "application": application},
    }


def _rows(account: Mapping[str, Any], stream: str) -> list[Row]:
    rows = account.get(stream) or []
    return list(rows.values() if isinstance(rows, Mapping) else rows)


def _subscriptions(account: dict[str, Any], behaviour: Behaviour) -> None:
    if behaviour.billing_amount == "minor":
        account["subscriptions"] = [
            {**row, "billing_amount": round((row.get("billing_amount") or 0) * 100)}
            for row in _rows(account, "subscriptions")
        ]


def _orders(account: dict[str, Any], behaviour: Behaviour) -> None:
    if (behaviour.discount_form, behaviour.item_types, behaviour.order_modification) == (
        "mixed",
        "documented",
        "moves",
    ):
        return
    account["orders"] = [
        {
            **row,
            "order_items": [_item(item, behaviour) for item in row.get("order_items") or ()],
            **({"modification_time": row["creation_time"]} if behaviour.order_modification == "stays" else {}),
        }
        for row in _rows(account, "orders")
    ]


def _item(item: Row, behaviour: Behaviour) -> Row:
    item = {**item, "item_type": _ITEM_TYPES[behaviour.item_types].get(item["item_type"], item["item_type"])}
    price, discount = item["price_per_unit"], item.get("discount") or {"amount": 0}
    value = abs(discount["amount"]) or abs(price["amount"] * item["quantity"])
    if behaviour.discount_form == "mixed" or not item["item_type"].startswith("DISCOUNT") or not value:
        return item
    currency = price["currency_code"]
    nothing, worth = _money(0, currency), _money(value, currency)
    item = {**item, "quantity": 1, "price_per_unit": nothing, "discount": nothing, "special": None}
    if behaviour.discount_form == "discount":
        return {**item, "discount": worth}
    if behaviour.discount_form == "negative_price":
        return {**item, "discount": None, "price_per_unit": _money(-value, currency)}
    major = value if currency in _ZERO_DECIMAL else value / 100
    return {**item, "special": {"amount": major, "special_item_id": "22", "discount_method": "AMOUNT"}}


def _money(amount: int, currency: str) -> Row:
    major = f"{amount}" if currency in _ZERO_DECIMAL else f"{amount / 100:.2f}"
    return {"amount": amount, "currency_code": currency, "formatted_amount": f"{currency} {major}"}


def _voids(account: dict[str, Any], behaviour: Behaviour) -> None:
    """A voided payment: known by a transaction, only by its order payments, or by being there no more."""
    if behaviour.void_form == "transaction":
        return
    transactions = _rows(account, "transactions")
    voided = {row["payment_id"] for row in transactions if row.get("transaction_method") == "VOID"}
    account["transactions"] = [row for row in transactions if row.get("transaction_method") != "VOID"]
    if behaviour.void_form == "gone":
        for stream, name in (("payments", "id"), ("order_payments", "payment_id")):
            account[stream] = [row for row in _rows(account, stream) if row[name] not in voided]


def _payments(account: dict[str, Any], behaviour: Behaviour) -> None:
    if behaviour.refund_form == "mixed" and behaviour.payment_types == "labels":
        return
    rows: Iterable[Row] = _rows(account, "payments")
    if behaviour.refund_form != "mixed":
        refunds = {row["refund_payment_id"] for row in rows if row.get("refund_payment_id")}
        rows = [_refund(row, behaviour.refund_form) if _is_refund(row, refunds) else row for row in rows]
    if behaviour.payment_types == "codes":
        rows = [{**row, "type": str(row["type"]).upper().replace(" ", "_")} for row in rows]
    account["payments"] = list(rows)


def _is_refund(row: Row, refunds: set[str]) -> bool:
    return row["amount"] < 0 or row["type"] == "Refund" or row["id"] in refunds


def _refund(row: Row, form: str) -> Row:
    amount = abs(row["amount"])
    return {
        **row,
        "amount": -amount if form == "negative" else amount,
        "type": "Refund" if form == "type" else "Credit Card",
    }
