"""What decisions leave: marks, notes with the day since when, figures that add up, memories (rules 1.5, 7.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_chartmogul.billing.nodes import node
from target_chartmogul.store.outcomes import Figure, Memory, Note
from target_chartmogul.store.store import Store
from tests.unit.store.source import CONTACT, ORDER, open_store, put

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
A, B, ORDER_70 = node(CONTACT, 1), node(CONTACT, 2), node(ORDER, 70)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def test_an_account_is_decided_again_on_its_day(store: Store) -> None:
    put(store, CONTACT, 1)
    store.finish_first_read()
    store.outcomes.finish([A], now=NOW, due=[(A, "2026-11-30T09:00:00Z", "dated")])
    assert list(store.accounts.due(LATER - timedelta(seconds=1))) == []
    assert [account.nodes for account in store.accounts.due(LATER)] == [[A]]
    store.outcomes.finish([A], now=LATER)
    assert list(store.outcomes.marks()) == []


def test_a_note_keeps_the_day_on_which_it_was_found(store: Store) -> None:
    note = Note(ORDER_70, "waiting", "orders:70", "4.2", b'{"reason":"a"}')
    store.outcomes.finish([A, ORDER_70], now=NOW, notes=[note, note._replace(kind="remark")])
    store.outcomes.finish([A, ORDER_70], now=LATER, notes=[note._replace(detail=b'{"reason":"b"}')])
    assert list(store.outcomes.notes()) == [note._replace(detail=b'{"reason":"b"}', since="2026-11-27T09:00:00Z")]
    assert store.outcomes.note_counts() == {"waiting": 1}
    assert list(store.outcomes.notes("remark")) == []
    assert list(store.outcomes.notes("waiting", nodes=[A])) == []
    assert len(list(store.outcomes.notes("waiting", nodes=[ORDER_70]))) == 1


def test_a_note_stays_with_its_record_when_accounts_part(store: Store) -> None:
    notes = [Note(A, "waiting", "1", "", b"{}"), Note(B, "waiting", "2", "", b"{}")]
    store.outcomes.finish([A, B], now=NOW, notes=notes)
    store.outcomes.finish([A], now=LATER)
    assert [note.id for note in store.outcomes.notes()] == ["2"]
    store.outcomes.finish([B], now=LATER, notes=notes[1:])
    assert [note.since for note in store.outcomes.notes()] == ["2026-11-27T09:00:00Z"]


def test_memories_are_added_before_and_replaced_after(store: Store) -> None:
    put(store, CONTACT, 1)
    old, new = Memory(A, "source", "5-cancelled", b'"end_date"'), Memory(A, "source", "5-cancelled", b'"bill"')
    other = Memory(A, "first seen", "1", b'"2026-11-27"')
    store.outcomes.finish([A], now=NOW, memories=[old, other])
    store.outcomes.remember([new])
    assert store.accounts.account(A).memories == [other, new]
    assert list(store.outcomes.memories("source")) == [new]
    store.outcomes.finish([A], now=NOW, memories=[new])
    assert store.accounts.account(A).memories == [new]


def test_the_running_month_counts_until_now(store: Store) -> None:
    steps = [
        Figure("2026-10-01T00:00:00Z", "USD", "mrr", 1000),
        Figure("2026-11-27T08:59:59Z", "USD", "mrr", 500),
        Figure("2026-11-27T09:00:01Z", "USD", "mrr", -1500),
        Figure("2026-12-01T00:00:00Z", "EUR", "mrr", 7),
    ]
    store.outcomes.finish([A], now=NOW, figures={A: steps})
    assert store.outcomes.totals(NOW) == {("2026-10", "USD", "mrr"): 1000, ("2026-11", "USD", "mrr"): 500}
    assert store.outcomes.totals() == {
        ("2026-10", "USD", "mrr"): 1000,
        ("2026-11", "USD", "mrr"): -1000,
        ("2026-12", "EUR", "mrr"): 7,
    }
    assert store.outcomes.figures(A) == steps
    assert store.outcomes.figures(B) == []


_STEPS = st.lists(
    st.builds(
        Figure,
        st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-02"]),
        st.sampled_from(["USD", "EUR"]),
        st.sampled_from(["mrr", "customers"]),
        st.integers(-3, 3),
    ),
    max_size=4,
)
_DECISIONS = st.lists(
    st.tuples(st.sets(st.integers(1, 4), min_size=1), st.dictionaries(st.integers(1, 4), _STEPS)), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(_DECISIONS, st.booleans())
def test_totals_are_the_sum_over_all_accounts(decisions, together: bool) -> None:
    with TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        held: dict[int, list[Figure]] = {}

        def finish() -> None:
            for contacts, figures in decisions:
                own = {contact: steps for contact, steps in figures.items() if contact in contacts}
                for contact in contacts:
                    held[contact] = own.get(contact, [])
                nodes = sorted(node(CONTACT, contact) for contact in contacts)
                store.outcomes.finish(nodes, now=NOW, figures={node(CONTACT, each): own[each] for each in own})

        if together:
            with store.outcomes.together():
                finish()
        else:
            finish()
        wanted: Counter[tuple[str, str, str]] = Counter()
        for steps in held.values():
            for at, currency, name, delta in steps:
                wanted[at[:7], currency, name] += delta
        found = store.outcomes.totals()
        assert {key: value for key, value in found.items() if value} == {key: n for key, n in wanted.items() if n}
        assert store._file.rows("SELECT 1 FROM total WHERE value = 0") == []
        store.close()


def test_what_is_finished_together_is_there_as_one_or_not_at_all(store: Store) -> None:
    def fail() -> None:
        with store.outcomes.together():
            store.outcomes.finish([A], now=NOW, figures={A: [Figure("2026-01", "USD", "mrr", 5)]})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.outcomes.totals() == {}
    assert store.outcomes.figures(A) == []


def test_the_same_outcome_writes_nothing(store: Store) -> None:
    def finish() -> None:
        store.outcomes.finish(
            [A, ORDER_70],
            now=NOW,
            due=[(A, "2026-12-01T00:00:00Z", "dated")],
            notes=[Note(ORDER_70, "remark", "70", "4.2", b"{}")],
            figures={A: [Figure("2026-11", "USD", "mrr", 5)]},
            memories=[Memory(A, "first seen", "1", b'"2026-11-27"')],
            accepted=[A, ORDER_70],
        )

    finish()
    store.as_saved()
    finish()
    assert not store.changed
