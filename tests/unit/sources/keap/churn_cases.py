"""Short spellings for tables of §6: one subscription `1` of contact 7, monthly, orders at noon UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from target_chartmogul.billing.calendar import Interval, plus
from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import (
    CANCELLATION_SCHEDULED,
    CANCELLED,
    Invoice,
    LineItem,
    SubscriptionEvent,
    Transaction,
)
from target_chartmogul.sources.keap.account import Account, Memories
from target_chartmogul.sources.keap.cancellations.cancellations import Ended, EventDecider
from target_chartmogul.sources.keap.cancellations.events_decision import EventsDecision
from target_chartmogul.sources.keap.records import Subscription
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.support.billing_objects import bare_invoice

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


def at(text: str) -> datetime:
    """`2026-03-10` is noon of that day, in UTC; with a time it is that time."""
    return datetime.fromisoformat(text + ("T12:00:00+00:00" if len(text) == 10 else "+00:00"))


def subscription(active: bool | None = False, **fields: Any) -> Subscription:
    dates = {name: date.fromisoformat(fields.pop(name)) for name in list(fields) if name.endswith("_date")}
    modified = fields.pop("modified", None)
    values = {"id": "1", "contact_id": "7", "product_id": "31", "billing_cycle": "MONTH"} | fields
    return Subscription(active=active, modification_time=at(modified) if modified else None, **values, **dates)


def order(
    start: str,
    *,
    paid: str | None = "same",
    failed: tuple[str, ...] = (),
    refunded: str | None = None,
    refund: int | None = None,
    of: str = "1",
    amount: int = 4900,
    plan: str = "31-7-1month",
    number: str | None = None,
    customer: str = "7",
) -> Invoice:
    """An order whose one line begins at `start`; `paid` is the day of its payment, None for none."""
    begins = at(start)
    number = number or f"{begins:%y%m%d}{of}"
    count, unit = (3, "month") if plan.endswith("3month") else (1, "month")
    line = LineItem(
        external_id=f"{number}-1",
        type="subscription",
        amount_in_cents=amount,
        subscription_external_id=of,
        plan_external_id=plan,
        service_period_start=begins,
        service_period_end=plus(begins, Interval(count, unit)),
    )
    moves = [
        Transaction(
            external_id=f"{number}-failed-{i}",
            type="payment",
            result="failed",
            date=at(day),
            amount_in_cents=amount,
        )
        for i, day in enumerate(failed)
    ]
    if paid is not None:
        when = begins + timedelta(seconds=3) if paid == "same" else at(paid)
        moves.append(_move(number, "payment", when, amount))
    if refunded is not None:
        moves.append(_move(number, "refund", at(refunded), amount if refund is None else refund))
    return bare_invoice(
        external_id=number,
        customer_external_id=customer,
        date=begins,
        currency="USD",
        line_items=(line,),
        transactions=tuple(moves),
    )


def _move(number: str, kind: str, when: datetime, amount: int) -> Transaction:
    return Transaction(
        external_id=f"{kind}-{number}", type=kind, result="successful", date=when, amount_in_cents=amount
    )


def written(day: str, *, kind: str = "cancelled", of: str = "1", customer: str = "7") -> SubscriptionEvent:
    """A cancellation that this target wrote earlier, at midnight."""
    midnight = at(f"{day}T00:00:00")
    return SubscriptionEvent(
        external_id=f"{of}-{kind}-{day}",
        event_type=CANCELLED if kind == "cancelled" else CANCELLATION_SCHEDULED,
        customer_external_id=customer,
        subscription_external_id=of,
        event_date=midnight if kind == "cancelled" else at("2026-01-01"),
        effective_date=midnight,
    )


def decided(
    records: Subscription | list[Subscription] | None,
    invoices: list[Invoice],
    *,
    earlier: list[SubscriptionEvent] | None = None,
    sources: dict[str, str] | None = None,
    first_seen: dict[str, str] | None = None,
    ended_by_refund: dict[str, Ended] | None = None,
    gone: bool = True,
    unreadable: frozenset[str] = frozenset(),
    now: datetime = NOW,
    **settings: Any,
) -> EventsDecision:
    """§6 on these records; a subscription of which there is none is gone, unless it says otherwise."""
    rows = [] if records is None else records if isinstance(records, list) else [records]
    account = Account(
        subscriptions={str(each.id): each for each in rows},
        subscriptions_complete=gone,
        unreadable={"subscriptions": unreadable},
        holdings=Holdings(events={each.external_id: each for each in earlier or []}),
        memories=Memories(cancellation_sources=sources or {}, first_seen=first_seen or {}),
    )
    return EventDecider(
        account,
        {str(each.id): str(each.contact_id) for each in rows},
        {each.external_id: each for each in invoices},
        first_orders={},
        ended_by_refund=ended_by_refund or {},
        settings=MappingSettings(**settings),
        now=now,
    ).decide()


def again(before: EventsDecision, record: Subscription, invoices: list[Invoice], **settings: Any) -> EventsDecision:
    """The next run, with the store of an earlier one."""
    earlier = list(before.events.values())
    return decided(record, invoices, earlier=earlier, sources=before.sources, first_seen=before.first_seen, **settings)


def events(decision: EventsDecision) -> dict[str, str]:
    """Id -> effective time without `+00:00`, midnight as the date alone."""
    return {
        each: event.effective_date.isoformat().removesuffix("+00:00").removesuffix("T00:00:00")
        for each, event in sorted(decision.events.items())
    }


def why(decision: EventsDecision, event: str) -> tuple[str, str]:
    """Rule and source of an event, as the report tells them."""
    found = [n for n in decision.notes if n.id == event and n.kind in {"cancellations", "scheduled_cancellations"}]
    assert len(found) == 1
    return found[0].rule, found[0].detail["source"]


def listed(decision: EventsDecision, kind: str) -> list[str]:
    """Ids in one list of the report."""
    return [note.id for note in decision.notes if note.kind == kind]
