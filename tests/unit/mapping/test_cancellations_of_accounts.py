"""§6 and MRR over the worked accounts: their own invoices in, their events, reports and month-end MRR out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from target_chartmogul.billing.mrr import mrr_by_customer
from target_chartmogul.billing.objects import (
    CANCELLATION_SCHEDULED,
    CANCELLED,
    Invoice,
    LineItem,
    SubscriptionEvent,
    Transaction,
)
from target_chartmogul.sources.keap.account import Arrived, Remembered
from target_chartmogul.sources.keap.cancellations.cancellations import decide_events
from target_chartmogul.sources.keap.cancellations.events_decision import EventsDecision
from target_chartmogul.sources.keap.records import decode
from target_chartmogul.sources.keap.settings import MappingSettings

ACCOUNTS = Path(__file__).parents[2] / "accounts"
NAMES = sorted(path.stem for path in ACCOUNTS.glob("[0-9]*.json"))
LISTS = {"cancellations_removed", "stale_end_dates", "overlaps"}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def invoices_of(section: dict[str, Any]) -> dict[str, Invoice]:
    renamed = {"subscription": "subscription_external_id", "plan": "plan_external_id"}
    return {
        each: Invoice(
            external_id=each,
            customer_external_id=row["customer"],
            date=moment(row["date"]),
            currency=row["currency"],
            status=row.get("status"),
            line_items=tuple(
                msgspec.convert({"external_id": line, **{renamed.get(k, k): v for k, v in values.items()}}, LineItem)
                for line, values in row["line_items"].items()
            ),
            transactions=tuple(
                msgspec.convert({"external_id": move, **values}, Transaction)
                for move, values in row.get("transactions", {}).items()
            ),
        )
        for each, row in section.items()
    }


def shown(decision: EventsDecision, kind: str) -> dict[str, dict[str, str]]:
    rules = {
        note.id: (note.rule, note.detail["source"])
        for note in decision.notes
        if note.kind in {"cancellations", "scheduled_cancellations"}
    }
    return {
        each: {
            "customer": event.customer_external_id,
            "subscription": event.subscription_external_id,
            "effective_date": event.effective_date.isoformat().replace("+00:00", "Z"),
            "rule": rules[each][0],
            "source": rules[each][1],
        }
        for each, event in decision.events.items()
        if event.event_type == kind
    }


def reported(decision: EventsDecision, kind: str) -> list[Any]:
    found = [note for note in decision.notes if note.kind == kind]
    if kind == "overlaps":
        return [{k: note.detail[k] for k in ("subscription", "followed_by", "mrr")} for note in found]
    return sorted(note.id for note in found)


def cases() -> list[Any]:
    found = []
    for name in NAMES:
        account = json.loads((ACCOUNTS / f"{name}.json").read_text())
        expected = [run["expect"] for run in account["runs"]]
        found.append(pytest.param(account, account["settings"], expected, id=name))
        for variant in account.get("variants", []):
            bent = [{**plain, **other} for plain, other in zip(expected, variant["expect"], strict=True)]
            settings = account["settings"] | variant["settings"]
            label = ",".join(f"{k}={v}" for k, v in variant["settings"].items())
            found.append(pytest.param(account, settings, bent, id=f"{name}[{label}]"))
    return found


@pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "ledger lost"])
@pytest.mark.parametrize(("account", "settings", "expected"), cases())
def test_rules_6_and_7_2_of_account(
    account: dict[str, Any], settings: dict[str, Any], expected: list[dict[str, Any]], ledger: bool
) -> None:
    mapping = msgspec.convert(settings, MappingSettings)
    held: dict[str, SubscriptionEvent] = {}
    sources: dict[str, str] = {}
    for run, expect in zip(account["runs"], expected, strict=True):
        now = moment(run["now"])
        records = [decode("subscriptions", json.dumps(row).encode()) for row in run["keap"].get("subscriptions", [])]
        subscriptions = {each.id: each for each in records}
        invoices = invoices_of(expect["invoices"])
        remembered = Remembered(cancellation_sources=sources if ledger else {})
        if account["name"].startswith("24") or "remove_mrr" in settings.values():
            remembered.ended_by_refund = {"743": "9235"} if ledger or not held else {}
        decision = decide_events(
            subscriptions,
            {each.id: each.contact_id for each in records},
            invoices,
            held,
            remembered=remembered,
            arrived=Arrived(subscriptions_whole=True),
            settings=mapping,
            now=now,
        )
        wanted = expect.get("cancellations", {})
        if not ledger:
            wanted = {
                each: row | {"source": "unknown" if row["rule"] == "6.5" else row["source"]}
                for each, row in wanted.items()
            }
        assert shown(decision, CANCELLED) == wanted
        assert shown(decision, CANCELLATION_SCHEDULED) == expect.get("scheduled", {})
        for kind in LISTS & (expect.get("report") or {}).keys():
            assert reported(decision, kind) == expect["report"][kind]
        assert mrr_by_customer(invoices.values(), decision.events.values(), now) == expect["mrr"]
        held, sources = decision.events, decision.sources


@pytest.mark.parametrize(("account", "settings", "expected"), cases())
def test_rule_1_3_nothing_new_decides_nothing_new(
    account: dict[str, Any], settings: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    mapping = msgspec.convert(settings, MappingSettings)
    run, expect = account["runs"][-1], expected[-1]
    records = [decode("subscriptions", json.dumps(row).encode()) for row in run["keap"].get("subscriptions", [])]
    held: dict[str, SubscriptionEvent] = {}
    sources: dict[str, str] = {}
    decisions = []
    for _ in range(3):
        decision = decide_events(
            {each.id: each for each in records},
            {each.id: each.contact_id for each in records},
            invoices_of(expect["invoices"]),
            held,
            remembered=Remembered(cancellation_sources=sources),
            arrived=Arrived(subscriptions_whole=True),
            settings=mapping,
            now=moment(run["now"]),
        )
        held, sources = decision.events, decision.sources
        decisions.append((decision.events, decision.sources, decision.next_due))
    assert decisions[0] == decisions[1] == decisions[2]
