"""Groups: contacts that belong together, and the records of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from target_chartmogul.billing.objects import Customer, Invoice, LineItem
from target_chartmogul.ledger.grouping import Groups
from target_chartmogul.ledger.inbox import Inbox
from target_chartmogul.ledger.ledger import Ledger
from tests.billing_objects import on


class Desk:
    """An inbox beside a ledger."""

    def __init__(self, folder: Path) -> None:
        self.inbox = Inbox(folder / "inbox.sqlite")
        self.ledger = Ledger(folder / "ledger.sqlite")

    def put(self, stream: str, **row: Any) -> None:
        assert self.inbox.put(stream, row, json.dumps(row).encode(), None) is not None

    def order(self, number: int, contact: int | None, *subscriptions: int) -> None:
        items = [{"subscription_id": str(each)} for each in subscriptions]
        block = {"contact": {"id": str(contact)}} if contact else {}
        self.put("orders", id=str(number), order_items=items, **block)

    def holds(self, order: str, contact: str, *subscriptions: str) -> None:
        lines = tuple(
            LineItem(
                external_id=f"{order}-{each}", type="subscription", amount_in_cents=1, subscription_external_id=each
            )
            for each in subscriptions
        )
        invoice = Invoice(
            external_id=order, customer_external_id=contact, date=on("2026-01-01"), currency="USD", line_items=lines
        )
        self.ledger.record(
            [("customer", Customer(external_id=contact), "cus_1", {}), ("invoice", invoice, "inv_1", {})]
        )

    def groups(self) -> dict[tuple[int, ...], dict[str, list[int]]]:
        self.inbox.attach(self.ledger.path)
        groups = Groups(self.inbox)
        groups.mark_all()
        groups.gather()
        found: dict[tuple[int, ...], dict[str, list[int]]] = {}
        for group in groups:
            records: dict[str, list[int]] = {}
            for stream, number, _ in groups.records(group):
                records.setdefault(stream, []).append(number)
            found[tuple(groups.contacts(group))] = records
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.inbox.close()
    desk.ledger.close()


def test_strangers_stay_apart(desk: Desk) -> None:
    desk.put("contacts", id="1")
    desk.order(11, 1)
    desk.order(21, 2)
    assert desk.groups() == {(1,): {"contacts": [1], "orders": [11]}, (2,): {"orders": [21]}}


def test_an_order_for_a_subscription_of_another_contact(desk: Desk) -> None:
    desk.put("subscriptions", id="500", contact_id="3")
    desk.order(11, 1, 500)
    assert desk.groups() == {(1, 3): {"subscriptions": [500], "orders": [11]}}


def test_a_payment_over_orders_of_two_contacts(desk: Desk) -> None:
    desk.order(11, 1)
    desk.order(21, 2)
    desk.order(31, 3)
    desk.put("payments", id="9", order_ids=["21", "11"], contact_id="7")
    assert desk.groups() == {(1, 2): {"orders": [11, 21], "payments": [9]}, (3,): {"orders": [31]}}


def test_a_refund_goes_with_its_payment(desk: Desk) -> None:
    desk.order(11, 1)
    desk.put("payments", id="9", order_ids=["11"])
    desk.put("payments", id="10", refund_payment_id="9")
    assert desk.groups() == {(1,): {"orders": [11], "payments": [9, 10]}}


def test_what_the_ledger_knows_ties_too(desk: Desk) -> None:
    """A subscription that moved: its earlier invoices are another contact's, and did not arrive (rule 4.9)."""
    desk.holds("11", "1", "500")
    desk.put("subscriptions", id="500", contact_id="2")
    assert desk.groups() == {(1, 2): {"subscriptions": [500]}}


def test_an_order_that_did_not_arrive_gives_its_payment_a_home(desk: Desk) -> None:
    desk.holds("11", "1")
    desk.put("payments", id="9", order_ids=["11"])
    assert desk.groups() == {(1,): {"payments": [9]}}


def test_rows_of_a_gateway_and_of_order_payments(desk: Desk) -> None:
    desk.order(11, 1)
    desk.put("payments", id="9", order_ids=["11"])
    desk.put("transactions", payment_id="9", amount=1)
    desk.put("order_payments", id="77", payment_id="9")
    desk.put("order_payments", id="78", order_id="11")
    found = desk.groups()
    assert list(found) == [(1,)]
    assert found[1,]["order_payments"] == [77, 78]
    assert len(found[1,]["transactions"]) == 1


def test_records_without_a_contact_are_groups_of_their_own(desk: Desk) -> None:
    desk.order(11, None)
    desk.put("payments", id="9")
    assert sorted(each for found in desk.groups().values() for each in found) == ["orders", "payments"]


def test_chains(desk: Desk) -> None:
    for number in range(1, 40):
        desk.order(number, number)
        desk.put("payments", id=str(number), order_ids=[str(number), str(number + 1)])
    desk.order(40, 40)
    assert list(desk.groups()) == [tuple(range(1, 41))]


def test_the_last_record_of_an_id_wins(desk: Desk) -> None:
    desk.order(11, 1)
    desk.order(11, 2)
    assert list(desk.groups()) == [(2,)]
