"""Rows of `transactions` that come without their order: a retry that failed, a VOID (rules 1.8, 5.1, 5.5).

A row of `transactions` brings no order along, and it may be read once only. So it is put on the order as ChartMogul
holds it; when the order arrives again, it is found there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from target_chartmogul.billing.objects import ONE_TIME, Invoice
from target_chartmogul.sources.keap.payments.postings import failed_attempt
from target_chartmogul.sources.keap.payments.settlement import Movement


def with_late_rows(invoices: Sequence[Invoice], attempts: Sequence[Movement], voided: Collection[str]) -> list[Invoice]:
    """An order's invoices with its late rows; the very same ones where there are none.

    Args:
        invoices: of one order that did not arrive, under the ids of today.
        attempts: failed ones; they go to the first invoice, that of the first subscription line (rule 4.8).
        voided: payments that never were: what was sent of them goes.
    """
    first = min((_place(invoice) for invoice in invoices), default=None)
    made: list[Invoice] = []
    for invoice in invoices:
        suffix = f"-{invoice.external_id}"
        kept = [each for each in invoice.transactions if each.external_id.removesuffix(suffix) not in voided]
        if _place(invoice) == first:
            known = {each.external_id for each in kept}
            late = (failed_attempt(invoice.external_id, each, each.amount_in_cents) for each in attempts)
            kept += [each for each in late if each.amount_in_cents > 0 and each.external_id not in known]
        same = len(kept) == len(invoice.transactions) and set(kept) == set(invoice.transactions)
        kept.sort(key=lambda each: (each.date, each.external_id))
        made.append(invoice if same else msgspec.structs.replace(invoice, transactions=tuple(kept)))
    return made


def _place(invoice: Invoice) -> tuple[bool, int, str]:
    """Where an invoice stands among those of its order: by its lowest subscription item."""
    items = [
        int(item)
        for line in invoice.line_items
        if (item := line.external_id.removeprefix(f"{invoice.external_id}-")).isdecimal() and line.type != ONE_TIME
    ]
    return not items, min(items, default=0), invoice.external_id
