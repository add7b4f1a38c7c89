"""One full run and many incremental ones come to the same (rules 1.1, 1.2, 1.8), through `decide` alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from sandbox.sample.evolve import evolve
from sandbox.sample.generate import generate_account
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.sources.keap.account import Arrived, Remembered
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.worked_accounts import catalog_of, group_of

Account = dict[str, list[dict[str, Any]]]

NOW = datetime.fromisoformat("2026-11-20T08:00:00Z")
LOOK_BACK = timedelta(days=90)
WHOLE = ("products", "subscription_plans", "free_trial_discounts", "subscriptions")
SETTINGS = [
    MappingSettings(),
    MappingSettings(
        trial_source="subscription",
        interval_source="subscription",
        churn_fallback="paid_through",
        subscription_owner="order",
        late_payment="ignore",
        plan_change="switch",
        credits="ignore",
        unpaid_orders="skip",
        customer_scope="all",
    ),
]


def run(keap: Account, before: Decision, now: datetime, settings: MappingSettings, *, whole: bool) -> Decision:
    group = group_of(keap)
    group.existing = Holdings(customers=before.customers, invoices=before.invoices, events=before.events)
    group.remembered = before.remembered
    catalog = catalog_of(keap)
    catalog.plans_held = before.plans
    after = decide(group, catalog, Arrived(subscriptions_whole=True, orders_whole=whole), settings, now)
    after.plans = before.plans | after.plans
    return after


def closed(keap: Account, orders: set[str], payments: set[str], contacts: set[str]) -> Account:
    """What the tap would send with these: with an order its contact and payments, with a payment its orders (1.8)."""
    while True:
        more_payments = payments | {
            row["id"] for row in keap["payments"] if orders.intersection(row["order_ids"] or ())
        }
        named = {each for row in keap["payments"] if row["id"] in more_payments for each in row["order_ids"] or ()}
        if more_payments == payments and named <= orders:
            break
        orders, payments = orders | named, more_payments
    sent = {stream: keap.get(stream, []) for stream in WHOLE}
    sent["orders"] = [row for row in keap["orders"] if row["id"] in orders]
    sent["payments"] = [row for row in keap["payments"] if row["id"] in payments]
    contacts = contacts | {row["contact"]["id"] for row in sent["orders"]}
    sent["contacts"] = [row for row in keap["contacts"] if row["id"] in contacts]
    several = {row["id"] for row in sent["payments"] if len(row["order_ids"] or ()) > 1}
    sent["order_payments"] = [row for row in keap.get("order_payments", []) if row["payment_id"] in several]
    return sent


def changed(keap: Account, earlier: Account, since: datetime) -> Account:
    """An incremental read: what is new or changed since then, money with a look-back."""

    def ids(stream: str, field: str, start: datetime) -> set[str]:
        known = {row["id"] for row in earlier[stream]}
        return {
            row["id"]
            for row in keap[stream]
            if row["id"] not in known or (row[field] and datetime.fromisoformat(row[field]) > start)
        }

    sent = closed(
        keap,
        ids("orders", "modification_time", since),
        ids("payments", "payment_time", since - LOOK_BACK),
        ids("contacts", "update_time", since)
        | {
            row["contact_id"]
            for row in keap["subscriptions"]
            if datetime.fromisoformat(row["modification_time"]) > since
        },
    )
    sent["transactions"] = [
        row for row in keap["transactions"] if datetime.fromisoformat(row["transaction_time"]) > since - LOOK_BACK
    ]
    return sent


def content(decision: Decision) -> dict[str, Any]:
    return {
        "customers": decision.customers,
        "invoices": decision.invoices,
        "events": decision.events,
        "plans": {line.plan_external_id for each in decision.invoices.values() for line in each.line_items},
    }


def assert_same(found: dict[str, Any], expected: dict[str, Any], *sections: str) -> None:
    for section in sections:
        one, other = found[section], expected[section]
        if isinstance(one, dict):
            for key in sorted(one.keys() | other.keys()):
                assert one.get(key) == other.get(key), (section, key)
        else:
            assert one == other, section


@pytest.mark.parametrize("settings", SETTINGS, ids=["defaults", "alternatives"])
@given(seed=st.integers(0, 10**6), parts=st.integers(2, 5))
@examples(max_examples=12, deadline=None, derandomize=True)
def test_rule_1_2_any_split_of_the_arrival_comes_to_the_same_invoices_and_customers(settings, seed, parts):
    keap = generate_account(seed, contacts=4, months=10, now=NOW)
    expected = run(keap, Decision(remembered=Remembered()), NOW, settings, whole=True)
    chance = random.Random(seed)

    def dealt(rows: Iterable[Any], key: Callable[[Any], Any]) -> list[set[Any]]:
        hands: list[set[Any]] = [set() for _ in range(parts)]
        for row in rows:
            hands[chance.randrange(parts)].add(key(row))
        return hands

    orders = dealt(keap["orders"], lambda row: row["id"])
    payments = dealt(keap["payments"], lambda row: row["id"])
    contacts = dealt(keap["contacts"], lambda row: row["id"])
    found = Decision(remembered=Remembered())
    for part in range(parts):
        sent = closed(keap, orders[part], payments[part], contacts[part])
        with_order = {row["id"] for row in sent["orders"]}
        sent["transactions"] = [row for row in keap["transactions"] if with_order.intersection(row["order_ids"])]
        found = run(sent, found, NOW, settings, whole=False)
    assert_same(content(found), content(expected), "invoices", "customers", "plans")


@pytest.mark.parametrize("settings", SETTINGS, ids=["defaults", "alternatives"])
@given(seed=st.integers(0, 10**6))
@examples(max_examples=12, deadline=None, derandomize=True)
def test_rule_1_2_a_history_read_in_changes_is_a_history_read_whole(settings, seed):
    keap = generate_account(seed, contacts=5, months=8, now=NOW)
    whole = incremental = run(keap, Decision(remembered=Remembered()), NOW, settings, whole=True)
    before = NOW
    for step in range(3):
        now = before + timedelta(days=20)
        earlier, keap = keap, evolve(keap, seed + step, before=before, now=now)
        whole = run(keap, whole, now, settings, whole=True)
        incremental = run(changed(keap, earlier, before), incremental, now, settings, whole=False)
        assert_same(content(incremental), content(whole), "invoices", "customers", "events", "plans")
        before = now


@given(seed=st.integers(0, 10**6))
@examples(max_examples=20, deadline=None, derandomize=True)
def test_rule_1_8_nothing_belongs_to_a_contact_of_which_nothing_arrived(seed):
    """A tap without `related_records` does not bring the contact that a subscription moved to."""
    settings = MappingSettings()
    keap = generate_account(seed, contacts=5, months=12, now=NOW)
    whole = found = run(keap, Decision(remembered=Remembered()), NOW, settings, whole=True)
    before = NOW
    for step in range(3):
        now = before + timedelta(days=20)
        earlier, keap = keap, evolve(keap, seed + step, before=before, now=now)
        whole = run(keap, whole, now, settings, whole=True)
        sent = changed(keap, earlier, before)
        of_orders = {row["contact"]["id"] for row in sent["orders"]}
        sent["contacts"] = [row for row in sent["contacts"] if row["id"] in of_orders]
        found = run(sent, found, now, settings, whole=False)
        owned = [*found.invoices.values(), *found.events.values()]
        assert {each.customer_external_id for each in owned} <= found.customers.keys()
        before = now
    found = run(keap, found, before, settings, whole=True)
    assert_same(content(found), content(whole), "invoices", "customers", "events")
