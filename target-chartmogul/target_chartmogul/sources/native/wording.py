"""Rows of ChartMogul's objects in words, for `explain` (rule 7.4): without names and addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.objects import Customer, Invoice, LineItem, Transaction
from target_chartmogul.billing.said import Said
from target_chartmogul.sources.native.rows import InvoiceRow, TransactionRow, decoded
from target_chartmogul.sources.native.streams import CUSTOMERS, INVOICES, PLANS, STREAMS, TRANSACTIONS
from target_chartmogul.sources.protocol import Context, StoredRecord

HEADING: Final = "What its row says"
_PERSONAL: Final = ("name", "company", "email", "country", "state", "city", "zip", "custom")


def record_lines(stream: int, payload: bytes) -> Iterator[str]:
    """What a row says, field by field.

    Args:
        stream: its number.
        payload: as the store has it.
    """
    row: Any = decoded(STREAMS[stream], payload)
    match row:
        case Customer():
            yield from _fields(row, _PERSONAL)
            given = [name for name in _PERSONAL if getattr(row, name)]
            yield f"given, and not shown here: {', '.join(given) or 'nothing'}"
        case InvoiceRow():
            yield from _fields(row.invoice, ("line_items", "transactions"))
            for line in row.invoice.line_items:
                yield f"line {line.external_id}, {line.type}: {line.amount_in_cents} in hundredths"
            for each in row.invoice.transactions:
                yield f"{each.result} {each.type} {each.external_id}: {each.amount_in_cents} in hundredths"
        case TransactionRow():
            yield f"invoice_external_id: {row.invoice_external_id}"
            yield from _fields(row.transaction, ())
        case _:
            yield from _fields(row, ())


def parts_of(stream: str, record_id: str, payload: bytes | None) -> Callable[[LineItem | Transaction], bool]:
    """Which lines and transactions have to do with a row."""
    del payload
    if stream == TRANSACTIONS:
        return lambda part: isinstance(part, Transaction) and part.external_id == record_id
    return lambda _: True


def concerns(stream: str, record_id: str, payload: bytes | None) -> Callable[[Invoice], bool]:
    """Which invoices have to do with a row, besides those that are made of it or are its customer's."""
    if stream != TRANSACTIONS:
        return lambda _: False
    mine = parts_of(stream, record_id, payload)
    return lambda invoice: any(mine(part) for part in invoice.transactions)


def uses_plan(stream: str, record_id: str, plan: str) -> bool:
    """Whether a plan in ChartMogul is made of a row."""
    return stream == PLANS and record_id == plan


def is_about(note: Note, stream: str, record_id: str) -> bool:
    """Whether a note is about a row."""
    if "stream" in note.detail:
        return (note.detail["stream"], note.detail.get("id")) == (stream, record_id)
    return note.id == record_id and (stream == CUSTOMERS) == (note.kind.endswith("_emails"))


def related(stream: int, record: int, records: Iterable[StoredRecord]) -> Iterable[str]:
    """Every row has an id that a person knows."""
    del stream, record, records
    return ()


def remarks(stream: str, record_id: str, *account: Any) -> list[Note]:
    """Nothing beyond the notes of the decision."""
    del stream, record_id, account
    return []


def why(
    stream: str, record_id: str, records: Iterable[StoredRecord], context: Context, *, nothing: bool
) -> Iterator[Said]:
    """Why nothing is made of a row; see the same function of Keap's records."""
    del record_id, records, context
    if nothing and stream == TRANSACTIONS:
        yield Said("its invoice has not arrived, or its own list of transactions leaves this one out", "1.8")
    elif nothing and stream == INVOICES:
        yield Said("it is not sent; what is listed about it says why", "1.5")
    elif nothing and stream == PLANS:
        yield Said("no line in ChartMogul uses it: plans are created only for lines", "2.4")


def _fields(row: Any, without: Iterable[str]) -> Iterator[str]:
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if name not in without and value is not None and value != ():
            yield f"{name}: {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
