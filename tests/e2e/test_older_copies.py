"""Rule 1.2: an older copy of the store, with the STATE of its time, after a newer one has written to ChartMogul.

The hardest case: Keap is by now again as that copy knows it, so that no record that arrives differs from it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.support.pipeline import differences
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.singer_rows import Account, club_account

SECTIONS = ("customers", "plans", "invoices", "cancellations", "scheduled")


def _draft(rows: Account) -> None:
    rows["orders"][0]["status"] = "DRAFT"


def _header(rows: Account) -> None:
    rows["orders"][0]["due_time"] = "2026-02-01T00:00:00Z"


def _price(rows: Account) -> None:
    order = rows["orders"][0]
    for money in (order["total"], order["order_items"][0]["price_per_unit"]):
        money.update(amount=5900)


def _unpaid(rows: Account) -> None:
    rows["payments"][0]["status"] = "PENDING"


def _other_contact(rows: Account) -> None:
    rows["subscriptions"][0]["contact_id"] = "2"


def _ended(rows: Account) -> None:
    rows["subscriptions"][0].update(active=False, end_date="2026-03-01")


def _ends(rows: Account) -> None:
    rows["subscriptions"][0].update(end_date="2026-05-01")


def _renamed(rows: Account) -> None:
    rows["contacts"][0]["given_name"] = "Another"


def _product(rows: Account) -> None:
    rows["products"][0]["name"] = "Another"


def content(bridge: Bridge) -> dict[str, Any]:
    """What ChartMogul holds; a fee of 0, which an edited line keeps, says nothing."""
    found = bridge.content()
    for invoice in found["invoices"].values():
        for line in invoice["line_items"].values():
            line.pop("transaction_fees_in_cents", None)
    return found


CHANGES = [_draft, _header, _price, _unpaid, _other_contact, _ended, _ends, _renamed, _product]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("there", ["there before", "not there before"])
def test_keap_is_as_the_older_copy_knows_it(
    sandbox: Sandbox, tmp_path: Path, change: Callable[[Account], None], there: str
) -> None:
    bridge = Bridge(sandbox, tmp_path)
    first, other = club_account(3), club_account(3)
    change(other)
    if there == "not there before":
        first, other = other, first
    bridge.good(account_messages(copy.deepcopy(first)), force=True)
    older, expected = bridge.store.read_bytes(), content(bridge)
    bridge.good(account_messages(copy.deepcopy(other)), force=True)
    bridge.store.write_bytes(older)
    for _ in range(2):
        bridge.good(account_messages(copy.deepcopy(first)), force=True)
    told = differences(content(bridge), expected, SECTIONS)
    assert not told, "\n".join(told)
