"""Which streams hold ChartMogul's objects, and what a run with them needs (rules 1.4, 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, SubscriptionEvent
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.settings import Settings

CUSTOMERS: Final = "customers"
PLANS: Final = "plans"
INVOICES: Final = "invoices"
TRANSACTIONS: Final = "transactions"
CANCELLATIONS: Final = "subscription_cancellations"
SCHEDULED_ENDING: Final = "-scheduled"
"""Stands behind the id of a cancellation that is still to come."""
SHAPED_STREAMS: Final = (CUSTOMERS, PLANS, INVOICES, TRANSACTIONS, CANCELLATIONS)


def is_shaped(stream: str, schema: Mapping[str, Any]) -> bool:
    """Whether a stream holds ChartMogul's objects.

    Keap has `transactions` too; ChartMogul's are those whose SCHEMA has the property `invoice_external_id`.
    """
    if stream == TRANSACTIONS:
        properties = schema.get("properties")
        return isinstance(properties, dict) and "invoice_external_id" in properties
    return stream in SHAPED_STREAMS


def check_settings(settings: Settings) -> None:
    """What a run with such streams needs, before anything is read.

    Ids of any form cannot be told from those that other programs write, so the prefix alone says what is ours
    (rule 1.4). One of digits only could make an id that looks like one of Keap's.

    Raises:
        ConfigurationError: naming the setting.
    """
    prefix = settings.external_id_prefix
    if not prefix or prefix.isdecimal():
        raise ConfigurationError(
            "streams of ChartMogul's objects need the setting `external_id_prefix`, with more than digits in it: it "
            "alone tells this target's objects from those of other programs"
        )
    if settings.mapping.only_contacts:
        raise ConfigurationError("setting `only_contacts` names Keap's contacts: these streams have none")


def records_of(change: Change) -> list[str]:
    """The row that an object is made from, as `accepted_rejects` names it: `invoices:A-17`."""
    match change.kind:
        case "customer" | "plan" | "invoice" | "transaction":
            return [f"{change.kind}s:{change.external_id}"]
        case "line_item":
            return [f"{INVOICES}:{change.parent}"]
        case _:
            event = change.desired or change.held
            ending = SCHEDULED_ENDING if _is_scheduled(event) else ""
            return [f"{CANCELLATIONS}:{change.external_id.removesuffix(ending)}"]


def _is_scheduled(event: object) -> bool:
    return isinstance(event, SubscriptionEvent) and event.event_type == CANCELLATION_SCHEDULED
