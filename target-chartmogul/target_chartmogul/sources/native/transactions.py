"""Transactions: nested in an invoice's row, or in rows of their own, or held without either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Decision, Reject, Waiting
from target_chartmogul.billing.objects import Transaction
from target_chartmogul.sources.native.account import Account
from target_chartmogul.sources.native.rows import InvoiceRow, TransactionRow
from target_chartmogul.sources.native.streams import INVOICES, TRANSACTIONS


def join_transactions(
    account: Account,
    accepted: Mapping[str, InvoiceRow],
    rows: Mapping[str, TransactionRow],
    decision: Decision,
    now: datetime,
) -> None:
    """Each transaction into its invoice, and out of any other that had it.

    An invoice whose row lists transactions has exactly these, and those of the stream that name it if its list is
    empty. One whose row has no list keeps what it has, but for what rows say of it.

    Args:
        account: what ChartMogul holds, and all rows of the stream.
        accepted: rows of invoices that are sent.
        rows: rows of the stream that count.
        decision: has the invoices already.
        now: the clock of the run.
    """
    nested = {
        each.external_id: external_id for external_id, row in accepted.items() for each in row.invoice.transactions
    }
    known = account.transactions.keys() | nested.keys()
    for external_id, invoice in list(decision.invoices.items()):
        listing = accepted.get(external_id)
        if listing is None or not listing.lists_transactions:
            held = account.holdings.invoices.get(external_id, invoice).transactions
            _put(decision, external_id, [each for each in held if each.external_id not in known])
    unsent: set[str] = set()
    for external_id, row in rows.items():
        problem = _why_not(row, accepted, nested, account.gone_of(INVOICES), decision, now)
        if problem is None and external_id not in nested:
            home = row.invoice_external_id
            _put(decision, home, [*decision.invoices[home].transactions, row.transaction])
        elif external_id not in nested:
            unsent.add(external_id)
        if isinstance(problem, Reject):
            decision.rejects.append(problem)
        elif problem is not None:
            decision.waiting.append(problem)
    _keep_held(account, unsent, decision)


def _why_not(
    row: TransactionRow,
    accepted: Mapping[str, InvoiceRow],
    nested: Mapping[str, str],
    gone: AbstractSet[str],
    decision: Decision,
    now: datetime,
) -> Reject | Waiting | None:
    """What keeps a row of the stream from being sent."""
    external_id, home = row.transaction.external_id, row.invoice_external_id
    listed_by = nested.get(external_id)
    if listed_by is not None and listed_by != home:
        return _reject(external_id, "external_id", f"is also the id of a transaction of invoice {listed_by}")
    listed = accepted[home].invoice.transactions if home in accepted else ()
    if listed and row.transaction not in listed:
        reason = "differs from what its invoice lists" if listed_by else "names an invoice that lists its transactions"
        return _reject(external_id, "invoice_external_id" if listed_by is None else "", reason)
    if row.transaction.date > now:
        return Waiting(stream=TRANSACTIONS, id=external_id, reason="future", rule="1.5", due=row.transaction.date)
    if home not in decision.invoices:
        reason = f"its invoice {home} {'is gone' if home in gone else 'has not arrived'}"
        return Waiting(stream=TRANSACTIONS, id=external_id, reason=reason, rule="1.8")
    return None


def _reject(external_id: str, field: str, reason: str) -> Reject:
    return Reject(stream=TRANSACTIONS, id=external_id, field=field, reason=reason)


def _keep_held(account: Account, unsent: set[str], decision: Decision) -> None:
    """A row that is not sent changes nothing of what ChartMogul holds."""
    for external_id, invoice in account.holdings.invoices.items():
        kept = [each for each in invoice.transactions if each.external_id in unsent]
        if kept and external_id in decision.invoices:
            _put(decision, external_id, [*decision.invoices[external_id].transactions, *kept])


def _put(decision: Decision, invoice: str, rows: Iterable[Transaction]) -> None:
    decision.invoices[invoice] = msgspec.structs.replace(decision.invoices[invoice], transactions=tuple(rows))
