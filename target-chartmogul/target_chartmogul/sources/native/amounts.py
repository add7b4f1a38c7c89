"""Amounts of rows that are ChartMogul's objects, and of what ChartMogul lists of them, for `verify` (rule 7.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from target_chartmogul.billing.amounts import ORDERS, PAYMENTS, REFUNDS, Amount, Reason, counted, month
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.objects import REFUND, SUCCESSFUL, Invoice, Transaction
from target_chartmogul.sources.native.account import account_of
from target_chartmogul.sources.native.streams import CANCELLATIONS, INVOICES, TRANSACTIONS
from target_chartmogul.sources.protocol import Context, StoredRecord


def stated(records: Iterable[StoredRecord], actual: Holdings, decision: Decision, context: Context) -> Iterator[Amount]:
    """What the rows say; see the same function of Keap's records."""
    del context
    account = account_of(records, actual, ())
    currencies: dict[str, str] = {key: each.currency for key, each in actual.invoices.items()}
    for row in account.invoices.values():
        currencies[row.invoice.external_id] = row.invoice.currency
        yield from _invoice(row.invoice)
    nested = {each.external_id for row in account.invoices.values() for each in row.invoice.transactions}
    for key, move in account.transactions.items():
        currency = currencies.get(move.invoice_external_id)
        if currency is not None and key not in nested:
            yield from _move(move.invoice_external_id, currency, move.transaction)
    yield from counted(decision.events.values(), decision.invoices.values(), _Rows())


def listed(actual: Holdings) -> Iterator[Amount]:
    """What ChartMogul lists, by the same keys."""
    for invoice in actual.invoices.values():
        yield from _invoice(invoice)
    yield from counted(actual.events.values(), actual.invoices.values(), _Rows())


def reasons(decision: Decision, records: Iterable[StoredRecord], context: Context) -> dict[str, list[Reason]]:
    """No rule has ChartMogul hold something else on purpose."""
    del decision, records, context
    return {}


class _Rows(dict[str, str]):
    """External id of an event -> its row."""

    def __missing__(self, event: str) -> str:
        return f"{CANCELLATIONS}:{event}"


def _invoice(invoice: Invoice) -> Iterator[Amount]:
    total = sum(line.amount_in_cents for line in invoice.line_items)
    name = invoice.external_id
    yield Amount(ORDERS, name, (f"{INVOICES}:{name}",), month(invoice.date), invoice.currency, total)
    for move in invoice.transactions:
        yield from _move(name, invoice.currency, move)


def _move(invoice: str, currency: str, move: Transaction) -> Iterator[Amount]:
    if move.result == SUCCESSFUL:
        what = REFUNDS if move.type == REFUND else PAYMENTS
        records = (f"{TRANSACTIONS}:{move.external_id}", f"{INVOICES}:{invoice}")
        yield Amount(what, move.external_id, records, month(move.date), currency, move.amount_in_cents)
