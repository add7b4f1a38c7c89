"""Rows in the shapes of REST v2, with the values that Keap gives where nothing is said."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sandbox.clock import format_instant
from sandbox.keap.values import Row

_DECIMALS = {"JPY": 0, "TND": 3}
_SIGNS = {"USD": "$", "JPY": "¥"}


def money(amount: int, currency: str = "USD") -> Row:
    """Return a CurrencyValue; ``amount`` in the currency's smallest unit."""
    return {"amount": amount, "currency_code": currency, "formatted_amount": _shown(amount, currency)}


@lru_cache(maxsize=10_000)
def _shown(amount: int, currency: str) -> str:
    places = _DECIMALS.get(currency, 2)
    return f"{_SIGNS.get(currency, f'{currency} ')}{Decimal(amount).scaleb(-places):,.{places}f}"


@lru_cache(maxsize=10_000)
def major(amount: int, currency: str = "USD") -> float:
    """Return an amount of smallest units in major units, as payments and transactions have it."""
    return float(Decimal(amount).scaleb(-_DECIMALS.get(currency, 2)))


def contact(contact_id: int, given: str | None, family: str | None, created: datetime, **changes: Any) -> Row:
    """Return a contact with a plausible e-mail address and a billing address."""
    email = f"{(given or 'contact').lower()}.{contact_id}@example.com"
    row: Row = {
        "id": str(contact_id),
        "given_name": given,
        "family_name": family,
        "middle_name": None,
        "preferred_name": None,
        "create_time": format_instant(created),
        "update_time": format_instant(created),
        "email_addresses": [
            {
                "email": email,
                "field": "EMAIL1",
                "opt_in_reason": "Order form",
                "is_opt_in": True,
                "email_opt_status": "SINGLE_OPT_IN",
            }
        ],
        "company": None,
        "addresses": [address()],
        "phone_numbers": [],
        "tag_ids": [],
        "owner_id": "1",
        "leadsource_id": "0",
        "contact_type": "Customer",
        "source_type": "API",
        "score_value": "0",
        "time_zone": None,
        "custom_fields": [],
    }
    return {**row, **changes}


def address(
    locality: str = "Tempe",
    region_code: str = "US-AZ",
    country_code: str = "USA",
    postal_code: str = "85281",
    field: str = "BILLING",
) -> Row:
    """Return an address."""
    return {
        "field": field,
        "line1": "12 Elm St",
        "line2": "",
        "locality": locality,
        "region_code": region_code,
        "country_code": country_code,
        "postal_code": postal_code,
        "zip_code": postal_code,
        "zip_four": "",
    }


def plan(plan_id: int, cycle: str, frequency: int, price: int, currency: str = "USD", index: int = 0) -> Row:
    """Return a plan as it is embedded in its product; ``cycle``: DAILY, WEEKLY, MONTHLY or YEARLY."""
    return {
        "id": str(plan_id),
        "active": True,
        "prorate": False,
        "billing_cycle": cycle,
        "billing_frequency": frequency,
        "number_of_cycles": 0,
        "plan_price": money(price, currency),
        "order_index": index,
    }


def product(
    product_id: int,
    name: str,
    sku: str,
    created: datetime,
    plans: tuple[Row, ...] = (),
    price: int = 0,
    currency: str = "USD",
    *,
    taxable: bool = True,
) -> Row:
    """Return a product; one with plans is sold by subscription only."""
    return {
        "id": str(product_id),
        "name": name,
        "price": money(price, currency),
        "active": True,
        "description": f"<p>{name}</p>",
        "short_description": name,
        "sku": sku,
        "shippable": False,
        "weight": 0.0,
        "taxable": taxable,
        "categories": [],
        "options": [],
        "inventory": None,
        "subscription_only": bool(plans),
        "storefront_hidden": False,
        "country_taxable": False,
        "state_taxable": taxable,
        "city_taxable": False,
        "subscription_plans": list(plans),
        "is_package": False,
        "needs_digital_delivery": False,
        "has_legacy_image": False,
        "create_time": format_instant(created),
        "update_time": format_instant(created),
    }


