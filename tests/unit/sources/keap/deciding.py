"""`decide` for a handful of rows, one run after the other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.normal import normal
from target_chartmogul.billing.objects import LineItem
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.support.keap_rows import Row
from tests.support.worked_accounts import account_of, catalogue_of

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


def decided(
    before: Decision | None = None,
    *,
    now: datetime = NOW,
    settings: dict[str, Any] | None = None,
    settings_changed: frozenset[str] = frozenset(),
    keeps_store: bool = True,
    gone: dict[str, list[Row]] | None = None,
    unreadable: dict[str, frozenset[str]] | None = None,
    complete: bool = True,
    read_at: datetime | None = None,
    **keap: list[Row],
) -> Decision:
    """Decide on all records of an account (`contacts=[…]`, `orders=[…]`, …) after an earlier decision.

    `gone` are the last versions of records that are gone from Keap. Without a store there are no memories, and what
    ChartMogul holds is as it lists it.
    """
    account = account_of(
        {stream: [*keap.get(stream, ()), *(gone or {}).get(stream, ())] for stream in {*keap, *(gone or {})}}
    )
    account.gone = {stream: frozenset(row["id"] for row in rows) for stream, rows in (gone or {}).items()}
    account.unreadable = unreadable or {}
    account.subscriptions_complete, account.subscriptions_read_at = complete, read_at
    catalogue = catalogue_of(keap)
    if before is not None:
        account.holdings = Holdings(customers=before.customers, invoices=before.invoices, events=before.events)
        if keeps_store:
            account.memories = before.memories
        else:
            account.holdings = listed(account.holdings)
        catalogue.plans_held = before.plans
    mapping = msgspec.convert(settings or {}, MappingSettings)
    return decide(account, catalogue, mapping, now, settings_changed=settings_changed)


def listed(holdings: Holdings) -> Holdings:
    """What ChartMogul gives back of it."""
    return Holdings(
        customers={key: normal(each) for key, each in holdings.customers.items()},  # type: ignore[misc]
        invoices={key: normal(each) for key, each in holdings.invoices.items()},  # type: ignore[misc]
        events={key: normal(each) for key, each in holdings.events.items()},  # type: ignore[misc]
    )


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
