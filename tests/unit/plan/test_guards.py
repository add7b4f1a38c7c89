"""Guards of rule 1.7."""

from __future__ import annotations

import pytest

from target_chartmogul.plan import guards


@pytest.mark.parametrize(
    ("deleted", "moved", "held", "share", "stops"),
    [
        (5, 0, 20, 0.05, False),  # five of anything may go
        (6, 0, 20, 0.05, True),
        (6, 0, 120, 0.05, False),  # exactly the share
        (7, 0, 120, 0.05, True),
        (0, 20, 20, 0.05, False),  # written again elsewhere
        (3, 0, 3, 0.05, True),  # all of three
        (2, 0, 2, 0.05, False),  # all of two
        (2, 0, 3, 0.05, False),
        (10, 0, 10, 1, True),  # all of them, whatever the share
        (9, 0, 10, 1, False),
        (6, 0, 1000, 0, True),
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


@pytest.mark.parametrize(("late", "stops"), [(0, True), (1, True), (2, False), (7, False)])
def test_cancellations_that_a_payment_takes_back_do_not_count(late: int, stops: bool) -> None:
    """1.7 with 6.4: the payment is their evidence; they count for no other kind."""
    counts = {("delete", "event", False): 7, ("delete", "invoice", False): 0}
    assert bool(guards.too_many_deletes(counts, {"event": 20}, 0.05, late_payments=late)) is stops
    invoices = {("delete", "invoice", False): 7}
    assert guards.too_many_deletes(invoices, {"invoice": 20}, 0.05, late_payments=late)


@pytest.mark.parametrize(
    ("vanished", "known", "stops"), [(3, 20, False), (6, 20, True), (6, 200, False), (3, 3, True), (15, 10_000, False)]
)
def test_vanished_subscriptions(vanished: int, known: int, stops: bool) -> None:
    """1.7 with 6.7."""
    assert bool(guards.too_many_vanished(vanished, known, 0.05)) is stops


def test_months_that_are_over_are_named() -> None:
    """1.7 with 1.10."""
    assert guards.past_months_changed({}, ["currency"]) == []
    months = {"2026-01": {"USD": 4900}, "2026-03": {"USD": -4900}}
    (text,) = guards.past_months_changed(months, ["currency", "rules"])
    for word in ("currency, rules", "2 months", "2026-01 to 2026-03"):
        assert word in text


@pytest.mark.parametrize(
    ("customers", "prefix", "word"), [(1, "k-", "“k-”"), (1, "", "none with an id"), (0, "k-", "")]
)
def test_foreign_prefix(customers: int, prefix: str, word: str) -> None:
    found = guards.foreign_prefix(customers=customers, prefix=prefix)
    assert word in "".join(found)
    assert bool(found) is bool(word)


@pytest.mark.parametrize(
    ("known", "found", "stops"),
    [(None, None, False), (None, "ds_1", False), ("ds_1", "ds_1", False), ("ds_1", "ds_2", True), ("ds_1", None, True)],
)
def test_other_data_source(known: str | None, found: str | None, stops: bool) -> None:
    assert bool(guards.other_data_source(known=known, found=found)) is stops