def subscription(
    subscription_id: int, contact_id: str, of_product: Row, of_plan: Row | None, start: date, **changes: Any
) -> Row:
    """Return an active subscription of a product's plan that has not been billed yet."""
    cycles = {"YEARLY": "YEAR", "MONTHLY": "MONTH", "WEEKLY": "WEEK", "DAILY": "DAY"}
    price = of_plan["plan_price"] if of_plan else of_product["price"]
    row: Row = {
        "id": str(subscription_id),
        "contact_id": contact_id,
        "product_id": of_product["id"],
        "subscription_plan_id": of_plan["id"] if of_plan else None,
        "quantity": 1,
        "active": True,
        "billing_amount": major(price["amount"], price["currency_code"]),
        "auto_charge": True,
        "allow_tax": False,
        "billing_cycle": cycles[of_plan["billing_cycle"]] if of_plan else "MONTH",
        "billing_frequency": of_plan["billing_frequency"] if of_plan else 1,
        "start_date": start.isoformat(),
        "last_bill_date": None,
        "next_bill_date": start.isoformat(),
        "end_date": None,
        "merchant_account_id": "4",
        "payment_method_id": "0",
        "max_charge_attempts": 3,
        "days_between_retries": 2,
        "lead_affiliate_id": "0",
        "sale_affiliate_id": "0",
        "promo_code": None,
        "shipping_option_id": None,
        "reason_stopped": None,
        "modification_time": f"{start.isoformat()}T09:00:00Z",
        "custom_fields": [],
    }
    return {**row, **changes}


def item(
    item_id: str,
    name: str,
    kind: str,
    price: int = 0,
    currency: str = "USD",
    *,
    of_product: Row | None = None,
    of_plan: Row | None = None,
    subscription_id: str | None = None,
    quantity: int = 1,
    discount: int | None = None,
    special: tuple[float, str] | None = None,
) -> Row:
    """Return an order item; ``price`` and ``discount`` in smallest units, ``special`` amount and method."""
    return {
        "id": item_id,
        "name": name,
        "description": None,
        "notes": None,
        "quantity": quantity,
        "item_type": kind,
        "subscription_id": subscription_id,
        "product": _product_of_item(of_product),
        "price_per_unit": money(price, currency),
        "cost_per_unit": money(0, currency),
        "subscription_plan": _plan_of_item(of_plan),
        "discount": None if discount is None else money(discount, currency),
        "special": None
        if special is None
        else {"amount": special[0], "special_item_id": "22", "discount_method": special[1]},
    }


def _product_of_item(row: Row | None) -> Row | None:
    if row is None:
        return None
    return {
        "id": row["id"],
        "name": row["name"],
        "sku": row["sku"],
        "description": row["short_description"],
        "shippable": row["shippable"],
        "taxable": row["taxable"],
    }


def _plan_of_item(row: Row | None) -> Row | None:
    if row is None:
        return None
    return {
        "id": row["id"],
        "frequency": row["billing_frequency"],
        "active": row["active"],
        "subscription_plan_name": plan_name(row),
        "cycle_type": row["billing_cycle"],
        "total_cycles": row["number_of_cycles"],
        "plan_price": row["plan_price"],
        "display_order_index": row["order_index"],
    }


def plan_name(row: Row) -> str:
    """Return how a plan is called, as ``Monthly`` or ``Every 3 months``."""
    words = {
        "DAILY": ("Daily", "days"), "WEEKLY": ("Weekly", "weeks"), "MONTHLY": ("Monthly", "months"),
        "YEARLY": ("Yearly", "years"),
    }  # fmt: skip
    adverb, unit = words[row["billing_cycle"]]
    return adverb if row["billing_frequency"] == 1 else f"Every {row['billing_frequency']} {unit}"


