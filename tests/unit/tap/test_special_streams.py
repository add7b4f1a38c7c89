"""Rows of transactions have no id; their key must be one for one attempt, however Keap writes it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tap_keap.special_streams import transaction_key

ATTEMPT: dict[str, Any] = {
    "payment_id": "500",
    "transaction_method": "CAPTURE",
    "transaction_time": "2026-03-01T10:00:00Z",
    "external_reference_id": "ch_1",
    "amount": Decimal("49.00"),
    "is_successful": True,
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"amount": Decimal(49)},
        {"amount": Decimal("4.9E+1")},
        {"transaction_time": "2026-03-01T11:00:00.000+01:00"},
        {"is_successful": False},
    ],
)
def test_one_attempt_has_one_key(change: dict[str, Any]) -> None:
    assert transaction_key({**ATTEMPT, **change}) == transaction_key(ATTEMPT)


@pytest.mark.parametrize(
    "change",
    [
        {"payment_id": None},
        {"transaction_method": "REFUND"},
        {"transaction_time": "2026-03-01T10:00:01Z"},
        {"transaction_time": None},
        {"external_reference_id": "ch_2"},
        {"amount": Decimal("49.01")},
        {"amount": Decimal(490)},
    ],
)
def test_another_attempt_has_another(change: dict[str, Any]) -> None:
    assert transaction_key({**ATTEMPT, **change}) != transaction_key(ATTEMPT)


def test_an_amount_that_no_money_has_ends() -> None:
    key = transaction_key({**ATTEMPT, "amount": Decimal("1e999999999")})
    assert key != transaction_key(ATTEMPT)
