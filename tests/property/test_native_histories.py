"""Native rows that arrive in any pieces and any order end as one full run does (rules 1.1, 1.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED
from target_chartmogul.sources.protocol import Context
from tests.support.native_records import SOURCE, stored
from tests.support.native_rows import cancellation, customer, invoice, line_item, payment, plan, transaction

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CUSTOMERS, INVOICES, LINES, MONEY, ENDS = (
    [f"{kind}{number}" for number in range(3)] for kind in ("c", "i", "l", "t", "e")
)
CATALOGUE = SOURCE.catalogue([stored("plans", plan())], {})
Snapshot = dict[tuple[str, str], dict[str, Any]]


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """What a billing system holds at one time: every line and transaction is in one invoice at most."""
    rows: Snapshot = {("customers", each): customer(each, name=draw(st.sampled_from("AB"))) for each in CUSTOMERS}
    homes = {each: draw(st.sampled_from(INVOICES)) for each in LINES}
    nested = {each: draw(st.sampled_from([*INVOICES, "stream", None])) for each in MONEY}
    for name in INVOICES:
        lines = [line_item(each, subscription_external_id=name) for each in LINES if homes[each] == name]
        money = [payment(each, amount_in_cents=1) for each in MONEY if nested[each] == name]
        rows["invoices", name] = invoice(
            name,
            draw(st.sampled_from(CUSTOMERS)),
            date=draw(st.sampled_from(["2026-01-05", "2026-02-05", "2026-06-03"])),
            line_items=[*lines, {"type": "one_time", "external_id": f"{name}-fee", "amount_in_cents": 1}],
            transactions=money,
        )
        streamed = [each for each in MONEY if nested[each] == "stream" and not money]
        for each in streamed:
            rows.setdefault(("transactions", each), transaction(each, name, amount_in_cents=1))
    for each in ENDS:
        day = draw(st.sampled_from(["2026-03-01", "2026-06-02", "2026-07-01", None]))
        owner = draw(st.sampled_from(CUSTOMERS))
        rows["subscription_cancellations", each] = cancellation(day, owner, external_id=each)
    return rows


def decided(rows: Snapshot, gone: Snapshot, held: Holdings, now: datetime) -> Decision:
    records = [stored(stream, row, gone=is_gone) for shelf, is_gone in ((rows, False), (gone, True))
               for (stream, _), row in shelf.items()]  # fmt: skip
    context = Context(settings=SimpleNamespace(hard_delete=True), now=now)
    return SOURCE.decide(records, held, [], CATALOGUE, context)


def holdings(decision: Decision) -> Holdings:
    return Holdings(customers=decision.customers, invoices=decision.invoices, events=decision.events)


def shown(decision: Decision) -> Any:
    """Without the order of transactions, and when a cancellation to come was first seen (6.1)."""
    return (
        decision.customers,
        {
            key: msgspec.structs.replace(
                each, transactions=tuple(sorted(each.transactions, key=lambda x: x.external_id))
            )
            for key, each in decision.invoices.items()
        },
        {
            key: msgspec.structs.replace(each, event_date=each.effective_date)
            if each.event_type == CANCELLATION_SCHEDULED
            else each
            for key, each in decision.events.items()
        },
    )


@settings(deadline=None, max_examples=150)
@given(st.lists(snapshots(), min_size=1, max_size=4), st.data())
def test_rule_1_2_any_history_ends_like_one_full_run(history: list[Snapshot], data: st.DataObject) -> None:
    store: Snapshot = {}
    gone: Snapshot = {}
    held = Holdings()
    now = NOW
    for snapshot in history:
        arriving = data.draw(st.permutations(sorted(snapshot)))
        cut = data.draw(st.integers(0, len(arriving)))
        for part in (arriving[:cut], arriving[cut:]):
            for key in part:
                store[key] = snapshot[key]
                gone.pop(key, None)
            held = holdings(decided(store, gone, held, now))
        for key in store.keys() - snapshot.keys():
            gone[key] = store.pop(key)
        now += timedelta(hours=8)
    now = NOW + timedelta(days=4)  # an invoice that moves to a day to come stays as it was until then
    last = decided(store, gone, held, now)
    assert last.rejects == []
    assert shown(last) == shown(decided(store, {}, Holdings(), now))
    assert shown(decided(store, gone, holdings(last), now)) == shown(last)