def order(
    order_id: int, of_contact: Row, items: list[Row], total: int, when: datetime, currency: str = "USD", **changes: Any
) -> Row:
    """Return an order that is not paid; ``total`` in smallest units."""
    time = format_instant(when)
    emails = of_contact.get("email_addresses") or [{"email": None}]
    row: Row = {
        "id": str(order_id),
        "title": items[0]["name"] if items else "Order",
        "status": "SENT",
        "total": money(total, currency),
        "total_paid": money(0, currency),
        "total_due": money(total, currency),
        "refund_total": money(0, currency),
        "contact": {
            "id": of_contact["id"],
            "email": emails[0]["email"],
            "given_name": of_contact["given_name"],
            "family_name": of_contact["family_name"],
        },
        "order_type": "ONLINE",
        "source_type": "UNKNOWN",
        "creation_time": time,
        "modification_time": time,
        "order_time": time,
        "lead_affiliate_id": "0",
        "sales_affiliate_id": "0",
        "invoice_id": str(order_id + 100_000),
        "invoice_number": None,
        "credit_status": "NONE",
        "refund_status": "NONE",
        "promo_code": None,
        "synced": False,
        "allow_payment": True,
        "allow_paypal": False,
        "notes": None,
        "terms": None,
        "files": [],
        "custom_fields": [],
        "payment_plan": None,
        "shipping_information": None,
        "order_items": items,
    }
    return {**row, **changes}


def payment(
    payment_id: int, contact_id: str, order_ids: list[str], amount: float, when: datetime, **changes: Any
) -> Row:
    """Return a completed card payment; ``amount`` in major units."""
    time = format_instant(when)
    row: Row = {
        "id": str(payment_id),
        "type": "Credit Card",
        "amount": amount,
        "note": "Charge",
        "status": "COMPLETED",
        "commissioned": False,
        "synced": False,
        "payment_time": time,
        "refund_payment_id": None,
        "contact_id": contact_id,
        "order_ids": order_ids,
        "update_time": time,
        "external_transaction_id": f"ch_{payment_id}",
        "merchant_account_id": "4",
        "merchant_account_type": "STRIPE",
        "payment_method": None,
    }
    return {**row, **changes}


def transaction(
    of_contact: Row, order_ids: list[str], amount: float, when: datetime, reference: str, **changes: Any
) -> Row:
    """Return a successful capture; ``amount`` in major units."""
    emails = of_contact.get("email_addresses") or [{"email": None}]
    row: Row = {
        "amount": amount,
        "status": "APPROVED",
        "description": None,
        "is_successful": True,
        "transaction_method": "CAPTURE",
        "transaction_time": format_instant(when),
        "contact_id": of_contact["id"],
        "contact": {
            "id": of_contact["id"],
            "email": emails[0]["email"],
            "given_name": of_contact["given_name"],
            "family_name": of_contact["family_name"],
        },
        "order_ids": order_ids,
        "payment_id": None,
        "external_reference_id": reference,
        "external_response_code": "approved",
        "error_details": None,
        "merchant_account_id": "4",
        "merchant_account_type": "STRIPE",
        "payment_method": None,
    }
    return {**row, **changes}


def order_payment(payment_row: Row, order_row: Row, row_id: int, amount: float) -> Row:
    """Return the share of a payment that an order has; ``amount`` in major units."""
    return {
        "id": str(row_id),
        "amount": amount,
        "note": payment_row["type"],
        "invoice_id": order_row["invoice_id"],
        "payment_id": payment_row["id"],
        "pay_time": payment_row["payment_time"],
        "pay_status": "MANUAL_PAID" if payment_row["type"] in {"Cash", "Check"} else "APPROVED",
        "last_updated_time": payment_row["payment_time"],
        "skip_commission": False,
        "refund_invoice_payment_id": None,
    }
