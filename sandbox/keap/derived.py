"""Rows that follow from other rows."""

from __future__ import annotations

from sandbox.keap.values import Row

_CYCLES = {"DAILY": ("Daily", "days"), "WEEKLY": ("Weekly", "weeks"), "MONTHLY": ("Monthly", "months")}


def plans_of(product: Row) -> list[Row]:
    """Return the rows of ``products/-/subscriptions`` that a product's embedded plans stand for.

    ``product_id`` is there to find them by; the listing leaves it out, as Keap does since June 2026.
    """
    return [
        {
            "id": plan["id"],
            "product_id": product["id"],
            "frequency": plan.get("billing_frequency", 1),
            "active": plan.get("active", True),
            "subscription_plan_name": _name(plan),
            "cycle_type": plan.get("billing_cycle"),
            "total_cycles": plan.get("number_of_cycles") or 0,
            "plan_price": plan.get("plan_price"),
            "display_order_index": plan.get("order_index", 0),
        }
        for plan in product.get("subscription_plans") or ()
    ]


def _name(plan: Row) -> str:
    frequency = plan.get("billing_frequency") or 1
    adverb, unit = _CYCLES.get(str(plan.get("billing_cycle")), ("Yearly", "years"))
    return adverb if frequency == 1 else f"Every {frequency} {unit}"
