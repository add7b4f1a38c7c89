"""Why invoices go: for the report, which lists each that a run removes (rules 4.1, 4.10, §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from target_chartmogul.billing.changes import Change, Kind
from target_chartmogul.billing.decisions import Decision, Note
from target_chartmogul.billing.objects import Invoice

_KIND: Final = "removed_invoices"
_REASONS: Final = {
    "vanished_orders": "its order is gone from Keap",
    "skipped_unpaid_orders": "its order is unpaid, and `unpaid_orders` is `skip`",
}
_DRAFT: Final = "its order is a draft, or has no items any more"


def removed_invoices(
    changes: Iterable[Change], decision: Decision, root_of: Callable[[Kind, str], str]
) -> Iterator[Note]:
    """An entry for each invoice that goes without being written again.

    Args:
        changes: of one account.
        decision: of the same account; its notes have the reasons.
        root_of: what the ids of an invoice that moved share.
    """
    for change in changes:
        if change.action == "delete" and isinstance(change.held, Invoice) and not change.moved:
            rule, reason = _why(change.held, decision, root_of("invoice", change.external_id))
            detail = {"customer": change.held.customer_external_id, "reason": reason}
            yield Note(kind=_KIND, id=change.external_id, rule=rule, detail=detail)


def _why(invoice: Invoice, decision: Decision, order: str) -> tuple[str, str]:
    for note in decision.notes:
        if note.kind == "filtered_contacts" and note.id == invoice.customer_external_id:
            return note.rule, "a filter leaves its contact out"
        if note.kind == "gone_rows" and note.detail == {"stream": "invoices", "id": order}:
            return note.rule, "its row is gone"
        if note.id != order:
            continue
        if note.kind == "excluded_orders":
            return note.rule, f"`{note.detail.get('setting')}` leaves its order out"
        if note.kind in _REASONS:
            return note.rule, _REASONS[note.kind]
    return "4.1", _DRAFT
