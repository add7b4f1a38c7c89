"""The order in which the changes of one lane are sent.

ChartMogul takes no transactions above an invoice's total at any moment, and no invoice without its customer; a move
imports the new invoice before the old one is deleted (rule 2.1); a due cancellation is posted before the scheduled one
goes (rule 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from target_chartmogul.billing.changes import Change, ChartMogulObject, Kind
from target_chartmogul.billing.objects import REFUND, SUCCESSFUL, Invoice, LineItem, Transaction

_CUSTOMERS = 1
_NEW_INVOICES = 2
_PARTS = 3
_OLD_INVOICES = 4
_EVENTS = 5
_OLD_EVENTS = 6
_OLD_CUSTOMERS = 7
_OLD_PLANS = 8
_FIRST = -1
"""In place of an invoice's: before all of them."""


def ordered(changes: Iterable[Change]) -> list[Change]:
    """The same changes, so sorted that each finds what it needs; what has no order keeps its own."""
    given = list(changes)
    brought = {
        key: invoice_of(change) for change in given if change.action == "create" for key in _ids(change.desired, change)
    }
    taken = {
        key: invoice_of(change) for change in given if change.action == "delete" for key in _ids(change.held, change)
    }
    first = {invoice: place for place, invoice in reversed(list(enumerate(map(invoice_of, given)))) if invoice}
    again = brought.keys() & taken.keys()
    giving = {taken[key] for key in again if key[0] in {"line_item", "transaction"} and taken[key] != brought[key]}
    ranks = [_rank(change, place, first, again, giving) for place, change in enumerate(given)]
    return [given[place] for place in sorted(range(len(given)), key=ranks.__getitem__)]


def _ids(thing: ChartMogulObject | None, change: Change) -> Iterator[tuple[Kind, str]]:
    """The external ids that a change brings or takes: an invoice, with its lines and transactions."""
    yield change.kind, change.external_id
    if isinstance(thing, Invoice):
        yield from (("line_item", line.external_id) for line in thing.line_items)
        yield from (("transaction", row.external_id) for row in thing.transactions)


def invoice_of(change: Change) -> str | None:
    """The invoice that a change is about, or about a part of."""
    if change.kind == "invoice":
        return change.external_id
    return change.parent if change.kind in {"line_item", "transaction"} else None


def _rank(
    change: Change,
    place: int,
    first: dict[str, int],
    again: AbstractSet[tuple[Kind, str]],
    giving: AbstractSet[str | None],
) -> tuple[int, int, int, int]:
    """Phase, place of the invoice, step within it, place.

    What is deleted and created again under the same id (an order whose own contact changed) is deleted just before; a
    line or transaction that comes into another invoice leaves its own before any invoice is imported. `giving` are the
    invoices that such a part leaves.
    """
    gone = change.action == "delete"
    replaced = (change.kind, change.external_id) in again
    group = first.get(invoice_of(change) or "", place)
    match change.kind:
        case "plan":
            return (_OLD_PLANS if gone else 0), 0, 0, place
        case "customer":
            return (_OLD_CUSTOMERS if gone else _CUSTOMERS), 0, 0, place
        case "event" if replaced:
            return _EVENTS, 0, 0 if gone else 1, place
        case "event":
            return (_OLD_EVENTS if gone else _EVENTS), 0, 1, place
        case "invoice" if gone and change.external_id in giving:
            return _NEW_INVOICES, _FIRST, _step(change), place
        case "invoice" if change.action == "create" or replaced:
            return _NEW_INVOICES, group, 0 if gone else 1, place
        case "invoice" if gone:
            return _OLD_INVOICES, group, 0, place
        case "line_item" | "transaction" if _leaves_first(change, giving, gone=gone, replaced=replaced):
            return _NEW_INVOICES, _FIRST, _step(change), place
        case _:
            return _PARTS, group, _step(change), place


def _leaves_first(change: Change, giving: AbstractSet[str | None], *, gone: bool, replaced: bool) -> bool:
    """Whether a part leaves its invoice, or makes room in it for another one to leave, before invoices are imported.

    What a line that leaves has to find: no money that its invoice would not cover without it, and another line.
    """
    if gone and replaced:
        return True
    if change.parent not in giving:
        return False
    money_out = change.kind == "transaction" and _amount(change.desired) < _amount(change.held)
    line_up = change.kind == "line_item" and not replaced and _amount(change.desired) >= _amount(change.held)
    return money_out or line_up


def _step(change: Change) -> int:
    """The step of a change within its invoice: money out, lines up, lines down, header, money in.

    Refunds go before the payments that they give back, and come after them.
    """
    before, after = change.held, change.desired
    if isinstance(before, LineItem) or isinstance(after, LineItem):
        return 2 if _amount(after) >= _amount(before) else 3
    if isinstance(before, Invoice) or isinstance(after, Invoice):
        return 4
    refund = any(isinstance(row, Transaction) and row.type == REFUND for row in (before, after))
    if _amount(after) < _amount(before):
        return 0 if refund else 1
    return 6 if refund else 5


def _amount(part: object) -> int:
    """What a line adds to its invoice, or a transaction takes of it."""
    if isinstance(part, LineItem):
        return part.amount_in_cents
    if isinstance(part, Transaction) and part.result == SUCCESSFUL:
        return part.amount_in_cents
    return 0
