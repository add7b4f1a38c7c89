"""Erasing one person (rule 7.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.nodes import node
from target_chartmogul.billing.objects import Customer
from target_chartmogul.store.outcomes import Figure, Memory, Note
from target_chartmogul.store.store import Store
from tests.support.billing_objects import bare_invoice
from tests.unit.store.source import CONTACT, ORDER, PAYMENT, PRODUCT, SUBSCRIPTION, open_store, put

NOW = datetime(2026, 11, 27, tzinfo=UTC)
ADA, BOB = node(CONTACT, 1), node(CONTACT, 2)


def _fill(store: Store) -> None:
    put(store, PRODUCT, 1)
    put(store, CONTACT, 1, text="Ada Lovelace")
    put(store, CONTACT, 2, text="Bob Stays")
    put(store, SUBSCRIPTION, 5, ADA, text="Ada Lovelace")
    put(store, ORDER, 10, ADA, node(SUBSCRIPTION, 5), node(PRODUCT, 1), text="Ada Lovelace")
    put(store, ORDER, 20, BOB, node(SUBSCRIPTION, 5), text="Bob Stays")
    put(store, PAYMENT, 100, node(ORDER, 10), text="Ada Lovelace")
    store.records.flush()
    put(store, ORDER, 10, ADA, node(SUBSCRIPTION, 5), node(PRODUCT, 1), text="Ada Lovelace again")
    store.commit()
    store.finish_first_read()
    customer = Customer(external_id="1", name="Ada Lovelace", email="ada@example.com")
    invoice = bare_invoice(external_id="10", customer_external_id="1", date=NOW, currency="USD")
    for kind, thing in (("customer", customer), ("invoice", invoice)):
        change = Change(action="create", kind=kind, external_id=thing.external_id, desired=thing)
        store.holdings.intend(change)
        if kind == "customer":
            store.holdings.acknowledged(change, {})
    store.outcomes.finish(
        [ADA, BOB, node(ORDER, 10)],
        now=NOW,
        due=[(ADA, "2027-01-01T00:00:00Z", "dated")],
        notes=[Note(node(ORDER, 10), "remark", "orders:10", "4.2", b'"Ada Lovelace"')],
        figures={ADA: [Figure("2026-11", "USD", "mrr", 5)], BOB: [Figure("2026-11", "USD", "mrr", 7)]},
        memories=[Memory(ADA, "refused", "1", b'"Ada Lovelace"')],
    )


def test_nothing_of_a_person_is_left_in_the_file(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    _fill(store)
    store.checkpoint()
    assert b"Lovelace" in store.path.read_bytes()
    erased = store.forget(ADA)
    assert erased == [ADA, node(SUBSCRIPTION, 5), node(ORDER, 10), node(PAYMENT, 100)]
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert b"Lovelace" not in content, file.name
        assert b"ada@" not in content, file.name
    assert b"Bob Stays" in store.path.read_bytes()
    assert store.accounts.account(BOB).nodes == [BOB, node(SUBSCRIPTION, 5), node(ORDER, 20)]
    assert store.holdings.counts() == {}
    assert list(store.outcomes.notes()) == []
    assert {each for each, _, _ in store.outcomes.marks()}.isdisjoint(erased)
    assert store.outcomes.totals() == {("2026-11", "USD", "mrr"): 7}
    store.check()
    store.close()


def test_a_person_who_was_erased_does_not_return(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    _fill(store)
    store.forget(ADA)
    store.close()
    store = open_store(tmp_path)
    put(store, CONTACT, 1, text="Ada Lovelace")
    put(store, ORDER, 10, text="Ada Lovelace")
    put(store, ORDER, 11, ADA, text="Ada Lovelace")
    put(store, PAYMENT, 110, node(ORDER, 11), text="Ada Lovelace")
    store.commit()
    assert store.records.counts() == {PRODUCT: 1, CONTACT: 1, ORDER: 1}
    store.close()
    store = open_store(tmp_path)
    put(store, PAYMENT, 111, node(ORDER, 11))
    assert PAYMENT not in store.records.counts()
    store.close()


def test_what_is_also_another_persons_stays(tmp_path: Path) -> None:
    """A payment over two persons' orders, its refund, and the other's order under the first one's subscription."""
    store = open_store(tmp_path)
    _fill(store)
    put(store, PAYMENT, 200, node(ORDER, 10), node(ORDER, 20))
    put(store, PAYMENT, 201, node(PAYMENT, 200))
    store.commit()
    assert store.forget(ADA) == [ADA, node(SUBSCRIPTION, 5), node(ORDER, 10), node(PAYMENT, 100)]
    store.close()
    store = open_store(tmp_path)
    put(store, PAYMENT, 200, node(ORDER, 10), node(ORDER, 20), text="changed")
    put(store, ORDER, 20, BOB, node(SUBSCRIPTION, 5), text="changed")
    put(store, ORDER, 12, ADA, node(SUBSCRIPTION, 6), text="of the person who was erased")
    store.commit()
    records = {(each.stream, each.number): each.payload for each in store.accounts.account(BOB).records}
    assert {key for key in records if key[0] in {ORDER, PAYMENT}} == {(ORDER, 20), (PAYMENT, 200), (PAYMENT, 201)}
    assert b"changed" in (records[PAYMENT, 200] or b"")
    assert b"changed" in (records[ORDER, 20] or b"")
    store.close()
