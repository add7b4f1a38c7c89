"""Lanes without a network: what blocks what, and what ends the work."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from target_chartmogul.apply.lanes import Applier
from target_chartmogul.apply.sender import Sent
from target_chartmogul.chartmogul.errors import ClosedForLongError, RefusedError, UnreachableError
from target_chartmogul.chartmogul.wire import Wire
from tests.support.billing_objects import cancellation, customer, invoice, line
from tests.support.memory_journal import MemoryJournal, create, delete, root_of, update


class Lanes:
    """An applier whose sends fail as a table says, by external id."""

    def __init__(self, monkeypatch, failing, root_of=root_of, workers=1):
        self.sent = []
        self.journal = MemoryJournal()
        client = SimpleNamespace(stop=threading.Event(), host="chartmogul.test")
        self.applier = Applier(client, Wire("", "ds_1"), self.journal, root_of, workers=workers)

        def send(change):
            self.sent.append((change.action, change.external_id))
            if (trouble := failing.get(change.external_id)) is not None:
                raise trouble
            return Sent(change)

        monkeypatch.setattr(self.applier, "_send", send)

    def run(self, *lanes):
        self.applier.apply_lanes(enumerate(lanes))


REFUSED = RefusedError(422, {"currency": "bad"})
LOST = UnreachableError("no answer")


def test_an_invoice_stays_until_its_successor_is_taken(monkeypatch):
    """Rule 2.1: which invoices belong together is the source's to say."""
    lane = [delete("invoice", invoice("500"), moved=True), create("invoice", invoice("500-c2", 2))]
    lane += [delete("invoice", invoice("700"))]
    lanes = Lanes(monkeypatch, {"500-c2": REFUSED})
    lanes.run(lane)
    assert lanes.sent == [("create", "500-c2"), ("delete", "700")]
    assert lanes.journal.refused_ids() == ["500", "500-c2"]
    apart = Lanes(monkeypatch, {"500-c2": REFUSED}, root_of=lambda _, external_id: external_id)
    apart.run(lane)
    assert ("delete", "500") in apart.sent


def test_a_scheduled_cancellation_stays_until_its_successor_is_taken(monkeypatch):
    """Rule 6.3."""
    scheduled = cancellation(day="2025-05-01", event_type="subscription_cancellation_scheduled")
    other = cancellation("902", day="2025-05-01")
    due = cancellation()
    lanes = Lanes(monkeypatch, {due.external_id: REFUSED})
    lanes.run([create("event", due), delete("event", scheduled), delete("event", other)])
    assert lanes.sent == [("create", due.external_id), ("delete", other.external_id)]


@pytest.mark.parametrize("answered", [REFUSED, None])
def test_objects_without_an_answer_end_the_work_only_in_a_row(monkeypatch, answered):
    failing = {**{str(n): LOST for n in (1, 2, 4, 5)}, "3": answered}
    lanes = Lanes(monkeypatch, failing)
    lanes.run(*([update("customer", customer(n), city="Mesa")] for n in range(1, 7)))
    assert lanes.journal.lanes[5] is True
    three = Lanes(monkeypatch, failing | {"3": LOST})
    with pytest.raises(UnreachableError, match="no answer"):
        three.run(*([update("customer", customer(n), city="Mesa")] for n in range(1, 7)))
    assert [external_id for _, external_id in three.sent] == ["1", "2", "3"]
    assert set(three.journal.intents) == {("customer", "1"), ("customer", "2"), ("customer", "3")}


def test_what_is_not_sent_names_what_was_refused(monkeypatch):
    """Rule 1.5: that is to be corrected, or accepted."""
    bill = create("invoice", invoice("500"))
    event = create("event", cancellation())
    lanes = Lanes(monkeypatch, {"1": REFUSED})
    lanes.run([create("customer", customer(1)), bill, event])
    assert lanes.sent == [("create", "1")]
    causes = [refusal.because_of and refusal.because_of.kind for _, refusal in lanes.journal.refusals]
    assert causes == [None, "customer", "customer"]


def test_the_parts_of_an_invoice_are_one_object(monkeypatch):
    lanes = Lanes(monkeypatch, {f"500-{n}": LOST for n in range(1, 9)})
    lanes.run([update("line_item", line("500", n), amount_in_cents=1, parent="500") for n in range(1, 9)], [])
    assert len(lanes.journal.refusals) == 8


def test_a_long_pause_ends_the_work_at_once(monkeypatch):
    lanes = Lanes(monkeypatch, {"2": ClosedForLongError("until next year")})
    with pytest.raises(ClosedForLongError):
        lanes.run(*([update("customer", customer(n), city="Mesa")] for n in range(1, 7)))
    assert len(lanes.sent) == 2
    assert not lanes.journal.refusals


@pytest.mark.parametrize(("given", "ends"), [(0, True), (2, False)])
def test_a_system_that_starts_no_more_threads(monkeypatch, given, ends):
    lanes = Lanes(monkeypatch, {}, workers=12)
    start, started = threading.Thread.start, []

    def few(thread):
        if len(started) == given:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    if ends:
        with pytest.raises(UnreachableError, match="starts no more threads"):
            lanes.run([create("customer", customer(1))])
    else:
        lanes.run(*([create("customer", customer(n))] for n in range(200)))
        assert len(lanes.sent) == 200
