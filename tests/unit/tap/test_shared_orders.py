"""Orders that share a payment wait in the state of `order_payments` until they were asked for."""

from __future__ import annotations

from typing import Any

from tap_keap.shared_orders import SharedOrders


def attached(left: list[str], *, wanted: bool = True) -> tuple[SharedOrders, dict[str, Any]]:
    state: dict[str, Any] = {}
    shared = SharedOrders()
    shared.attach(left, lambda: state, lambda: wanted)
    return shared, state


def test_only_orders_that_share_a_payment_wait_each_once() -> None:
    shared, state = attached(["5"])
    for orders in (["1"], ["2", "3"], ["3", None, "4"], ["6", None], []):
        shared.note(orders)
    assert shared.waiting() == ["5", "2", "3", "4"]
    assert state == {"orders": ["5", "2", "3", "4"]}


def test_what_was_asked_for_leaves_the_state_and_ends_as_null() -> None:
    shared, state = attached(["5", "6"])
    shared.done("5")
    assert state == {"orders": ["6"]}
    shared.done("6")
    assert state == {"orders": None}


def test_nothing_is_remembered_for_a_stream_that_is_not_selected() -> None:
    shared, state = attached([], wanted=False)
    shared.note(["1", "2"])
    assert shared.waiting() == []
    assert state == {}
