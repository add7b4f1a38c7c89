"""What is decided does not depend on how the records came (rules 1.1, 1.2, 1.8): any history ends like a fresh run."""

from __future__ import annotations

import copy
import json
import random
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from sandbox.sample.evolve import evolve
from sandbox.sample.generate import generate_account
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.normal import normal
from target_chartmogul.billing.objects import SUBSCRIPTION, SubscriptionEvent
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.source import KeapSource
from target_chartmogul.sources.protocol import Context, StoredRecord
from tests.support.keap_edits import TAG, Editor, Rows
from tests.unit.sources.keap.deciding import listed

NOW = datetime.fromisoformat("2026-11-20T08:00:00Z")
SOURCE = KeapSource()
SETTINGS = {
    "defaults": {},
    "a tag filter": {"exclude_contact_tags": (TAG,), "hard_delete": True},
    "alternatives": {
        "trial_source": "subscription",
        "churn_fallback": "paid_through",
        "subscription_owner": "order",
        "late_payment": "ignore",
        "plan_change": "switch",
        "credits": "ignore",
        "unpaid_orders": "skip",
        "customer_scope": "all",
        "full_refund": "remove_mrr",
        "hard_delete": True,
    },
}
FIRST_SEEN = {"modified", "run_date", "unknown", "late_payment"}
"""Where a date may be from that stays as it was first written (rule 6.1)."""


class Store:
    """Records as they arrived last, what ChartMogul holds and what is remembered, as a run finds them."""

    def __init__(self) -> None:
        self.records: dict[tuple[int, int], StoredRecord] = {}
        self.found = Decision(memories=[])
        self.plans: dict[str, Any] = {}

    def take(self, stream: str, row: dict[str, Any]) -> None:
        read = SOURCE.read(stream, json.dumps(row).encode())
        number = SOURCE.streams.index(stream)
        self.records[number, read.number] = StoredRecord(number, read.number, read.payload, gone=False, id_text=None)

    def activate(self, rows: Rows) -> None:
        """What a complete read lacked is gone."""
        for stream in ("contacts", "subscriptions", "orders", "payments"):
            number, seen = SOURCE.streams.index(stream), {int(row["id"]) for row in rows[stream]}
            for key, record in self.records.items():
                if key[0] == number and key[1] not in seen:
                    self.records[key] = record._replace(gone=True)

    def lose(self) -> None:
        self.records.clear()
        self.found = Decision(
            customers=self.found.customers, invoices=self.found.invoices, events=self.found.events, memories=[]
        )
        held = listed(holdings(self.found))
        self.found.customers, self.found.invoices, self.found.events = held.customers, held.invoices, held.events

    def decide(self, settings: MappingSettings, now: datetime) -> Decision:
        catalogue = SOURCE.catalogue([each for key, each in self.records.items() if key[0] < 3], self.plans)
        context = Context(settings=settings, now=now, complete_reads={"subscriptions": now})
        rows = [each for key, each in self.records.items() if key[0] >= 3]
        found = SOURCE.decide(rows, holdings(self.found), self.found.memories, catalogue, context)
        self.found = found
        self.plans |= found.plans
        return found


def holdings(found: Decision) -> Holdings:
    return Holdings(customers=found.customers, invoices=found.invoices, events=found.events)


def take_all(store: Store, rows: Rows, chance: random.Random, *, share: float = 1.0) -> None:
    """Records arrive in any order; of each stream that is not read whole in every run, a share of them."""
    every = [
        (stream, row)
        for stream, found in rows.items()
        if stream in SOURCE.streams
        for row in found
        if SOURCE.streams.index(stream) < 3 or stream == "subscriptions" or chance.random() < share
    ]
    chance.shuffle(every)
    for stream, row in every:
        store.take(stream, row)


def fresh_of(store: Store, settings: MappingSettings, now: datetime, gone_contacts: set[str]) -> Decision:
    """The same records, decided for the first time; links that were inferred earlier stay (rule 4.3).

    What is gone from Keap is not read; but an order, which counts as it was (4.10), and a contact, who may have been a
    customer, and then still is (3.1).
    """
    fresh, links = Store(), links_of(store.found)
    fresh.found.customers = {key: each for key, each in store.found.customers.items() if key in gone_contacts}
    for key, record in store.records.items():
        if record.gone and SOURCE.streams[record.stream] not in {"orders", "contacts"}:
            continue
        payload = record.payload
        if payload is not None and links and SOURCE.streams[record.stream] == "orders":
            row = json.loads(payload)
            for item in row.get("order_items", ()):
                if (key_of := f"{record.number}-{item.get('id')}") in links and not item.get("subscription_id"):
                    item["subscription_id"] = links[key_of]
            payload = json.dumps(row).encode()
        fresh.records[key] = record._replace(payload=payload)
    return fresh.decide(settings, now)


def links_of(found: Decision) -> dict[str, str]:
    """`<order>-<item>` -> subscription, of all lines."""
    return {
        f"{invoice.external_id.partition('-')[0]}-{line.external_id.rpartition('-')[2]}": line.subscription_external_id
        for invoice in found.invoices.values()
        for line in invoice.line_items
        if line.type == SUBSCRIPTION and line.subscription_external_id
    }


