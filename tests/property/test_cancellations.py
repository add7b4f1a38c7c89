"""What holds for the cancellations of any history of a subscription (rules 1.1, 1.3, 4.9, 6.1 to 6.7)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from target_chartmogul.billing.calendar import day_of, midnight
from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, CANCELLED, Invoice
from target_chartmogul.sources.keap.account import Account, Memories
from target_chartmogul.sources.keap.cancellations.cancellations import EventDecider
from target_chartmogul.sources.keap.cancellations.churn_date import ONE_SECOND
from target_chartmogul.sources.keap.cancellations.events_decision import EventsDecision
from target_chartmogul.sources.keap.ids import parse_event_id
from target_chartmogul.sources.keap.records import Subscription
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.unit.sources.keap.churn_cases import order, subscription

FIRST = date(2026, 1, 1)
days = st.integers(0, 240).map(lambda number: FIRST + timedelta(days=number))
maybe_day = st.none() | days


@st.composite
def orders(draw: Any, of: str) -> list[Invoice]:
    """Up to six orders of a subscription: paid at once, late or never, with failed attempts and refunds."""
    starts = sorted(draw(st.sets(days, min_size=1, max_size=6)))
    found = []
    for start in starts:
        late = draw(st.none() | st.just(0) | st.integers(1, 40))
        failed = draw(st.lists(st.integers(0, 20), max_size=2))
        paid = None if late is None else (start + timedelta(days=late)).isoformat()
        refunded = draw(st.booleans()) and draw(st.booleans()) and paid is not None
        found.append(
            order(
                start.isoformat(),
                of=of,
                paid=paid if late else ("same" if late == 0 else None),
                failed=tuple((start + timedelta(days=each)).isoformat() for each in failed),
                refunded=(start + timedelta(days=41)).isoformat() if refunded else None,
                refund=draw(st.sampled_from([100, 4900])) if refunded else None,
                plan=draw(st.sampled_from(["31-7-1month", "31-8-3month"])),
            )
        )
    return found


@st.composite
def records(draw: Any, of: str) -> Subscription:
    """A subscription as Keap may show it, consistent or not."""
    fields: dict[str, Any] = {
        name: value.isoformat()
        for name in ("end_date", "next_bill_date", "last_bill_date")
        if (value := draw(maybe_day)) is not None
    }
    modified = draw(maybe_day)
    if modified is not None:
        fields["modified"] = modified.isoformat()
    cycle = draw(st.sampled_from(["MONTH", "WEEK", "YEAR", None]))
    owner = draw(st.sampled_from(["7", "8"]))
    return subscription(draw(st.booleans()), id=of, billing_cycle=cycle, contact_id=owner, **fields)


mappings = st.builds(
    MappingSettings,
    date_timezone=st.sampled_from(["UTC", "America/Los_Angeles", "Pacific/Auckland"]),
    churn_fallback=st.sampled_from(["next_bill_date", "paid_through", "last_bill_date", "modified"]),
    late_payment=st.sampled_from(["erase_cancellation", "ignore"]),
    plan_change=st.sampled_from(["separate", "switch"]),
)


@st.composite
def histories(draw: Any) -> tuple[MappingSettings, list[tuple[datetime, list[Subscription], list[Invoice]]]]:
    """Up to four moments; invoices appear when they have begun, a record may be gone."""
    invoices = [*draw(orders("1")), *draw(orders("2"))]
    moments = sorted(draw(st.sets(days, min_size=1, max_size=4)))
    runs = []
    for day in moments:
        now = datetime.combine(day, time(8), UTC)
        rows = [draw(records(each)) for each in ("1", "2") if draw(st.integers(0, 9))]
        runs.append((now, rows, [_until(each, now) for each in invoices if each.date <= now]))
    return draw(mappings), runs


def _until(invoice: Invoice, now: datetime) -> Invoice:
    moves = tuple(each for each in invoice.transactions if each.date <= now)
    return type(invoice)(
        **{name: getattr(invoice, name) for name in invoice.__struct_fields__} | {"transactions": moves}
    )


def decided(
    run: tuple[datetime, list[Subscription], list[Invoice]],
    before: EventsDecision,
    mapping: MappingSettings,
    *,
    backwards: bool = False,
) -> EventsDecision:
    now, rows, invoices = run
    step = -1 if backwards else 1
    account = Account(
        subscriptions={str(each.id): each for each in rows[::step]},
        subscriptions_complete=True,
        holdings=Holdings(events=dict(list(before.events.items())[::step])),
        memories=Memories(cancellation_sources=before.sources, first_seen=before.first_seen),
    )
    return EventDecider(
        account,
        {str(each.id): str(each.contact_id) for each in rows},
        {each.external_id: each for each in invoices[::step]},
        first_orders={},
        ended_by_refund={},
        settings=mapping,
        now=now,
    ).decide()


@given(histories())
@examples(max_examples=60, deadline=None)
def test_rules_1_1_and_1_3_stable_and_without_order(history: Any) -> None:
    mapping, runs = history
    held = EventsDecision()
    for run in runs:
        decision = decided(run, held, mapping)
        assert decided(run, held, mapping, backwards=True).events == decision.events
        again = decided(run, decision, mapping)
        assert again == msgspec.structs.replace(decision, notes=again.notes)
        held = decision


@given(histories())
@examples(max_examples=60, deadline=None)
def test_rules_6_2_and_6_3_what_every_event_is(history: Any) -> None:
    mapping, runs = history
    held = EventsDecision()
    for run in runs:
        now, rows, invoices = run
        decision = decided(run, held, mapping)
        active = {str(each.id): each for each in rows}
        starts: dict[str, list[datetime]] = {}
        for invoice in invoices:
            for line in invoice.line_items:
                starts.setdefault(str(line.subscription_external_id), []).append(invoice.date)
        scheduled: list[str] = []
        for external_id, event in decision.events.items():
            parsed = parse_event_id(external_id)
            assert parsed is not None
            of, kind, day = parsed
            assert of == event.subscription_external_id
            assert of in starts
            assert (kind == "scheduled") == (event.event_type == CANCELLATION_SCHEDULED)
            if event.event_type == CANCELLED:
                assert event.effective_date <= now
                assert event.event_date == event.effective_date
            else:
                assert event.effective_date > now >= event.event_date
                scheduled.append(of)
            if of in active:
                assert event.customer_external_id == active[of].contact_id
            assert day == day_of(event.effective_date, mapping.zone)
            exact = {midnight(day, mapping.zone)} | {each + ONE_SECOND for each in starts[of]}
            assert event.effective_date in exact | {each for found in starts.values() for each in found}
        assert len(scheduled) == len(set(scheduled))
        assert decision.next_due == min(
            (each.effective_date for each in decision.events.values() if each.event_type == CANCELLATION_SCHEDULED),
            default=None,
        )
        held = decision


@given(histories())
@examples(max_examples=60, deadline=None)
def test_rule_6_2_nothing_starts_after_the_end_of_an_inactive_subscription(history: Any) -> None:
    mapping, runs = history
    held = EventsDecision()
    for run in runs:
        _, rows, invoices = run
        held = decided(run, held, mapping)
        gone_or_inactive = {"1", "2"} - {str(each.id) for each in rows if each.active}
        for of in gone_or_inactive:
            starts = [each.date for each in invoices if each.line_items[0].subscription_external_id == of]
            ends = [each.effective_date for each in held.events.values() if each.subscription_external_id == of]
            if starts:
                assert ends
                assert max(ends) > max(starts)


@given(histories(), st.integers(1, 400))
@examples(max_examples=60, deadline=None)
def test_rule_6_3_time_alone_turns_scheduled_ones_into_cancellations(history: Any, later: int) -> None:
    mapping, runs = history
    held = EventsDecision()
    for run in runs:
        held = decided(run, held, mapping)
    now, rows, invoices = runs[-1]
    then = now + timedelta(days=later)
    after = decided((then, rows, invoices), held, mapping)

    def dates(decision: EventsDecision) -> set[tuple[str, datetime]]:
        return {(each.subscription_external_id, each.effective_date) for each in decision.events.values()}

    assert dates(after) == dates(held)
    if held.next_due is None or held.next_due > then:
        assert after.events == held.events
