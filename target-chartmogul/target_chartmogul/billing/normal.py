"""Objects as ChartMogul gives them back: what it drops or cuts must not look like a difference (rule 1.3).

Compare only normal forms: `same(desired, held)`.
"""

from __future__ import annotations

from functools import cache, lru_cache

import msgspec
import pycountry

from target_chartmogul.billing.changes import ChartMogulObject
from target_chartmogul.billing.instants import to_milliseconds, to_seconds
from target_chartmogul.billing.objects import (
    ONE_TIME,
    SUBSCRIPTION,
    VOIDED,
    WRITTEN_OFF,
    Customer,
    Invoice,
    LineItem,
    SubscriptionEvent,
    Transaction,
)

_KEPT_STATUSES = frozenset({WRITTEN_OFF, VOIDED})
"""All others ChartMogul derives from the transactions."""


def same(desired: ChartMogulObject, held: ChartMogulObject) -> bool:
    """Whether ChartMogul would give back the same object for both."""
    return desired == held or normal(desired) == normal(held)


def normal(thing: ChartMogulObject) -> ChartMogulObject:
    """The object as ChartMogul would give it back.

    Dates are cut to its precision, states that the country does not have are dropped, and so are fields that it does
    not keep for this type of line. Parts of an invoice are sorted by external id. `disabled` is left out: whoever does
    not say it leaves it to the people in ChartMogul (see `differences.header_differs`).
    """
    match thing:
        case Customer():
            return _customer(thing)
        case Invoice():
            return _invoice(thing)
        case LineItem():
            return _line(thing)
        case Transaction():
            return _transaction(thing)
        case SubscriptionEvent():
            return msgspec.structs.replace(
                thing, event_date=to_seconds(thing.event_date), effective_date=to_seconds(thing.effective_date)
            )
        case _:
            return thing


def _customer(customer: Customer) -> Customer:
    return msgspec.structs.replace(
        customer,
        state=kept_state(customer.country, customer.state),
        lead_created_at=to_milliseconds(customer.lead_created_at),
        free_trial_started_at=to_milliseconds(customer.free_trial_started_at),
        tags=tuple(sorted(customer.tags)),
        custom=tuple(sorted(customer.custom)),
    )


def _invoice(invoice: Invoice) -> Invoice:
    return msgspec.structs.replace(
        invoice,
        date=to_milliseconds(invoice.date),
        due_date=to_milliseconds(invoice.due_date),
        status=invoice.status if invoice.status in _KEPT_STATUSES else None,
        disabled=None,
        line_items=tuple(sorted(map(_line, invoice.line_items), key=lambda line: line.external_id)),
        transactions=tuple(sorted(map(_transaction, invoice.transactions), key=lambda row: row.external_id)),
    )


def _line(line: LineItem) -> LineItem:
    recurring = line.type == SUBSCRIPTION
    return msgspec.structs.replace(
        line,
        subscription_external_id=line.subscription_external_id if recurring else None,
        plan_external_id=line.plan_external_id if recurring else None,
        service_period_start=to_milliseconds(line.service_period_start) if recurring else None,
        service_period_end=to_milliseconds(line.service_period_end) if recurring else None,
        description=line.description if line.type == ONE_TIME else None,
        balance_transfer=line.balance_transfer or None,
        event_order=line.event_order if recurring else None,
    )


def _transaction(row: Transaction) -> Transaction:
    return msgspec.structs.replace(row, date=to_milliseconds(row.date))


@lru_cache(maxsize=4096)
def kept_state(country: str | None, state: str | None) -> str | None:
    """The state as ChartMogul keeps it: ISO 3166-2 behind the country; None where the country has no such state."""
    if not country or not state:
        return None
    return _states(country).get(state.upper())


@cache
def _states(country: str) -> dict[str, str]:
    """Codes of a country's states by the writings that ChartMogul takes: `CA`, `US-CA`, `CALIFORNIA`."""
    found: dict[str, str] = {}
    for part in pycountry.subdivisions.get(country_code=country) or ():  # type: ignore[no-untyped-call]
        code = part.code.partition("-")[2]
        found |= {code.upper(): code, part.code.upper(): code, part.name.upper(): code}
    return found
