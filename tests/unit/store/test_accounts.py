"""Accounts are the connected parts of the graph of records and holdings (rule 1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.nodes import ACCOUNTS_END, node
from target_chartmogul.billing.objects import Customer, SubscriptionEvent
from target_chartmogul.store.store import Store
from tests.support.billing_objects import bare_invoice
from tests.unit.store.source import CONTACT, ORDER, PAYMENT, PLAN, PRODUCT, SUBSCRIPTION, open_store, put

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def decided(store: Store) -> list[list[int]]:
    """The accounts that are due, each finished at once."""
    found = []
    for account in store.accounts.due(NOW):
        store.outcomes.finish(account.nodes, now=NOW, accepted=[node(r.stream, r.number) for r in account.records])
        found.append(account.nodes)
    return found


def test_an_account_is_what_names_one_another_but_not_through_the_catalogue(store: Store) -> None:
    put(store, PRODUCT, 1)
    put(store, CONTACT, 7)
    put(store, CONTACT, 8)
    put(store, ORDER, 70, node(CONTACT, 7), node(PRODUCT, 1))
    put(store, ORDER, 80, node(CONTACT, 8), node(PRODUCT, 1))
    put(store, PAYMENT, 700, node(ORDER, 70))
    account = store.accounts.account(node(PAYMENT, 700))
    assert account.nodes == [node(CONTACT, 7), node(ORDER, 70), node(PAYMENT, 700)]
    assert account.home == node(CONTACT, 7)
    assert [(record.stream, record.number) for record in account.records] == [(CONTACT, 7), (ORDER, 70), (PAYMENT, 700)]


def test_what_holds_for_all_accounts_is_of_none(store: Store) -> None:
    put(store, ACCOUNTS_END, 1)
    put(store, CONTACT, 7)
    assert [account.nodes for account in store.accounts.all()] == [[node(CONTACT, 7)]]
    store.finish_first_read()
    assert decided(store) == [[node(CONTACT, 7)]]
    put(store, ACCOUNTS_END, 1, text="another version", version=1)
    store.records.activate(ACCOUNTS_END, 2)
    assert store.accounts.count_due(NOW) == 0
    store.accounts.mark_all("settings")
    assert decided(store) == [[node(CONTACT, 7)]]


def test_a_record_may_name_one_that_has_not_come_yet(store: Store) -> None:
    store.finish_first_read()
    put(store, ORDER, 70, node(CONTACT, 7))
    assert decided(store) == [[node(CONTACT, 7), node(ORDER, 70)]]
    put(store, CONTACT, 7)
    assert decided(store) == [[node(CONTACT, 7), node(ORDER, 70)]]
    assert decided(store) == []


def test_an_order_that_changes_its_contact_has_both_accounts_decided_together_and_then_parts_them(store: Store) -> None:
    put(store, CONTACT, 7)
    put(store, CONTACT, 8)
    put(store, ORDER, 70, node(CONTACT, 7))
    store.finish_first_read()
    assert len(decided(store)) == 2
    put(store, ORDER, 70, node(CONTACT, 8))
    [account] = store.accounts.due(NOW)
    assert account.nodes == [node(CONTACT, 7), node(CONTACT, 8), node(ORDER, 70)]
    assert account.records[2].previous is not None
    assert len(decided(store)) == 1
    # Each of them once by itself, since what is due was known of both together only.
    assert decided(store) == [[node(CONTACT, 7)], [node(CONTACT, 8), node(ORDER, 70)]]
    assert decided(store) == []
    [_, order] = store.accounts.account(node(CONTACT, 8)).records
    assert order.previous is None


def test_a_record_that_is_not_accepted_keeps_the_version_before_and_what_that_names(store: Store) -> None:
    put(store, ORDER, 70, node(CONTACT, 7))
    store.finish_first_read()
    decided(store)
    for contact in (8, 9):
        put(store, ORDER, 70, node(CONTACT, contact))
        store.records.flush()
    # 8 was named in between only: its account is decided by itself.
    assert [account.nodes for account in store.accounts.due(NOW)] == [
        [node(CONTACT, 8)],
        [node(CONTACT, 7), node(CONTACT, 9), node(ORDER, 70)],
    ]


def test_a_changed_product_has_all_that_name_it_decided(store: Store) -> None:
    put(store, PRODUCT, 1)
    put(store, PRODUCT, 2)
    for order, product in ((70, 1), (71, 2), (72, 1)):
        put(store, ORDER, order, node(CONTACT, order), node(PRODUCT, product))
    store.finish_first_read()
    decided(store)
    put(store, PRODUCT, 1, text="renamed")
    assert decided(store) == [
        [node(CONTACT, 70), node(ORDER, 70)],
        [node(CONTACT, 72), node(ORDER, 72)],
    ]


def test_a_changed_product_has_all_that_name_a_plan_of_it_decided(store: Store) -> None:
    put(store, PRODUCT, 1)
    put(store, PLAN, 5, node(PRODUCT, 1))
    put(store, SUBSCRIPTION, 50, node(CONTACT, 7), node(PLAN, 5))
    put(store, SUBSCRIPTION, 51, node(CONTACT, 8), node(PLAN, 6))
    store.finish_first_read()
    decided(store)
    put(store, PRODUCT, 1, text="renamed")
    assert decided(store) == [[node(CONTACT, 7), node(SUBSCRIPTION, 50)]]
    assert store.accounts.account(node(PLAN, 5)).nodes == [node(PLAN, 5)]


def test_an_order_that_drops_a_product_does_not_have_the_others_of_it_decided(store: Store) -> None:
    put(store, PRODUCT, 1)
    put(store, ORDER, 70, node(CONTACT, 70))
    put(store, ORDER, 71, node(CONTACT, 71), node(PRODUCT, 1))
    store.finish_first_read()
    decided(store)
    put(store, ORDER, 70, node(CONTACT, 70), node(PRODUCT, 1))
    store.records.flush()
    put(store, ORDER, 70, node(CONTACT, 70), text="without it")
    assert decided(store) == [[node(CONTACT, 70), node(ORDER, 70)]]


def test_what_a_cut_input_touched_waits_and_what_is_due_is_decided(store: Store) -> None:
    put(store, CONTACT, 7)
    put(store, CONTACT, 8)
    store.finish_first_read()
    decided(store)
    store.outcomes.mark(
        [(node(CONTACT, 8), "2026-11-26T00:00:00Z", "dated"), (node(CONTACT, 9), "2026-11-28", "dated")]
    )
    put(store, ORDER, 70, node(CONTACT, 7))
    assert [account.nodes for account in store.accounts.due(NOW, cut=True)] == [[node(CONTACT, 8)]]
    store.records.input_complete()
    assert len(list(store.accounts.due(NOW, cut=True))) == 2


def test_holdings_tie_an_earlier_contact_to_an_order(store: Store) -> None:
    customer = Customer(external_id="7")
    invoice = bare_invoice(external_id="70", customer_external_id="7", date=NOW, currency="USD")
    event = SubscriptionEvent(
        external_id="5-cancelled",
        event_type="subscription_cancelled",
        customer_external_id="7",
        subscription_external_id="5",
        event_date=NOW,
        effective_date=NOW,
    )
    for kind, thing in (("customer", customer), ("invoice", invoice), ("event", event)):
        store.holdings.acknowledged(
            Change(action="create", kind=kind, external_id=thing.external_id, desired=thing), {}
        )
    put(store, ORDER, 70, node(CONTACT, 8))
    account = store.accounts.account(node(CONTACT, 8))
    assert account.nodes == [node(CONTACT, 7), node(CONTACT, 8), node(SUBSCRIPTION, 5), node(ORDER, 70)]
    assert account.holdings.customers == {"7": customer}
    assert account.holdings.invoices == {"70": invoice}
    assert account.holdings.events == {"5-cancelled": event}
    assert [each.nodes for each in store.accounts.all()] == [account.nodes]


def test_accounts_that_a_holding_tied_are_decided_apart_once_it_is_gone(store: Store) -> None:
    invoice = bare_invoice(external_id="70", customer_external_id="7", date=NOW, currency="USD")
    store.holdings.acknowledged(Change(action="create", kind="invoice", external_id="70", desired=invoice), {})
    put(store, CONTACT, 7)
    put(store, ORDER, 70, node(CONTACT, 8))
    store.finish_first_read()
    [account] = store.accounts.due(NOW)
    store.holdings.acknowledged(Change(action="delete", kind="invoice", external_id="70", held=invoice), {})
    store.outcomes.finish(account.nodes, now=NOW)
    assert decided(store) == [[node(CONTACT, 7)], [node(CONTACT, 8), node(ORDER, 70)]]
    assert decided(store) == []


def test_a_customer_without_any_record_is_an_account(store: Store) -> None:
    customer = Customer(external_id="7")
    store.holdings.acknowledged(Change(action="create", kind="customer", external_id="7", desired=customer), {})
    assert [each.holdings.customers for each in store.accounts.all()] == [{"7": customer}]


_NODES = [node(stream, number) for stream in (CONTACT, SUBSCRIPTION, ORDER) for number in range(1, 5)]
_PUTS = st.lists(
    st.tuples(
        st.sampled_from(_NODES),
        st.sets(st.sampled_from([*_NODES, node(PRODUCT, 1)]), max_size=2),
        st.sampled_from(["put", "put", "put", "invalid", "gone", "decide"]),
    ),
    max_size=25,
)


def _parts(links: dict[int, set[int]]) -> set[frozenset[int]]:
    """By the book: whatever shares a member becomes one."""
    parts: list[set[int]] = []
    for each, named in links.items():
        joined = {each, *(other for other in named if other >= node(CONTACT, 0))}
        apart = []
        for part in parts:
            if part & joined:
                joined |= part
            else:
                apart.append(part)
        parts = [*apart, joined]
    return {frozenset(part) for part in parts}


@settings(max_examples=80, deadline=None)
@given(_PUTS)
def test_accounts_are_the_connected_parts_whatever_changes(puts) -> None:
    now: dict[int, set[int]] = {}
    before: dict[int, set[int]] = {}
    invalid: set[int] = set()
    touched: set[int] = set()
    with TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        store.finish_first_read()
        for each, names, what in puts:
            stream, number = each >> 59, each & ((1 << 59) - 1)
            if what == "put" and (now.get(each) != names or each in invalid):
                if each in now and each not in before and each not in invalid:
                    before[each] = now[each]
                touched.update({each, *now.get(each, ())})
                now[each] = names
                invalid.discard(each)
                put(store, stream, number, *sorted(names))
            elif what == "invalid" and each not in invalid:
                if each not in before and each not in invalid and each in now:
                    before[each] = now[each]
                touched.add(each)
                now[each] = set()
                invalid.add(each)
                store.records.put_invalid(stream, number, b"{", "date", "no date")
            elif what == "gone" and each in now:
                store.records.gone(each)
                touched.add(each)
                # It comes again as it was: no longer gone, and nothing else.
                if each not in invalid:
                    put(store, stream, number, *sorted(now[each]))
            elif what == "decide":
                wanted = {part for part in _parts(_all(now, before)) if part & touched}
                due = [frozenset(nodes) for nodes in decided(store)]
                assert wanted <= set(due)
                assert len(due) == len(set(due))
                for each_before in [each for each in before if each not in invalid]:
                    del before[each_before]
                touched.clear()
            store.records.flush()
        found = [frozenset(account.nodes) for account in store.accounts.all()]
        assert len(found) == len(set(found))
        assert set(found) == _parts(_all(now, before))
        store.close()


def _all(now: dict[int, set[int]], before: dict[int, set[int]]) -> dict[int, set[int]]:
    return {each: named | before.get(each, set()) for each, named in now.items()}
