"""Figures of the whole account, from what ChartMogul holds as the ledger knows it (rule 7.2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.mrr import MrrTable, Paths, Step, current_step
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, SubscriptionEvent
from target_chartmogul.sources.keap.account import Remembered


class Totals(msgspec.Struct, kw_only=True):
    """How much there is at `now`."""

    customers: int = 0
    customers_with_mrr: int = 0
    subscriptions_with_mrr: int = 0
    invoices: int = 0
    cancellations: int = 0
    scheduled_cancellations: int = 0


class AccountFigures:
    """Fed with one customer after the other, so that it needs no memory for the account.

    Args:
        now: the clock of the run, aware.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.table = MrrTable(now)
        self.totals = Totals()

    def add(self, existing: Holdings) -> Paths:
        """Count what ChartMogul holds of a customer, or of several with all that is theirs.

        Returns:
            The steps of their subscriptions' MRR.
        """
        totals, events = self.totals, existing.events.values()
        totals.customers += len(existing.customers)
        totals.invoices += len(existing.invoices)
        for event in events:
            if event.event_type == CANCELLATION_SCHEDULED:
                totals.scheduled_cancellations += 1
            else:
                totals.cancellations += 1
        paying = set()
        paths = self.table.add(existing.invoices.values(), events)
        for customer, _, steps in paths:
            step = current_step(steps, self._now)
            if step is not None and step.mrr:
                totals.subscriptions_with_mrr += 1
                paying.add(customer)
        totals.customers_with_mrr += len(paying)
        return paths


def churn_entries(existing: Holdings, remembered: Remembered, paths: Paths) -> Iterator[dict[str, Any]]:
    """Every cancellation, done or to come, of some customers: its rule, its source and the MRR that ends with it.

    `rule` and `source` are those of the last run that looked at it, `unknown` if the ledger was lost since.

    Args:
        existing: what ChartMogul holds of them.
        remembered: rules and sources by event.
        paths: what `AccountFigures.add` returned for them.
    """
    lines = {
        (customer, subscription): [step for step in steps if step.invoice is not None]
        for customer, subscription, steps in paths
    }
    for external_id, event in sorted(existing.events.items(), key=lambda item: (item[1].effective_date, item[0])):
        step = _step_before(lines.get((event.customer_external_id, event.subscription_external_id), []), event)
        yield {
            "id": external_id,
            "subscription": event.subscription_external_id,
            "customer": event.customer_external_id,
            "effective_date": event.effective_date.isoformat(),
            "scheduled": event.event_type == CANCELLATION_SCHEDULED,
            "rule": remembered.cancellation_rules.get(external_id, "unknown"),
            "source": remembered.cancellation_sources.get(external_id, "unknown"),
            "mrr": step.mrr if step else 0,
            "currency": step.currency if step else None,
        }


def _step_before(steps: list[Step], event: SubscriptionEvent) -> Step | None:
    return current_step(steps, event.effective_date)
