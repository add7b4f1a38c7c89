"""The figures of an account, in a form that is added up over all accounts (rules 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from target_chartmogul.billing.changes import ChartMogulObject, Kind
from target_chartmogul.billing.decisions import Decision
from target_chartmogul.billing.mrr import account_figures
from target_chartmogul.billing.objects import Customer, Plan

Steps = list[tuple[str, str, str, int]]
"""Instant, currency, name of the figure and by how much it changes there."""
_COUNTED: Final = "invoices", "cancellations", "scheduled_cancellations"


class AccountFigures:
    """Works out the figures of decisions.

    Args:
        now: the clock of the run, aware.
        plans: by external id.
    """

    def __init__(self, now: datetime, plans: Mapping[str, Plan]) -> None:
        self._now = now
        self._plans = plans

    def of(
        self, decision: Decision, owner_node: Callable[[Kind, ChartMogulObject], int | None]
    ) -> list[tuple[int, Steps]]:
        """By the node of each customer: the steps of its figures."""
        found = account_figures(decision.invoices.values(), decision.events.values(), self._plans)
        by_node: list[tuple[int, Steps]] = []
        for customer, steps in sorted(found.items()):
            owner = owner_node("customer", Customer(external_id=customer))
            if owner is not None:
                by_node.append((owner, [(_text(at), *rest) for at, *rest in steps]))
        return by_node


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
