"""A small account: one customer with a paid monthly subscription, one contact without any."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sandbox.sample import rows


def showcase_account() -> dict[str, Any]:
    """Return the account."""
    start = datetime(2026, 9, 11, 12, tzinfo=UTC)
    monthly = rows.plan(7, "MONTHLY", 1, 4900)
    coaching = rows.product(31, "Coaching Membership", "COACH", start, (monthly,))
    mara = rows.contact(1207, "Mara", "Quill", start)
    other = rows.contact(1100, "Li", "Ma", start)
    held = rows.subscription(
        512, "1207", coaching, monthly, date(2026, 9, 11), last_bill_date="2026-11-11", next_bill_date="2026-12-11"
    )
    orders, payments, transactions, shares = [], [], [], []
    for number, month in enumerate((9, 10, 11)):
        when = datetime(2026, month, 11, 12, tzinfo=UTC)
        line = rows.item(
            str(15001 + number), "Coaching Membership", "SUBSCRIPTION", 4900,
            of_product=coaching, of_plan=monthly, subscription_id="512",
        )  # fmt: skip
        bill = rows.order(9031 + number, mara, [line], 4900, when, status="PAID", total_paid=rows.money(4900))
        paid = rows.payment(17040 + number, "1207", [bill["id"]], 49.0, when)
        orders.append(bill)
        payments.append(paid)
        shares.append(rows.order_payment(paid, bill, 20040 + number, 49.0))
        transactions.append(rows.transaction(mara, [bill["id"]], 49.0, when, f"ch_{number}", payment_id=paid["id"]))
    return {
        "contacts": [mara, other],
        "products": [coaching],
        "subscriptions": [held],
        "orders": orders,
        "payments": payments,
        "transactions": transactions,
        "order_payments": shares,
        "free_trial_discounts": [],
    }
