"""Rows that come in another run than their order, through `decide` (rules 1.2, 1.8, 5.1, 5.5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.sources.keap.account import Arrived
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.worked_accounts import catalog_of, group_of

NOW = datetime.fromisoformat("2026-03-20T08:00:00Z")
CONTACT = {"id": "7", "given_name": "Mara", "create_time": "2025-03-04T16:21:09Z"}
OTHER = {"id": "8", "given_name": "Li", "create_time": "2025-03-05T16:21:09Z"}
MONEY = {"amount": 4900, "currency_code": "USD"}
ORDER = {
    "id": "1",
    "status": "SENT",
    "total": MONEY,
    "contact": {"id": "7", "given_name": "Mara"},
    "order_time": "2026-03-01T12:00:00Z",
    "order_items": [
        {
            "id": "11",
            "name": "Membership",
            "quantity": 1,
            "item_type": "SUBSCRIPTION",
            "subscription_id": "5",
            "product": {"id": "31", "name": "Membership"},
            "price_per_unit": MONEY,
            "subscription_plan": {"id": "3", "cycle_type": "MONTHLY", "frequency": 1},
        }
    ],
}
SUBSCRIPTION = {"id": "5", "contact_id": "7", "product_id": "31", "active": True, "start_date": "2026-03-01"}
PAYMENT = {
    "id": "9",
    "type": "Card",
    "amount": 49.0,
    "status": "COMPLETED",
    "payment_time": "2026-03-04T12:00:00Z",
    "order_ids": ["1"],
}
FAILED = {
    "amount": 49.0,
    "status": "FAILED",
    "is_successful": False,
    "transaction_method": "CAPTURE",
    "transaction_time": "2026-03-02T12:00:00Z",
    "order_ids": ["1"],
}
VOID = FAILED | {"status": "APPROVED", "is_successful": True, "transaction_method": "VOID", "payment_id": "9"}


def run(before: Decision | None = None, *, settings: MappingSettings | None = None, **keap: Any) -> Decision:
    group = group_of({"subscriptions": [SUBSCRIPTION], **keap})
    if before:
        group.existing = Holdings(customers=before.customers, invoices=before.invoices, events=before.events)
        group.remembered = before.remembered
    return decide(group, catalog_of({}), Arrived(subscriptions_whole=True), settings or MappingSettings(), NOW)


WITH_ORDER = {"contacts": [CONTACT], "orders": [ORDER]}


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        pytest.param({}, [WITH_ORDER, {"transactions": [FAILED]}], id="5.5 an attempt after its order"),
        pytest.param({}, [{"transactions": [FAILED]}, WITH_ORDER], id="5.5 an attempt before its order"),
        pytest.param({}, [WITH_ORDER | {"transactions": [FAILED]}, WITH_ORDER], id="5.5 the order again, without it"),
        pytest.param(
            {"unpaid_orders": "skip"},
            [WITH_ORDER | {"transactions": [FAILED]}, {}, WITH_ORDER | {"payments": [PAYMENT]}],
            id="5.5 an attempt of an order that was not sent then",
        ),
        pytest.param(
            {},
            [WITH_ORDER | {"payments": [PAYMENT]}, {"transactions": [VOID]}],
            id="5.1 a VOID after its order",
        ),
        pytest.param(
            {},
            [
                WITH_ORDER | {"payments": [PAYMENT], "transactions": [VOID]},
                {},
                WITH_ORDER | {"payments": [PAYMENT]},
            ],
            id="5.1 a VOID that is not read again",
        ),
        pytest.param(
            {},
            [{"transactions": [VOID]}, WITH_ORDER | {"payments": [PAYMENT]}],
            id="5.1 a VOID before its order",
        ),
    ],
)
def test_rule_1_2_rows_of_the_gateway_come_when_they_come(
    settings: dict[str, Any], parts: list[dict[str, Any]]
) -> None:
    mapping = MappingSettings(**settings)
    streams = {stream for part in parts for stream in part}
    together = {stream: next(part[stream] for part in reversed(parts) if stream in part) for stream in streams}
    expected = run(settings=mapping, **together)
    found = None
    for part in parts:
        found = run(found, settings=mapping, **part)
    assert found is not None
    assert found.invoices == expected.invoices
    assert len(found.invoices) == 1
    sent = [each.result for each in found.invoices["1"].transactions]
    assert sent.count("failed") == (1 if FAILED in together.get("transactions", []) else 0)
    assert sent.count("successful") == (1 if settings else 0)


def test_rule_1_8_a_subscription_moves_when_its_new_contact_is_known() -> None:
    first = run(contacts=[CONTACT], orders=[ORDER])
    moved = [SUBSCRIPTION | {"contact_id": "8"}]
    waiting = run(first, subscriptions=moved)
    assert waiting.invoices == first.invoices
    assert [(note.kind, note.id) for note in waiting.notes if note.rule == "1.8"] == [("unknown_contacts", "8")]
    arrived = run(waiting, subscriptions=moved, contacts=[OTHER])
    assert [(each.external_id, each.customer_external_id) for each in arrived.invoices.values()] == [("1-c8", "8")]
    assert "8" in arrived.customers
