"""Every worked account, run and variant through `decide` alone; what one run decides is what the next one finds."""

from __future__ import annotations

from typing import Any

import pytest

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.mrr import mrr_by_customer
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, CANCELLED
from target_chartmogul.sources.keap.account import Arrived, Remembered
from target_chartmogul.sources.keap.decide import decide
from tests.worked_accounts import (
    Case,
    Run,
    cases,
    catalog_of,
    group_of,
    shown,
    shown_customer,
    shown_event,
    shown_invoice,
    shown_plan,
)

CASES = [pytest.param(case, id=case.id) for case in cases()]


def decided(case: Case, run: Run, before: Decision, remembered: Remembered) -> Decision:
    group = group_of(run.keap)
    group.existing = Holdings(customers=before.customers, invoices=before.invoices, events=before.events)
    group.remembered = remembered
    catalog = catalog_of(run.keap)
    catalog.plans_held = before.plans
    arrived = Arrived(subscriptions_whole=True, orders_whole=True)
    return decide(group, catalog, arrived, case.mapping, run.now)


def sections(decision: Decision, run: Run) -> dict[str, Any]:
    events = decision.events
    explained = {note.id: note for note in decision.notes if note.kind.endswith("cancellations")}
    rules = {
        key: {"rule": explained[key].rule, "source": explained[key].detail["source"]}
        for key in events
        if key in explained
    }

    def of(kind: str) -> dict[str, Any]:
        rows = shown({key: each for key, each in events.items() if each.event_type == kind}, shown_event)
        return {key: {**row, **rules[key]} for key, row in rows.items()}

    scheduled = of(CANCELLATION_SCHEDULED)
    for row in scheduled.values():
        del row["event_date"]  # the accounts do not state it; rule 6.3 has tests of its own
    return {
        "customers": shown(decision.customers, shown_customer),
        "plans": shown(decision.plans, shown_plan),
        "invoices": shown(decision.invoices, shown_invoice),
        "cancellations": of(CANCELLED),
        "scheduled": scheduled,
        "mrr": mrr_by_customer(decision.invoices.values(), events.values(), run.now),
    }


def report(decision: Decision, kind: str) -> Any:
    notes = [note for note in decision.notes if note.kind == kind]
    match kind:
        case "inferred_links":
            return {note.id: note.detail["subscription"] for note in notes}
        case "excess":
            return decision.remembered.excess
        case "held_orders":
            return [held.id for held in decision.waiting if held.stream == "orders"]
        case "overlaps":
            return [{key: note.detail[key] for key in ("subscription", "followed_by", "mrr")} for note in notes]
        case _:
            return sorted({note.id for note in notes})


@pytest.mark.parametrize("keeps_ledger", [True, False], ids=["ledger", "ledger lost"])
@pytest.mark.parametrize("case", CASES)
def test_worked_account(case: Case, keeps_ledger: bool) -> None:
    before, remembered = Decision(), Remembered()
    for run in case.runs:
        decision = decided(case, run, before, remembered)
        found, expected = sections(decision, run), {"scheduled": {}, **run.expect}
        for section, content in found.items():
            wanted = expected[section]
            if section == "cancellations" and not keeps_ledger:
                # what gave an earlier cancellation its date is known to the ledger alone
                wanted = {
                    key: {**row, "source": "unknown" if row["rule"] == "6.5" else row["source"]}
                    for key, row in wanted.items()
                }
            assert content == wanted, section
        for kind, wanted in run.expect.get("report", {}).items():
            assert report(decision, kind) == wanted, kind
        assert not decision.rejects
        before = decision
        remembered = decision.remembered if keeps_ledger else Remembered()


@pytest.mark.parametrize("case", CASES)
def test_rule_1_3_the_same_account_again_changes_nothing(case: Case) -> None:
    run = case.runs[-1]
    first = decided(case, run, Decision(), Remembered())
    for remembered in (first.remembered, Remembered()):
        again = decided(case, run, first, remembered)
        assert again.invoices == first.invoices
        assert again.customers == first.customers
        assert again.events == first.events
        assert again.plans == first.plans
