"""Guards of rule 1.7."""

from __future__ import annotations

import pytest

from target_chartmogul.plan import guards
from target_chartmogul.plan.vanished import Vanished


@pytest.mark.parametrize(
    ("deleted", "moved", "held", "share", "stops"),
    [
        (1, 0, 20, 0.05, False),
        (2, 0, 20, 0.05, True),
        (0, 20, 20, 0.05, False),
        (9, 0, 9, 0.05, False),
        (1, 0, 10, 0.05, True),
        (10, 0, 10, 1, False),
        (1, 0, 1000, 0, True),
    ],
)
def test_share_of_a_kind(deleted: int, moved: int, held: int, share: float, stops: bool) -> None:
    counts = {
        ("delete", "invoice", False): deleted,
        ("delete", "invoice", True): moved,
        ("create", "invoice", False): 500,
    }
    assert bool(guards.too_many_deletes(counts, {"invoice": held}, share)) is stops


@pytest.mark.parametrize("kind", ["customer", "invoice", "line_item", "transaction", "event"])
def test_every_kind_is_guarded(kind: str) -> None:
    assert guards.too_many_deletes({("delete", kind, False): 10}, {kind: 20}, 0.05)


@pytest.mark.parametrize(
    ("vanished", "held", "stops"),
    [
        (Vanished(cancelled=3, unnamed=3), 20, True),
        (Vanished(cancelled=1, unnamed=1), 20, False),
        (Vanished(cancelled=9, unnamed=9), 9, False),
        (Vanished(cancelled=1, unnamed=0, new=185), 15, False),  # a first load that was broken off
        (Vanished(cancelled=1, unnamed=1, new=185), 15, True),
        (Vanished(cancelled=15, unnamed=15, new=10_000), 15, True),  # another account's key
        (Vanished(cancelled=20, unnamed=0), 20, True),  # a full refresh whose subscriptions are cut short
    ],
)
def test_vanished_subscriptions(vanished: Vanished, held: int, stops: bool) -> None:
    """1.7 with 6.7."""
    assert bool(guards.too_many_vanished(vanished, held, 0.05)) is stops


@pytest.mark.parametrize(("incremental", "held", "stops"), [(True, 0, True), (True, 1, False), (False, 0, False)])
def test_empty_source_after_state(incremental: bool, held: int, stops: bool) -> None:
    assert bool(guards.empty_source_after_state(incremental=incremental, objects_held=held)) is stops


@pytest.mark.parametrize(
    ("orders", "began", "held", "stops"),
    [(3, False, 5, True), (3, True, 5, False), (0, False, 5, False), (3, False, 0, False)],
)
def test_payments_that_never_came(orders: int, began: bool, held: int, stops: bool) -> None:
    """1.8: an order arrives with all payments that name it."""
    assert bool(guards.cut_off(orders=orders, payments_began=began, transactions_held=held)) is stops


@pytest.mark.parametrize(("customers", "ours", "stops"), [(1, 0, True), (1, 1, False), (0, 0, False)])
def test_foreign_prefix(customers: int, ours: int, stops: bool) -> None:
    assert bool(guards.foreign_prefix(customers=customers, customers_of_ours=ours, prefix="k-")) is stops


@pytest.mark.parametrize(
    ("ledger", "found", "stops"),
    [(None, None, False), ("ds_1", "ds_1", False), ("ds_1", "ds_2", True), ("ds_1", None, True)],
)
def test_other_source(ledger: str | None, found: str | None, stops: bool) -> None:
    assert bool(guards.other_source(ledger_uuid=ledger, found_uuid=found)) is stops
