"""The ledger: what ChartMogul acknowledged, what it remembers, and what it does with a file that is none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from target_chartmogul.billing.changes import Change, Refusal
from target_chartmogul.failures import LedgerInUseError
from target_chartmogul.ledger.inbox import Row
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.ledger.place import LedgerStore
from target_chartmogul.sources.keap.account import Remembered
from tests.billing_objects import cancellation, customer, invoice, line, on, paid


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def created(kind: str, thing: object) -> Change:
    return Change(action="create", kind=kind, external_id=thing.external_id, desired=thing)  # type: ignore[arg-type, attr-defined]


def test_what_is_acknowledged_is_held(ledger: Ledger) -> None:
    bill = invoice("9001", 1, line_items=(line("9001"),), transactions=(paid("9001"),))
    uuids = {
        ("invoice", "9001"): "inv_1",
        ("line_item", bill.line_items[0].external_id): "li_1",
        ("transaction", bill.transactions[0].external_id): "tr_1",
    }
    ledger.acknowledged(created("customer", customer(1)), {("customer", "1"): "cus_1"})
    ledger.acknowledged(created("invoice", bill), uuids)  # type: ignore[arg-type]
    assert ledger.existing([1]).invoices == {"9001": bill}
    assert ledger.existing([1]).customers == {"1": customer(1)}
    assert ledger.existing([2]).invoices == {}
    assert ledger.uuid("line_item", bill.line_items[0].external_id) == "li_1"
    assert ledger.held_counts() == {"customer": 1, "invoice": 1, "line_item": 1, "transaction": 1, "subscription": 1}


def test_parts_and_headers_change_the_invoice_they_belong_to(ledger: Ledger) -> None:
    bill = invoice("9001", 1, line_items=(line("9001"),), transactions=(paid("9001"),))
    ledger.acknowledged(created("invoice", bill), {})
    dearer = msgspec.structs.replace(bill.line_items[0], amount_in_cents=9900)
    ledger.acknowledged(
        Change(action="update", kind="line_item", external_id=dearer.external_id, desired=dearer, parent="9001"), {}
    )
    ledger.acknowledged(
        Change(action="delete", kind="transaction", external_id=bill.transactions[0].external_id, parent="9001"), {}
    )
    header = msgspec.structs.replace(bill, due_date=on("2026-05-01"), line_items=(), transactions=())
    ledger.acknowledged(Change(action="update", kind="invoice", external_id="9001", desired=header), {})
    expected = msgspec.structs.replace(bill, due_date=on("2026-05-01"), line_items=(dearer,), transactions=())
    assert ledger.existing([1]).invoices == {"9001": expected}
    assert ledger.uuid("transaction", bill.transactions[0].external_id) is None


def test_a_deleted_invoice_takes_its_parts_along(ledger: Ledger) -> None:
    bill = invoice("9001", 1, line_items=(line("9001"),), transactions=(paid("9001"),))
    ledger.acknowledged(created("invoice", bill), {})
    ledger.acknowledged(Change(action="delete", kind="invoice", external_id="9001"), {})
    counts = ledger.held_counts()
    assert {kind: counts.get(kind, 0) for kind in ("invoice", "line_item", "transaction")} == {
        "invoice": 0, "line_item": 0, "transaction": 0,
    }  # fmt: skip


def test_what_began_and_was_not_acknowledged_is_known(ledger: Ledger) -> None:
    change = created("customer", customer(1))
    ledger.intend(change)
    assert ledger.intents() == [("customer", "1", None)]
    ledger.refused(change, Refusal(status=None, field="", reason="no answer", uncertain=True))
    assert ledger.intents(), "ChartMogul may have it all the same"
    ledger.refused(change, Refusal(status=422, field="name", reason="no"))
    assert ledger.intents() == []
    ledger.intend(change)
    ledger.acknowledged(change, {})
    assert ledger.intents() == []


def test_a_lane_with_anything_left_is_not_done(ledger: Ledger) -> None:
    ledger.lane_done(1, complete=True)
    ledger.lane_done(2, complete=False)
    ledger.lane_done(2, complete=True)
    ledger.lane_done(3, complete=True)
    ledger.lane_done(3, complete=False)
    assert ledger.lanes_done == {1}


def test_facts_are_replaced_group_by_group(ledger: Ledger) -> None:
    facts = Remembered(excess={"9001": 500}, refused_emails={"2": "ab"}, voided_payments=("7", "8"))
    ledger.remember([1, 2], facts, "2026-04-01T00:00:00.000000Z")
    assert ledger.remembered([1, 2]) == facts
    assert ledger.dues() == {1: "2026-04-01T00:00:00.000000Z"}
    ledger.remember([1, 2], Remembered(), None)
    assert ledger.remembered([1, 2]) == Remembered()
    assert ledger.dues() == {}


def test_nothing_is_forgotten_before_the_changes_are_made(ledger: Ledger) -> None:
    """Rules 1.2 and 6.3; nor is an address that was refused meanwhile, after them."""
    ledger.remember([1], Remembered(excess={"101": 5}, refused_emails={"1": "old"}), "2026-02-01")
    ledger.remember([2], Remembered(excess={"201": 5}), "2026-02-02")
    after = Remembered(excess={"102": 7})
    ledger.remember_also([1], after, "2026-03-01")
    assert ledger.remembered([1]) == Remembered(excess={"101": 5, "102": 7})
    assert ledger.dues() == {1: "2026-02-01", 2: "2026-02-02"}
    ledger.email_refused("1", "member@example.com")
    learned = ledger.remembered([1]).refused_emails
    ledger.forget_all_but([1], after, "2026-03-01")
    assert ledger.remembered([1]) == Remembered(excess={"102": 7}, refused_emails=learned)
    assert ledger.dues() == {1: "2026-03-01", 2: "2026-02-02"}
    ledger.remember_also([2], Remembered(), None)
    assert ledger.dues()[2] == "2026-02-02"


def test_a_refused_address_is_remembered_by_its_fingerprint(ledger: Ledger, tmp_path: Path) -> None:
    ledger.email_refused("1", "mara.quill@example.com")
    assert list(ledger.remembered([1]).refused_emails) == ["1"]
    ledger.checkpoint()
    assert b"mara.quill" not in (tmp_path / "ledger.sqlite").read_bytes()


def test_records_that_wait(ledger: Ledger) -> None:
    row = Row("orders", 9001, "2026-01-01T00:00:00Z", b'{"id":"9001"}')
    ledger.keep([row])
    ledger.keep([row])
    assert list(ledger.kept_rows()) == [row]
    ledger.release([("orders", 9001)])
    assert ledger.kept() == []


def test_events_belong_to_their_customer(ledger: Ledger) -> None:
    event = cancellation()
    ledger.acknowledged(created("event", event), {("event", event.external_id): "17"})
    assert ledger.existing([int(event.customer_external_id)]).events == {event.external_id: event}
    assert ledger.uuid("event", event.external_id) == "17"
    ledger.gone("event", event.external_id)
    assert ledger.existing([int(event.customer_external_id)]).events == {}


def test_a_failed_write_leaves_nothing_half_written(ledger: Ledger) -> None:
    rows = [Row("orders", 1, None, b"{}"), Row("orders", 2, None, [])]  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error), ledger.transaction():
        ledger.keep(rows)
    assert ledger.kept() == []


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_ledger(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError):
        Ledger(path)
    store = LedgerStore(str(path))
    assert store.open().get("complete") is None
    store.close()
    (aside,) = tmp_path.glob("ledger.sqlite.damaged-*")
    assert aside.read_bytes() == content


def test_only_one_run_at_a_time(tmp_path: Path) -> None:
    first, second = LedgerStore(str(tmp_path / "l.sqlite")), LedgerStore(str(tmp_path / "l.sqlite"))
    first.open()
    with pytest.raises(LedgerInUseError):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_ledger_that_does_not_last_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = LedgerStore(None)
    store.open().put("complete", "1")
    store.close()
    assert list(tmp_path.iterdir()) == []
