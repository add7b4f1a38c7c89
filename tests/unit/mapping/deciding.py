"""`decide` for a handful of rows, one run after the other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.objects import LineItem
from target_chartmogul.sources.keap.account import Arrived, Remembered
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.keap_rows import Row
from tests.worked_accounts import catalog_of, group_of

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


def decided(
    before: Decision | None = None,
    *,
    now: datetime = NOW,
    settings: dict[str, Any] | None = None,
    arrived: Arrived | None = None,
    keeps_ledger: bool = True,
    unreadable: dict[str, frozenset[str]] | None = None,
    **keap: list[Row],
) -> Decision:
    """Decide on what arrived (`contacts=[…]`, `orders=[…]`, …) after an earlier decision."""
    group = group_of(keap)
    catalog = catalog_of(keap)
    group.unreadable = unreadable or {}
    if before is not None:
        group.existing = Holdings(customers=before.customers, invoices=before.invoices, events=before.events)
        group.remembered = before.remembered if keeps_ledger else Remembered()
        catalog.plans_held = before.plans
    mapping = msgspec.convert(settings or {}, MappingSettings)
    return decide(group, catalog, arrived or Arrived(subscriptions_whole=True), mapping, now)


def line(decision: Decision, external_id: str) -> LineItem:
    """The one line with this external id, whosever invoice it is on."""
    found = [
        each for invoice in decision.invoices.values() for each in invoice.line_items if each.external_id == external_id
    ]
    assert len(found) == 1, sorted(each.external_id for each in found)
    return found[0]


def noted(decision: Decision, kind: str) -> list[str]:
    return [note.id for note in decision.notes if note.kind == kind]


def rejected(decision: Decision) -> list[tuple[str, str, str]]:
    return [(reject.stream, reject.id, reject.field) for reject in decision.rejects]
