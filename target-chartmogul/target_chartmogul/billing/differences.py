"""What must be changed to make one invoice of another, part by part (rule 4.9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import Invoice, LineItem, Transaction


def invoice_changes(held: Invoice, desired: Invoice, rule: str = "4.9") -> list[Change]:
    """The changes of header, lines and transactions that lead from `held` to `desired`; none if they are the same.

    A header change holds the whole invoices. Not in the order in which they can be sent: see `plan.sequence`.
    """
    changes: list[Change] = []
    if header_differs(held, desired):
        changes.append(
            Change(
                action="update",
                kind="invoice",
                external_id=desired.external_id,
                desired=desired,
                held=held,
                parent=desired.customer_external_id,
                rule=rule,
            )
        )
    changes += _parts("line_item", held.line_items, desired.line_items, desired.external_id, rule)
    changes += _parts("transaction", held.transactions, desired.transactions, desired.external_id, rule)
    return changes


def header_differs(held: Invoice, desired: Invoice) -> bool:
    """Whether anything but lines and transactions differs."""
    disabled = desired.disabled is not None and desired.disabled != bool(held.disabled)
    return disabled or not same(_bare(desired), _bare(held))


def _bare(invoice: Invoice) -> Invoice:
    return msgspec.structs.replace(invoice, line_items=(), transactions=())


def _parts(
    kind: Literal["line_item", "transaction"],
    held: Sequence[LineItem | Transaction],
    desired: Sequence[LineItem | Transaction],
    parent: str,
    rule: str,
) -> Iterator[Change]:
    old = {part.external_id: part for part in held}
    new = {part.external_id: part for part in desired}
    for external_id in {**old, **new}:
        before, after = old.get(external_id), new.get(external_id)
        if before is not None and after is not None and same(after, before):
            continue
        yield Change(
            action="create" if before is None else "delete" if after is None else "update",
            kind=kind,
            external_id=external_id,
            desired=after,
            held=before,
            parent=parent,
            rule=rule,
        )
