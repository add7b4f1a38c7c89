"""The plan: nothing where nothing differs (1.3), and an order in which a crash loses nothing (2.1, 6.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.plan.change_file import ChangeFile
from target_chartmogul.plan.difference import Held, account_changes, plan_changes
from tests.support.billing_objects import PLAN, cancellation, customer, invoice, line, paid
from tests.support.memory_journal import root_of


def scheduled(day: str) -> Any:
    event_type = "subscription_cancellation_scheduled"
    return msgspec.structs.replace(cancellation(day=day), external_id=f"901-scheduled-{day}", event_type=event_type)


MARCH, APRIL, MAY = (cancellation(day=f"2026-0{month}-01") for month in (3, 4, 5))


def changes_of(decision: Decision, existing: Holdings, marks: Any = None) -> list[Change]:
    return account_changes(decision, Held(existing, marks=marks or {}), root_of)


def steps(decision: Decision, existing: Holdings, marks: Any = None) -> list[tuple[str, str, str]]:
    return [(each.action, each.kind, each.external_id) for each in changes_of(decision, existing, marks)]


def bill(external_id: str, owner: int) -> Any:
    return invoice(external_id, owner, line_items=(line(external_id),), transactions=(paid(external_id),))


def test_nothing_differs() -> None:
    held = {"customers": {"1": customer(1)}, "invoices": {"9001": bill("9001", 1)}}
    assert steps(Decision(**held), Holdings(**held)) == []


def test_a_customer_comes_before_its_invoices() -> None:
    decision = Decision(customers={"1": customer(1)}, invoices={"9001": bill("9001", 1)}, events={"e": cancellation()})
    assert [step[:2] for step in steps(decision, Holdings())] == [
        ("create", "customer"),
        ("create", "invoice"),
        ("create", "event"),
    ]


def test_a_move_imports_before_it_deletes() -> None:
    """2.1, 4.9: and it is no loss (1.7)."""
    decision = Decision(customers={"1": customer(1), "2": customer(2)}, invoices={"9001-c2": bill("9001-c2", 2)})
    existing = Holdings(customers={"1": customer(1)}, invoices={"9001": bill("9001", 1)})
    changes = changes_of(decision, existing)
    assert [(each.action, each.kind, each.external_id, each.moved) for each in changes] == [
        ("create", "customer", "2", False),
        ("create", "invoice", "9001-c2", False),
        ("delete", "invoice", "9001", True),
    ]


def test_an_invoice_that_is_gone_is_a_loss() -> None:
    changes = changes_of(Decision(), Holdings(invoices={"9001": bill("9001", 1)}))
    assert [(each.action, each.moved) for each in changes] == [("delete", False)]


def test_the_same_id_under_another_customer() -> None:
    decision = Decision(invoices={"9001": bill("9001", 2)})
    existing = Holdings(invoices={"9001": bill("9001", 1)})
    assert steps(decision, existing) == [("delete", "invoice", "9001"), ("create", "invoice", "9001")]


def test_a_cancellation_is_posted_before_the_scheduled_one_goes() -> None:
    """6.3."""
    before = scheduled("2026-01-01")
    changes = changes_of(Decision(events={"c": cancellation()}), Holdings(events={before.external_id: before}))
    assert [(each.action, each.moved) for each in changes] == [("create", False), ("delete", True)]


@pytest.mark.parametrize(
    ("wanted", "held", "again"),
    [
        ([MARCH], [MARCH, APRIL], {APRIL: False}),  # withdrawn; one from before the customer came back stays
        ([MARCH, MAY], [MARCH, APRIL], {APRIL: True}),  # to another date
        ([MAY], [MARCH, APRIL], {MARCH: True, APRIL: False}),  # one new one stands for one of them
        ([APRIL], [MARCH, scheduled("2026-04-01")], {MARCH: False, scheduled("2026-04-01"): True}),  # due
        ([APRIL], [APRIL, scheduled("2026-04-01")], {scheduled("2026-04-01"): True}),  # due, posted by a killed run
        ([MARCH], [MARCH, scheduled("2026-04-01")], {scheduled("2026-04-01"): False}),  # withdrawn
        (
            [scheduled("2026-06-01")],
            [scheduled("2026-06-01"), scheduled("2026-04-01")],
            {scheduled("2026-04-01"): True},
        ),
        ([cancellation("902")], [APRIL], {APRIL: False}),  # another subscription's
        ([msgspec.structs.replace(MARCH, customer_external_id="2")], [MARCH, APRIL], {APRIL: False}),
    ],
)
def test_rule_1_7_a_cancellation_that_goes_is_a_loss_unless_another_takes_its_place(
    wanted: list[Any], held: list[Any], again: dict[Any, bool]
) -> None:
    """Any event of its subscription is not enough: the guard would not see deletions of a whole account."""
    changes = changes_of(Decision(events=by_id(wanted)), Holdings(events=by_id(held)))
    found = {each.held: each.moved for each in changes if each.action == "delete"}
    assert found == again


def by_id(events: list[Any]) -> dict[str, Any]:
    return {event.external_id: event for event in events}


def test_an_invoice_that_a_bulk_import_left_invalid_is_sent_anew() -> None:
    held = {"9001": bill("9001", 1)}
    found = steps(Decision(invoices=held), Holdings(invoices=held), {("invoice", "9001"): {"invalid"}})
    assert found == [("delete", "invoice", "9001"), ("create", "invoice", "9001")]


def test_a_merged_customer_keeps_the_fields_that_it_has() -> None:
    """6.8."""
    decision = Decision(customers={"1": customer(1)})
    existing = Holdings(customers={"1": msgspec.structs.replace(customer(1), name="Somebody else")})
    assert steps(decision, existing) == [("update", "customer", "1")]
    assert steps(decision, existing, {("customer", "1"): {"merged"}}) == []


def test_plans_are_created_or_renamed_and_never_deleted() -> None:
    """2.4, 3.7."""
    assert [each.action for each in plan_changes({PLAN.external_id: PLAN}, {})] == ["create"]
    renamed = msgspec.structs.replace(PLAN, name="Club (yearly)")
    assert [each.action for each in plan_changes({PLAN.external_id: renamed}, {PLAN.external_id: PLAN})] == ["update"]
    assert list(plan_changes({}, {PLAN.external_id: PLAN})) == []


def test_changes_lie_on_disk_as_they_were(tmp_path: Path) -> None:
    changes = changes_of(
        Decision(customers={"1": customer(1)}, invoices={"9001": bill("9001", 1)}, events={"e": cancellation()}),
        Holdings(invoices={"8": bill("8", 1)}),
    )
    with ChangeFile(tmp_path / "changes.sqlite") as store:
        store.add(2, changes)
        store.add(1, changes[:1])
        store.add(0, [Change(action="create", kind="plan", external_id=PLAN.external_id, desired=PLAN)])
        assert len(store) == len(changes) + 2
        assert store.counts["create", "customer", False] == 2
        assert [lane for lane, _ in store.lanes()] == [0, 1, 2]
        assert list(store.lanes(after=1)) == [(2, changes)]
        assert store.lane(1) == changes[:1]
        assert store.lane(7) == []
