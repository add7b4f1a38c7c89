"""MRR movements of customers: new business, reactivation, expansion, contraction, churn (fact sheet §8).

The kind of a movement is judged on the customer's whole MRR, not on the subscription's.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from sandbox.chartmogul.customers import Customers
from sandbox.chartmogul.mrr import Step
from sandbox.chartmogul.records import Customer, Plan, Subscription
from sandbox.chartmogul.state import State

KINDS = ("new_biz", "reactivation", "expansion", "contraction", "churn")


@dataclass(slots=True)
class Movement:
    """`change` and the customer's `total` after it are hundredths of the account's currency."""

    at: int
    change: int
    total: int
    kind: str
    customer: Customer
    subscription: Subscription
    plan: Plan | None
    index: int


class Movements:
    """All movements, future ones included; computed anew when the content has changed."""

    def __init__(self, state: State, customers: Customers) -> None:
        self._state = state
        self._customers = customers
        self._version: tuple[object, int] | None = None
        self._all: list[Movement] = []

    def all(self) -> list[Movement]:
        """Of all customers, in time."""
        store = self._state.store
        if self._version != (store, store.version):
            found = [movement for customer in store.customers for movement in self.of(customer)]
            found.sort(key=attrgetter("at"))
            self._all, self._version = found, (store, store.version)
        return self._all

    def of(self, customer: Customer) -> list[Movement]:
        steps: list[tuple[int, bool, int, Subscription, Step, int]] = []
        for subscription in customer.subscriptions.values():
            timeline = self._state.mrr.timeline(subscription)
            steps += [
                (step.at, step.line is None, subscription.seq, subscription, step, index)
                for index, step in enumerate(timeline)
            ]
        # Of one instant purchases come first: a change of plan is no churn.
        steps.sort(key=lambda entry: entry[:3])
        return self._judge(customer, steps)

    def _judge(self, customer: Customer, steps: list[tuple[int, bool, int, Subscription, Step, int]]) -> list[Movement]:
        found: list[Movement] = []
        current: dict[int, int] = {}
        plans: dict[int, Plan | None] = {}
        total, rise_at, rise_kind = 0, None, "new_biz"
        for at, _, seq, subscription, step, index in steps:
            if step.line:
                plans[seq] = step.line.plan
            amount = self._customers.converted(step.mrr, step.currency)
            change = amount - current.get(seq, 0)
            if not change:
                continue
            current[seq] = amount
            before, total = total, total + change
            if before <= 0 < total:
                rise_kind = "new_biz" if rise_at is None else "reactivation"
                rise_at, kind = at, rise_kind
            elif total <= 0 < before:
                kind = "churn"
            elif change > 0:
                kind = rise_kind if at == rise_at else "expansion"
            else:
                kind = "contraction"
            found.append(Movement(at, change, total, kind, customer, subscription, plans.get(seq), index))
        return found
