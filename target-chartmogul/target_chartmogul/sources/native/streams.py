"""The streams whose rows are ChartMogul's objects, and what a run with them needs (rules 1.4, 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from target_chartmogul.billing.nodes import NUMBERS, node
from target_chartmogul.failures import ConfigurationError

PLANS: Final = "plans"
CUSTOMERS: Final = "customers"
CANCELLATIONS: Final = "subscription_cancellations"
INVOICES: Final = "invoices"
TRANSACTIONS: Final = "transactions"
STREAMS: Final = (PLANS, "", "", CUSTOMERS, CANCELLATIONS, INVOICES, TRANSACTIONS)
"""By number; those below 3 are the catalogue."""
LINES: Final = len(STREAMS)
"""Stream number of lines. They have no records of their own, but tie the invoices that name one line together."""
SCHEDULED_ENDING: Final = "-scheduled"
"""Stands behind the id of a cancellation that is still to come."""


def number(external_id: str) -> int:
    """The number of an external id within its stream: 59 bits of its digest."""
    return int.from_bytes(blake2b(external_id.encode(), digest_size=8).digest(), "big") % NUMBERS


def node_of(stream: str, external_id: str) -> int:
    """The node of a row."""
    return node(STREAMS.index(stream), number(external_id))


def line_node(external_id: str) -> int:
    """The node of a line, which all invoices that have it are linked to."""
    return node(LINES, number(external_id))


def takes(stream: str, schema: Mapping[str, Any]) -> bool:
    """Whether a stream holds ChartMogul's objects.

    Keap has `transactions` too; ChartMogul's are those whose SCHEMA has the property `invoice_external_id`.
    """
    if stream == TRANSACTIONS:
        properties = schema.get("properties")
        return isinstance(properties, dict) and "invoice_external_id" in properties
    return bool(stream) and stream in STREAMS


def check_settings(prefix: str, only_contacts: tuple[str, ...]) -> None:
    """What a run with such streams needs, before anything is read.

    Ids of any form cannot be told from those that other programs write, so the prefix alone says what is ours
    (rule 1.4). One of digits only could make an id that looks like one of Keap's.

    Args:
        prefix: setting `external_id_prefix`.
        only_contacts: setting `only_contacts`.

    Raises:
        ConfigurationError: naming the setting.
    """
    if not prefix or prefix.isdecimal():
        raise ConfigurationError(
            "streams of ChartMogul's objects need the setting `external_id_prefix`, with more than digits in it: "
            "nothing else tells this target's objects from those of other programs"
        )
    if only_contacts:
        raise ConfigurationError("setting `only_contacts` names Keap's contacts: these streams have none")
