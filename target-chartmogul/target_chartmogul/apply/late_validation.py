"""What ChartMogul found invalid after it had taken it: bulk imports are validated later than they are completed.

Such an object is stored but does not count. `processing_status` of the data source says how many there are, in one
request; which ones, and why, is read from the listings only if there are any.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from target_chartmogul.billing.changes import Change, ChartMogulObject, Kind
from target_chartmogul.billing.objects import Invoice
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import Processing, processing
from target_chartmogul.chartmogul.errors import refused
from target_chartmogul.chartmogul.fields import Json
from target_chartmogul.chartmogul.wire import Wire

POLL_SECONDS: Final = 2.0
LONGEST_WAIT: Final = 60.0
"""Seconds after a load for which validation is waited for; the next run asks again."""


class Failed(msgspec.Struct, frozen=True):
    """An object of ours that ChartMogul stored as invalid, without `external_id_prefix`; an invoice for its parts too.

    `reasons` maps fields, as `currency` or `line_items[A-1/1].plan_uuid`, to ChartMogul's words.
    """

    kind: Kind
    external_id: str
    reasons: dict[str, str]


class Validation(msgspec.Struct, frozen=True):
    """The state of a data source: ChartMogul's counts of records, and those of ours that failed."""

    processing: Processing
    failed: tuple[Failed, ...] = ()


def ask(client: ChartMogulClient, wire: Wire) -> Validation:
    """Ask how far ChartMogul is, and which objects failed: one request if none did.

    Raises:
        RefusedError, CredentialsError, UnreachableError, StoppedError: see `ChartMogulClient.pages`.
    """
    status = processing(client, wire.data_source_uuid)
    failed = tuple(_failed(client, wire, status.failed)) if status.failed != 0 else ()
    return Validation(status, failed)


def ask_after_load(client: ChartMogulClient, wire: Wire) -> Validation:
    """The same after a bulk load, once nothing is pending any more or `LONGEST_WAIT` is over; raises as `ask`."""
    end = time.monotonic() + LONGEST_WAIT
    while processing(client, wire.data_source_uuid).pending and time.monotonic() < end:
        client.pause(POLL_SECONDS)
    return ask(client, wire)


def changes_again(
    failed: Iterable[Failed], sent: Callable[[Kind, str], ChartMogulObject | None]
) -> Iterator[tuple[Failed, Change | None]]:
    """For each failed object the change that sends it again: what is there is deleted, so that it can be.

    Args:
        failed: of a `Validation`.
        sent: an object as this target last sent it; None if that is not known: then there is no change, and the object
            can only be named.
    """
    for each in failed:
        content = sent(each.kind, each.external_id)
        yield each, None if content is None else _creation(each, content)


def _creation(failed: Failed, content: ChartMogulObject) -> Change:
    return Change(
        action="create",
        kind=failed.kind,
        external_id=failed.external_id,
        desired=content,
        parent=content.customer_external_id if isinstance(content, Invoice) else None,
        rule="1.5",
    )


def _failed(client: ChartMogulClient, wire: Wire, count: int | None) -> Iterator[Failed]:
    """Invalid invoices; events only if that does not account for all that failed, since they have no such filter."""
    found = 0
    source = {"data_source_uuid": wire.data_source_uuid, "with_disabled": "true"}
    for rows in client.pages("/invoices", "invoices", {**source, "validation_type": "invalid"}):
        for row in rows:
            own, reasons, invalid = wire.inner(row.get("external_id")), *_reasons_of_invoice(row)
            found += invalid
            if own is not None and reasons:
                yield Failed("invoice", own, reasons)
    if count is None or found >= count:
        return
    for rows in client.pages("/subscription_events", "subscription_events", source):
        for row in rows:
            own, reasons = wire.inner(row.get("external_id")), _reasons(row)
            if own is not None and reasons:
                yield Failed("event", own, reasons)


def _reasons_of_invoice(row: Json) -> tuple[dict[str, str], int]:
    """Reasons by field, and how many records they are of."""
    reasons = _reasons(row)
    invalid = int(bool(reasons))
    for name in ("line_items", "transactions"):
        parts = row.get(name)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and (found := _reasons(part)):
                invalid += 1
                reasons |= {f"{name}[{part.get('external_id')}].{field}": text for field, text in found.items()}
    return reasons, invalid


def _reasons(row: Json) -> dict[str, str]:
    return refused(422, {"errors": row["errors"]}).fields if row.get("errors") else {}
