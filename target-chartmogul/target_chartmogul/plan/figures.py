"""The figures of an account, as steps that are added up over all accounts (rules 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from target_chartmogul.billing.changes import ChartMogulObject, Kind
from target_chartmogul.billing.decisions import Decision, Note
from target_chartmogul.billing.mrr import Paths, Step, current_step, moves_of, subscription_steps, unpaid_mrr
from target_chartmogul.billing.objects import Customer, Invoice, Plan, SubscriptionEvent

Steps = list[tuple[str, str, str, int]]
"""Instant in UTC, currency, name of the figure and by how much it changes there."""
UNPAID: Final = "unpaid_mrr"
"""MRR that rests on an unpaid invoice; its instant is since when the invoice is due."""
_CANCELLATIONS: Final = ("cancellations", "scheduled_cancellations")
SUBSCRIPTIONS: Final = "subscriptions"
"""Subscriptions with MRR."""


def account_figures(
    invoices: Iterable[Invoice],
    events: Iterable[SubscriptionEvent],
    plans: Mapping[str, Plan],
    owner_node: Callable[[Kind, ChartMogulObject], int | None],
    now: datetime,
) -> list[tuple[int, Steps]]:
    """By the node of each customer: the steps of its figures, those to come included.

    Args:
        invoices: of an account.
        events: of the same account.
        plans: by external id.
        owner_node: the node of a customer.
        now: the clock of the run, aware; what is unpaid is judged then.
    """
    paths = list(subscription_steps(invoices, events, plans))
    by_customer: dict[str, Steps] = {}
    for move in moves_of(paths):
        steps = by_customer.setdefault(move.customer, [])
        steps += [(_text(move.at), move.currency, name, delta) for name, delta in move.figures() if delta]
    for customer, currency, at, delta in _subscriptions(paths):
        by_customer.setdefault(customer, []).append((_text(at), currency, SUBSCRIPTIONS, delta))
    for unpaid in unpaid_mrr(paths, now):
        by_customer.setdefault(unpaid.customer, []).append((_text(unpaid.since), unpaid.currency, UNPAID, unpaid.mrr))
    by_node = []
    for customer, steps in sorted(by_customer.items()):
        owner = owner_node("customer", Customer(external_id=customer))
        if owner is not None:
            by_node.append((owner, steps))
    return by_node


def notes_with_mrr(decision: Decision, plans: Mapping[str, Plan]) -> list[Note]:
    """The notes of a decision; those about a cancellation with the MRR that ends with it (rule 7.1).

    Args:
        decision: with all invoices and events of an account.
        plans: by external id.
    """
    if not decision.events:
        return decision.notes
    lines = {
        (customer, each): steps for customer, each, steps in subscription_steps(decision.invoices.values(), (), plans)
    }
    return [
        _with_mrr(note, decision, lines) if note.kind.startswith(_CANCELLATIONS) else note for note in decision.notes
    ]


def _with_mrr(note: Note, decision: Decision, lines: Mapping[tuple[str, str], list[Step]]) -> Note:
    event = decision.events.get(note.id)
    if event is None:
        return note
    key = (event.customer_external_id, event.subscription_external_id)
    step = current_step(lines.get(key, ()), event.effective_date)
    ends = {"mrr": step.mrr if step else 0, "currency": step.currency if step else None}
    return msgspec.structs.replace(note, detail={**note.detail, **ends})


def _subscriptions(paths: Paths) -> Iterable[tuple[str, str, datetime, int]]:
    for customer, _, steps in paths:
        held = ""
        for step in steps:
            now = step.currency if step.mrr else ""
            if held and held != now:
                yield customer, held, step.at, -1
            if now and held != now:
                yield customer, now, step.at, 1
            held = now


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
