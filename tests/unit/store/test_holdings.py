"""What ChartMogul has of ours: as sent, as listed, and what a crash left open (rules 1.6, 1.11)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from target_chartmogul.billing.changes import Change, Refusal
from target_chartmogul.billing.nodes import node
from target_chartmogul.billing.objects import Customer, LineItem, Plan, Transaction
from target_chartmogul.store.store import Store
from tests.support.billing_objects import bare_invoice
from tests.unit.store.source import CONTACT, open_store

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
LINE = LineItem(external_id="70-1", type="one_time", amount_in_cents=100)
PAID = Transaction(external_id="9-70", type="payment", result="successful", date=NOW, amount_in_cents=100)
INVOICE = bare_invoice(
    external_id="70", customer_external_id="1", date=NOW, currency="USD", line_items=(LINE,), transactions=(PAID,)
)
CUSTOMER = Customer(external_id="1", name="N")
UUIDS = {
    ("customer", "1"): "cus_1",
    ("invoice", "70"): "inv_70",
    ("line_item", "70-1"): "li_1",
    ("transaction", "9-70"): "tr_9",
}
NOTHING: frozenset[str] = frozenset()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def _create(kind, thing) -> Change:
    return Change(action="create", kind=kind, external_id=thing.external_id, desired=thing)


@pytest.fixture
def sent(store: Store) -> Store:
    store.holdings.acknowledged(_create("customer", CUSTOMER), UUIDS)
    store.holdings.acknowledged(_create("invoice", INVOICE), UUIDS)
    return store


def _held(store: Store, kind="invoice"):
    account = store.accounts.account(node(CONTACT, 1))
    return getattr(account.holdings, kind + "s"), getattr(account.listed, kind + "s"), account.missing


def test_what_was_acknowledged_is_held_with_its_uuids(sent: Store) -> None:
    assert _held(sent) == ({"70": INVOICE}, {}, frozenset())
    assert {key: sent.holdings.uuid(*key) for key in UUIDS} == UUIDS
    assert sent.holdings.counts() == {"customer": 1, "invoice": 1, "line_item": 1, "transaction": 1}
    assert sent.holdings.get("invoice", "70") == INVOICE
    assert sent.holdings.get("invoice", "71") is None


def test_parts_and_headers_change_alone(sent: Store) -> None:
    other = LineItem(external_id="70-2", type="one_time", amount_in_cents=50)
    add = Change(action="create", kind="line_item", external_id="70-2", desired=other, parent="70")
    sent.holdings.acknowledged(add, {("line_item", "70-2"): "li_2"})
    drop = Change(action="delete", kind="transaction", external_id="9-70", parent="70")
    sent.holdings.acknowledged(drop, {})
    header = bare_invoice(external_id="70", customer_external_id="1", date=NOW, currency="USD", status="written_off")
    sent.holdings.acknowledged(Change(action="update", kind="invoice", external_id="70", desired=header), {})
    wanted = msgspec.structs.replace(INVOICE, status="written_off", line_items=(LINE, other), transactions=())
    assert _held(sent)[0] == {"70": wanted}
    assert sent.holdings.uuid("transaction", "9-70") is None
    assert sent.holdings.uuid("line_item", "70-2") == "li_2"
    assert sent.holdings.uuid("invoice", "70") == "inv_70"


def test_a_deleted_invoice_takes_its_parts_along(sent: Store) -> None:
    sent.holdings.acknowledged(Change(action="delete", kind="invoice", external_id="70"), {})
    assert sent.holdings.counts() == {"customer": 1}
    sent.holdings.acknowledged(_create("invoice", INVOICE), UUIDS)
    sent.holdings.gone("invoice", "70")
    assert sent.holdings.counts() == {"customer": 1}


def test_a_listing_never_overwrites_what_was_sent(sent: Store) -> None:
    edited = msgspec.structs.replace(INVOICE, date=NOW.replace(day=1))
    sent.as_saved()
    found = sent.holdings.relist(["invoice"], [("invoice", edited, UUIDS, frozenset({"edited"}))], trusted=True)
    assert (found.count, found.different, found.missing) == (1, [("invoice", "70")], [])
    assert _held(sent) == ({"70": INVOICE}, {"70": edited}, frozenset())
    assert sent.accounts.account(node(CONTACT, 1)).person_marks == {("invoice", "70"): frozenset({"edited"})}
    # A change of a part keeps what the person did to the rest; the next listing that shows what was sent ends it.
    more = msgspec.structs.replace(LINE, amount_in_cents=101)
    change = Change(action="update", kind="line_item", external_id="70-1", desired=more, parent="70")
    sent.holdings.acknowledged(change, {})
    now = msgspec.structs.replace(INVOICE, line_items=(more,))
    assert _held(sent) == (
        {"70": now},
        {"70": msgspec.structs.replace(edited, line_items=(more,))},
        frozenset(),
    )
    found = sent.holdings.relist(["invoice"], [("invoice", now, UUIDS, NOTHING)], trusted=True)
    assert (found.different, _held(sent)) == ([], ({"70": now}, {}, frozenset()))
    assert sent.accounts.account(node(CONTACT, 1)).person_marks == {}


def test_what_is_missing_stays_and_is_known_as_missing(sent: Store) -> None:
    for _ in range(2):
        found = sent.holdings.relist(["customer", "invoice"], [("customer", CUSTOMER, UUIDS, NOTHING)], trusted=True)
        assert found.missing == [("invoice", "70")]
        assert _held(sent) == ({"70": INVOICE}, {}, frozenset({("invoice", "70")}))
    assert sent.holdings.relist(["plan"], [], trusted=True).missing == []
    sent.holdings.acknowledged(_create("invoice", INVOICE), UUIDS)
    assert _held(sent) == ({"70": INVOICE}, {}, frozenset())


def test_where_a_run_broke_off_chartmogul_is_right(sent: Store) -> None:
    later = msgspec.structs.replace(CUSTOMER, name="M")
    found = sent.holdings.relist(["customer", "invoice"], [("customer", later, UUIDS, NOTHING)], trusted=False)
    assert (found.different, found.missing) == ([("customer", "1")], [("invoice", "70")])
    assert _held(sent, "customer") == ({"1": later}, {}, frozenset())
    assert sent.holdings.counts() == {"customer": 1}


def test_a_new_store_takes_what_is_listed_and_sends_over_it(store: Store) -> None:
    listed = [("customer", CUSTOMER, UUIDS, NOTHING), ("invoice", INVOICE, UUIDS, NOTHING)]
    store.holdings.relist(["customer", "invoice"], listed, trusted=False)
    assert _held(store) == ({"70": INVOICE}, {}, frozenset())
    drop = Change(action="delete", kind="line_item", external_id="70-1", parent="70")
    store.holdings.acknowledged(drop, {})
    assert _held(store) == ({"70": msgspec.structs.replace(INVOICE, line_items=())}, {}, frozenset())


def test_a_listing_of_what_is_known_writes_no_holding(sent: Store) -> None:
    before = sent._file.rows("SELECT * FROM holding ORDER BY id")
    sent.holdings.relist(["invoice"], [("invoice", INVOICE, UUIDS, NOTHING)], trusted=True)
    sent.holdings.relist(["invoice"], [("invoice", INVOICE, UUIDS, NOTHING)], trusted=False)
    assert sent._file.rows("SELECT * FROM holding ORDER BY id") == before


def test_changes_without_an_answer_are_looked_up(sent: Store) -> None:
    begun = [Change(action="delete", kind="invoice", external_id="70"), _create("customer", Customer(external_id="2"))]
    for change in begun:
        sent.holdings.intend(change)
    refusal = Refusal(status=None, field="", reason="no answer", uncertain=True)
    for change in begun:
        sent.holdings.refused(change, refusal)
    assert sent.holdings.intents() == [("customer", "2", None), ("invoice", "70", None)]
    sent.holdings.refused(begun[1], Refusal(status=422, field="name", reason="too long"))
    assert sent.holdings.intents() == [("invoice", "70", None)]
    sent.holdings.found("invoice", "70", None)
    sent.holdings.clear_intents()
    assert sent.holdings.intents() == []
    assert sent.holdings.counts() == {"customer": 1}


def test_plans_belong_to_nobody(store: Store) -> None:
    plans = [Plan(external_id=f"{n:04}", name="P", interval_count=1, interval_unit="month") for n in range(2500)]
    with store.transaction():
        for plan in plans:
            store.holdings.acknowledged(_create("plan", plan), {})
    assert list(store.holdings.objects("plan")) == plans
    assert list(store.accounts.all()) == []
