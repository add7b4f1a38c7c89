"""ChartMogul's objects as the store keeps them, and how they are read back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from target_chartmogul.billing import decisions
from target_chartmogul.billing.changes import Kind
from target_chartmogul.billing.objects import Customer, Invoice, LineItem, Plan, SubscriptionEvent, Transaction
from target_chartmogul.store.errors import StoreDamagedError

encode: Final = msgspec.json.Encoder().encode
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "customer": msgspec.json.Decoder(Customer),
    "plan": msgspec.json.Decoder(Plan),
    "invoice": msgspec.json.Decoder(Invoice),
    "event": msgspec.json.Decoder(SubscriptionEvent),
}


def read(kind: str, content: bytes) -> Any:
    """An object, as it lies in the store.

    Raises:
        StoreDamagedError: it is not one.
    """
    try:
        return _DECODERS[kind].decode(content)
    except msgspec.DecodeError:
        raise StoreDamagedError(f"the store is damaged: what it holds of ChartMogul ({kind}) cannot be read") from None


class Holdings(decisions.Holdings):
    """What ChartMogul has of ours of some customers, by external id."""

    def add(self, kind: str, external_id: str, content: bytes) -> None:
        """Take one, as it lies in the store."""
        shelf: dict[str, Any] = (
            self.invoices if kind == "invoice" else self.customers if kind == "customer" else self.events
        )
        shelf[external_id] = read(kind, content)


def with_part(invoice: Invoice, part: LineItem | Transaction) -> Invoice:
    """The invoice with one of its parts, by external id, replaced in its place or added at the end."""
    if isinstance(part, LineItem):
        return msgspec.structs.replace(invoice, line_items=_replaced(invoice.line_items, part))
    return msgspec.structs.replace(invoice, transactions=_replaced(invoice.transactions, part))


def without_part(invoice: Invoice, kind: str, external_id: str) -> Invoice:
    """The invoice without one of its lines or transactions."""
    if kind == "line_item":
        left = tuple(each for each in invoice.line_items if each.external_id != external_id)
        return msgspec.structs.replace(invoice, line_items=left)
    rows = tuple(each for each in invoice.transactions if each.external_id != external_id)
    return msgspec.structs.replace(invoice, transactions=rows)


def with_header(invoice: Invoice, header: Invoice) -> Invoice:
    """The header of one with the lines and transactions of the other."""
    return msgspec.structs.replace(header, line_items=invoice.line_items, transactions=invoice.transactions)


def parts_of(invoice: Invoice) -> list[tuple[Kind, str]]:
    """Kind and external id of its lines and transactions."""
    found: list[tuple[Kind, str]] = [("line_item", line.external_id) for line in invoice.line_items]
    found += [("transaction", row.external_id) for row in invoice.transactions]
    return found


def _replaced(parts: tuple[Any, ...], part: Any) -> tuple[Any, ...]:
    if any(each.external_id == part.external_id for each in parts):
        return tuple(part if each.external_id == part.external_id else each for each in parts)
    return (*parts, part)
