"""Which rows of invoices are sent, which wait (rules 1.5, 1.8), and which claim a part that another one has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from target_chartmogul.billing.decisions import Decision, Reject, Waiting
from target_chartmogul.billing.objects import Invoice
from target_chartmogul.sources.native.account import Account, Catalogue
from target_chartmogul.sources.native.rows import InvoiceRow
from target_chartmogul.sources.native.streams import INVOICES

_LINE = "line"
_TRANSACTION = "transaction"


class _Part(NamedTuple):
    kind: str
    id: str
    field: str
    """Its path in the row."""

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.id


def decide_invoices(
    account: Account, rows: Mapping[str, InvoiceRow], catalogue: Catalogue, decision: Decision, now: datetime
) -> dict[str, InvoiceRow]:
    """Put all invoices into the decision, with the plans of their lines; without what `transactions` brings.

    ChartMogul takes the id of a line or transaction once. A row that names one that is another invoice's is rejected
    and named: the invoice that has it in ChartMogul keeps it, else the one with the earlier date.

    Args:
        account: what ChartMogul holds, and which invoices have a row.
        rows: those that count.
        catalogue: the plans.
        decision: has the customers already.
        now: the clock of the run.

    Returns:
        The rows that are sent, by external id. All other invoices of the decision stay as they are held.
    """
    held = account.holdings.invoices
    candidates: dict[str, InvoiceRow] = {}
    waiting: set[str] = set()
    for external_id, row in rows.items():
        if (why := _why_it_waits(row, decision, catalogue, now)) is None:
            candidates[external_id] = row
        else:
            decision.waiting.append(why)
            waiting.add(external_id)
    accepted = _without_conflicts(candidates, waiting, account, decision)
    for external_id, invoice in held.items():
        if external_id not in account.invoices or (external_id in rows and external_id not in accepted):
            decision.invoices[external_id] = invoice
    for external_id, row in accepted.items():
        decision.invoices[external_id] = _with_what_people_set(row, held.get(external_id))
        for line in row.invoice.line_items:
            plan = catalogue.plans.get(line.plan_external_id or "")
            if plan is not None:
                decision.plans[plan.external_id] = plan
    return accepted


def _why_it_waits(row: InvoiceRow, decision: Decision, catalogue: Catalogue, now: datetime) -> Waiting | None:
    external_id, customer = row.invoice.external_id, row.invoice.customer_external_id
    if customer not in decision.customers:
        return _waiting(external_id, f"its customer {customer} has not arrived")
    for line in row.invoice.line_items:
        if line.plan_external_id is not None and not catalogue.has(line.plan_external_id):
            reason = f"the plan {line.plan_external_id} of its line {line.external_id} has not arrived"
            return _waiting(external_id, reason)
    if row.latest > now:
        return Waiting(stream=INVOICES, id=external_id, reason="future", rule="1.5", due=row.latest)
    return None


def _waiting(external_id: str, reason: str) -> Waiting:
    return Waiting(stream=INVOICES, id=external_id, reason=reason, rule="1.8")


def _without_conflicts(
    candidates: Mapping[str, InvoiceRow], waiting: set[str], account: Account, decision: Decision
) -> dict[str, InvoiceRow]:
    """The rows none of whose parts is another invoice's."""
    claims = _claims_of_held(candidates, waiting, account)
    accepted: dict[str, InvoiceRow] = {}
    for external_id, row in sorted(candidates.items(), key=lambda item: (item[1].invoice.date, item[0])):
        parts = list(_parts(row.invoice))
        taken = next((part for part in parts if claims.get(part.key, external_id) != external_id), None)
        if taken is None:
            claims.update((part.key, external_id) for part in parts)
            accepted[external_id] = row
            continue
        other = claims[taken.key]
        if other in waiting:
            decision.waiting.append(_waiting(external_id, f"its {taken.kind} {taken.id} is still on invoice {other}"))
        else:
            reason = f"is also the id of a {taken.kind} of invoice {other}"
            decision.rejects.append(Reject(stream=INVOICES, id=external_id, field=taken.field, reason=reason))
    return accepted


def _claims_of_held(
    candidates: Mapping[str, InvoiceRow], waiting: set[str], account: Account
) -> dict[tuple[str, str], str]:
    """Kind and id of parts that stay with the invoice that has them in ChartMogul."""
    claims: dict[tuple[str, str], str] = {}
    for external_id, invoice in account.holdings.invoices.items():
        row = candidates.get(external_id)
        if row is not None:
            wanted = {part.key for part in _parts(row.invoice)}
            claims.update((part.key, external_id) for part in _parts(invoice) if part.key in wanted)
        elif external_id in waiting or external_id not in account.invoices:
            claims.update((part.key, external_id) for part in _parts(invoice) if part.kind == _LINE)
    return claims


def _parts(invoice: Invoice) -> Iterator[_Part]:
    for place, line in enumerate(invoice.line_items):
        yield _Part(_LINE, line.external_id, f"line_items.{place}.external_id")
    for place, row in enumerate(invoice.transactions):
        yield _Part(_TRANSACTION, row.external_id, f"transactions.{place}.external_id")


def _with_what_people_set(row: InvoiceRow, held: Invoice | None) -> Invoice:
    """The invoice of a row; what it does not say, and a person may have set in ChartMogul, stays."""
    if held is None:
        return row.invoice
    return msgspec.structs.replace(
        row.invoice,
        status=row.invoice.status if row.says_status else held.status,
        disabled=row.invoice.disabled if row.says_disabled else held.disabled,
    )
