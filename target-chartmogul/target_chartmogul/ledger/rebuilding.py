"""Bringing the ledger up to what ChartMogul holds: whole after a loss, or what a crash left open (rule 1.6)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import islice

from target_chartmogul.billing.changes import Kind
from target_chartmogul.chartmogul.listing import Listed, Listing
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.settings import Settings
from target_chartmogul.sources.keap import ids

logger = logging.getLogger("target-chartmogul")

MOST_LOOKUPS = 200
"""With more changes open than this, reading the whole source is cheaper than looking each one up."""
_BATCH = 500


def bring_up_to_date(ledger: Ledger, listing: Listing | None, source: str | None, settings: Settings) -> bool:
    """Make the ledger hold what ChartMogul holds.

    Args:
        ledger: as the last run left it, or new.
        listing: of the data source; None if there is no source yet.
        source: uuid of the data source, None if there is none yet.
        settings: of the run; a changed prefix or `resend` makes the ledger worthless.

    Returns:
        Whether everything was listed anew.
    """
    trusted = is_trusted(ledger, source, settings) and not settings.mapping.resend
    opened = ledger.intents() if trusted else []
    if trusted and len(opened) <= MOST_LOOKUPS:
        if opened and listing is not None:
            logger.info("Looking up %d changes that an earlier run left open", len(opened))
            _look_up(ledger, listing, opened)
        return False
    ledger.put("complete", None)
    ledger.clear_objects()
    if listing is not None:
        number = _record(ledger, listing.everything())
        logger.info("Read %d objects from ChartMogul", number)
    ledger.put("data_source_uuid", source)
    ledger.put("prefix", settings.external_id_prefix)
    ledger.put("complete", "1")
    return listing is not None


def is_trusted(ledger: Ledger, source: str | None, settings: Settings) -> bool:
    """Whether an earlier run left this ledger, and left it about this data source and prefix."""
    return (
        ledger.get("complete") == "1"
        and ledger.get("data_source_uuid") == source
        and ledger.get("prefix") == settings.external_id_prefix
    )


def is_ours(kind: Kind, external_id: str) -> bool:
    """Whether this target forms such ids (rule 1.4)."""
    match kind:
        case "customer":
            return external_id.isdecimal()
        case "plan":
            return ids.parse_plan_id(external_id) is not None
        case "invoice":
            return ids.parse_invoice_id(external_id) is not None
        case "event":
            return ids.parse_event_id(external_id) is not None
        case _:
            return False


def _record(ledger: Ledger, found: Iterable[Listed]) -> int:
    number = 0
    own = (each for each in found if ledger.shaped or is_ours(each.kind, each.content.external_id))
    while batch := list(islice(own, _BATCH)):
        number += len(batch)
        ledger.record((each.kind, each.content, each.uuid, each.uuids) for each in batch)
        for each in batch:
            if each.marks:
                ledger.put_marks(each.kind, each.content.external_id, each.marks)
    return number


def _look_up(ledger: Ledger, listing: Listing, opened: list[tuple[Kind, str, str | None]]) -> None:
    """Take what ChartMogul says of each object that a change was under way for."""
    wanted: dict[tuple[Kind, str], None] = {}
    for kind, external_id, parent in opened:
        if kind in {"line_item", "transaction"}:
            if parent is not None:
                wanted["invoice", parent] = None
        else:
            wanted[kind, external_id] = None
    for kind, external_id in wanted:
        found = listing.find(kind, external_id)
        ledger.gone(kind, external_id)
        if found is not None:
            _record(ledger, [found])
    ledger.clear_intents()
