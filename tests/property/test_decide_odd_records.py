"""Whatever Keap leaves out or fills with oddities, a record costs at most itself (rule 1.5): `decide` never fails."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.nodes import CATALOGUE_END
from target_chartmogul.billing.objects import SUBSCRIPTION
from target_chartmogul.sources.keap.ids import parse_event_id, parse_invoice_id, parse_plan_id
from target_chartmogul.sources.keap.source import KeapSource
from target_chartmogul.sources.protocol import Context, InvalidRecordError, StoredRecord
from tests.support.worked_accounts import Case, cases

CASES = [case for case in cases() if len(case.runs) == 2 or "11-" in case.id or "20-" in case.id]
ODD: list[Any] = [
    None,
    "",
    "0",
    0,
    -1,
    1.5,
    10**12,
    True,
    "1207",
    "no number",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "1899-12-31",
    "9999-12-31",
    "2026-02-30",
    [],
    {},
    "x" * 300,
    "DRAFT",
    "SUBSCRIPTION",
    "DISCOUNT_PRODUCT",
    "TAX",
    "KWD",
    "JPY",
    "XXX",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field of a record, but for its own id."""
    if isinstance(value, dict):
        for key, each in value.items():
            if (*path, key) != ("id",):
                yield (*path, key)
                yield from places(each, (*path, key))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield (*path, at)
            yield from places(each, (*path, at))


def put(record: Any, path: tuple[Any, ...], odd: Any) -> None:
    for step in path[:-1]:
        record = record[step]
    record[path[-1]] = odd


class Drawn(NamedTuple):
    """An account, and what is odd in it. Prints as the oddities alone."""

    case: Case
    runs: list[dict[str, list[dict[str, Any]]]]
    odd: list[tuple[int, str, str, tuple[Any, ...], Any]]

    def __repr__(self) -> str:
        return f"{self.case.id}: {self.odd}"


@st.composite
def oddities(draw: st.DrawFn) -> Drawn:
    case = CASES[draw(st.integers(0, len(CASES) - 1))]
    drawn = Drawn(case, [copy.deepcopy(run.keap) for run in case.runs], [])
    for number, keap in enumerate(drawn.runs):
        for _ in range(draw(st.integers(0, 6))):
            streams = [name for name, rows in sorted(keap.items()) if rows]
            stream = streams[draw(st.integers(0, len(streams) - 1))]
            record = keap[stream][draw(st.integers(0, len(keap[stream]) - 1))]
            fields = list(places(record))
            path = fields[draw(st.integers(0, len(fields) - 1))]
            odd = ODD[draw(st.integers(0, len(ODD) - 1))]
            put(record, path, copy.deepcopy(odd))
            drawn.odd.append((number, stream, str(record.get("id")), path, odd))
    return drawn


SOURCE = KeapSource()


def read(keap: dict[str, list[dict[str, Any]]]) -> list[StoredRecord]:
    """As a store has them; of what cannot be read nothing is known but that it exists."""
    found: dict[tuple[int, int], StoredRecord] = {}
    refused: list[str] = []
    for stream, rows in keap.items():
        number = SOURCE.streams.index(stream)
        for row in rows:
            try:
                record = SOURCE.read(stream, json.dumps(row).encode())
            except InvalidRecordError as error:
                known, payload = SOURCE.id_of(stream, row), None
                refused.append(str(error))
            else:
                known, payload = (record.number, None), record.payload
                assert set(record.links) == set(SOURCE.links_of(number, record.payload))
            if known is not None:
                found[number, known[0]] = StoredRecord(number, known[0], payload, gone=False, id_text=None)
    assert not any("@" in each for each in refused)
    return list(found.values())


def run(records: list[StoredRecord], before: Decision, settings: Any, now: datetime) -> Decision:
    catalogue = SOURCE.catalogue([each for each in records if each.stream < CATALOGUE_END], before.plans)
    held = Holdings(customers=before.customers, invoices=before.invoices, events=before.events)
    context = Context(settings=settings, now=now, complete_reads={"subscriptions": now})
    return SOURCE.decide(
        [each for each in records if each.stream >= CATALOGUE_END], held, before.memories, catalogue, context
    )


def assert_sound(decision: Decision, now: datetime) -> None:
    """What ChartMogul would take: ids that we form, lines and periods that belong together, nothing from the future."""
    for external_id, invoice in decision.invoices.items():
        assert parse_invoice_id(external_id)
        assert invoice.customer_external_id.isdigit()
        assert invoice.date <= now
        assert len({each.external_id for each in invoice.line_items}) == len(invoice.line_items)
        assert len({each.external_id for each in invoice.transactions}) == len(invoice.transactions)
        for line in invoice.line_items:
            assert len(line.description or "") <= 255
            if line.type == SUBSCRIPTION:
                assert line.subscription_external_id
                assert parse_plan_id(line.plan_external_id or "")
                assert line.service_period_start is not None
                assert line.service_period_end is not None
                assert line.service_period_start < line.service_period_end
        for each in invoice.transactions:
            assert each.amount_in_cents > 0
            assert each.date <= now
    for external_id, event in decision.events.items():
        assert parse_event_id(external_id)
        assert event.customer_external_id in {invoice.customer_external_id for invoice in decision.invoices.values()}
    for note in decision.notes:
        assert "@" not in json.dumps(note.detail, default=str)
    for each in (*decision.rejects, *decision.waiting):
        assert "@" not in each.reason


@examples(max_examples=150, deadline=None)
@given(oddities())
def test_rule_1_5_odd_records_cost_themselves_at_most(drawn: Drawn) -> None:
    before = Decision(memories=[])
    for run_of, keap in zip(drawn.case.runs, drawn.runs, strict=True):
        records, now = read(keap), run_of.now + timedelta(minutes=1)
        decision = run(records, before, run_of.mapping, now)
        assert_sound(decision, now)
        again = run(records, decision, run_of.mapping, now)
        assert (again.invoices, again.customers, again.events) == (
            decision.invoices,
            decision.customers,
            decision.events,
        )
        assert again.memories == decision.memories
        before = decision


@pytest.mark.parametrize("stream", ["orders", "subscriptions", "contacts"])
def test_rule_1_5_what_cannot_be_read_is_not_gone(stream: str) -> None:
    case = next(case for case in CASES if case.id == "08-moved-subscription")
    given = case.runs[0]
    first = run(read(given.keap), Decision(memories=[]), given.mapping, given.now)
    broken = copy.deepcopy(given.keap)
    for row in broken[stream]:
        row["contact_id" if stream == "subscriptions" else "create_time"] = row["order_time"] = {"odd": 1}
    records = read(broken)
    assert any(each.payload is None for each in records)
    second = run(records, first, given.mapping, given.now)
    assert (second.invoices, second.customers, second.events) == (first.invoices, first.customers, first.events)