def without_plans(found: Decision) -> dict[str, Any]:
    """Invoices without what rule 3.6 keeps of lines that were sent."""
    plain: dict[str, Any] = {}
    for key, invoice in found.invoices.items():
        lines = tuple(
            msgspec.structs.replace(line, plan_external_id=None, service_period_end=None) for line in invoice.line_items
        )
        plain[key] = normal(msgspec.structs.replace(invoice, line_items=lines))
    return plain


def assert_same_end(found: Decision, fresh: Decision, gone_contacts: set[str], *, plans_may_differ: bool) -> None:
    """All but rule 1.2's exceptions."""
    told, expected = (without_plans(each) for each in (found, fresh))
    assert told == expected
    if not plans_may_differ:
        assert {key: normal(each) for key, each in found.invoices.items()} == {
            key: normal(each) for key, each in fresh.invoices.items()
        }
    assert {key: each for key, each in found.customers.items() if key not in gone_contacts} == {
        key: each for key, each in fresh.customers.items() if key not in gone_contacts
    }
    sources = {note.id: (note.rule, note.detail["source"], note.detail["reason"]) for note in told_of(found)}
    history = {key for key, (rule, _, reason) in sources.items() if rule == "6.5" or reason != "current"}
    first_seen = {
        each.external_id
        for decision in (found, fresh)
        for note in told_of(decision)
        if note.detail["source"] in FIRST_SEEN
        for each in decision.events.values()
        if each.subscription_external_id == note.detail["subscription"]
    }
    exempt = history | first_seen
    assert {key: _dated(each) for key, each in found.events.items() if key not in exempt} == {
        key: _dated(each) for key, each in fresh.events.items() if key not in exempt
    }


def _dated(event: SubscriptionEvent) -> SubscriptionEvent:
    """When a scheduled one was recorded is not compared (rule 6.3)."""
    return msgspec.structs.replace(event, event_date=event.effective_date)


def names(rows: Rows, contacts: set[str]) -> bool:
    """Whether an order or a subscription names one of these contacts."""
    named = {row["contact"]["id"] for row in rows["orders"]} | {row["contact_id"] for row in rows["subscriptions"]}
    return bool(named & contacts)


def told_of(decision: Decision) -> list[Any]:
    return [note for note in decision.notes if note.kind in {"cancellations", "scheduled_cancellations"}]


@pytest.mark.parametrize("how", SETTINGS)
@pytest.mark.parametrize("loses_store", [False, True], ids=["store", "store lost"])
@given(seed=st.integers(0, 10**6))
@examples(max_examples=60, deadline=None, derandomize=True)
def test_rules_1_1_and_1_2_any_history_ends_like_a_fresh_run(how: str, loses_store: bool, seed: int) -> None:
    settings = MappingSettings(**SETTINGS[how])
    chance = random.Random(seed)
    rows = generate_account(seed, contacts=3, months=6, now=NOW)
    for contact in rows["contacts"]:
        contact["tag_ids"] = []
    editor = Editor(rows, chance)
    store, now, edits = Store(), NOW, []
    contacts = {contact["id"] for contact in rows["contacts"]}
    take_all(store, rows, chance, share=chance.choice([0.3, 1.0]))
    store.decide(settings, now)
    for step in range(4):
        before, now = now, now + timedelta(days=10)
        if step == 1:
            earlier, editor.rows = editor.rows, evolve(editor.rows, seed, before=before, now=now)
            if loses_store:  # an order that is gone is an exception then
                left = {row["id"] for row in editor.rows["orders"]}
                editor.rows["orders"] += [row for row in earlier["orders"] if row["id"] not in left]
        contacts |= {contact["id"] for contact in editor.rows["contacts"]}
        edits += [editor.edit() for _ in range(chance.randint(0, 3))]
        take_all(store, copy.deepcopy(editor.rows), chance, share=chance.choice([0.3, 1.0]))
        store.activate(editor.rows)
        if loses_store and chance.random() < 0.4:
            store.lose()
            take_all(store, editor.rows, chance)
        store.decide(settings, now)
    for contact in editor.rows["contacts"]:
        contact["tag_ids"] = []
    take_all(store, editor.rows, chance)
    store.activate(editor.rows)
    found = store.decide(settings, now)
    gone = contacts - {contact["id"] for contact in editor.rows["contacts"]}
    fresh = fresh_of(store, settings, now, gone)
    again = store.decide(settings, now)
    assert (again.invoices, again.customers, again.events) == (found.invoices, found.customers, found.events)
    assert again.memories == found.memories
    if loses_store and settings.exclude_contact_tags and names(editor.rows, gone):
        return  # of contacts that are gone, and whose record was lost, no tags are known: what is held is frozen (§8)
    assert_same_end(
        found,
        fresh,
        gone,
        plans_may_differ=any("plan" in edit or "item" in edit for edit in edits),
    )
