"""Reading a transaction from a request (fact sheet §3.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.chartmogul import errors, timestamps
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.records import DataSource, Invoice, Transaction

EXCEEDS = "The sum of the transactions exceeds the amount of the invoice"


@dataclass(slots=True)
class TransactionDraft:
    values: dict[str, Any]
    extra: dict[str, Any] = field(default_factory=dict)

    def build(self, seq: int, invoice: Invoice) -> Transaction:
        return Transaction(seq, invoice, extra=self.extra or None, **self.values)


def read(reader: Reader, source: DataSource, taken: set[str], current: Transaction | None = None) -> TransactionDraft:
    """All fields of a transaction; with `current`, absent ones keep its values. Errors stay in the reader."""
    if current is not None:
        reader.data = {**_as_request(current), **reader.data}
    external_id = reader.text("external_id")
    if external_id is not None:
        holder = source.transactions_by_id.get(external_id)
        if (holder is not None and holder is not current) or external_id in taken:
            reader.note("external_id", errors.TAKEN)
        taken.add(external_id)
    values = {
        "external_id": external_id,
        "kind": reader.choice("type", ("payment", "refund"), required=True) or "payment",
        "date": reader.moment("date", required=True, past="Date is in the future") or 0,
        "result": reader.choice("result", ("successful", "failed"), required=True) or "failed",
        "amount": reader.integer("amount_in_cents", least=0),
    }
    extra = {
        "transaction_fees_in_cents": reader.integer("transaction_fees_in_cents"),
        "transaction_fees_currency": reader.currency("transaction_fees_currency"),
    }
    return TransactionDraft(values, {name: value for name, value in extra.items() if value is not None})


def exceeds(total: int, values: list[dict[str, Any]]) -> bool:
    """Whether the successful payments, or the refunds, sum to more than the invoice."""
    for kind in ("payment", "refund"):
        amounts = [
            total if v["amount"] is None else v["amount"]
            for v in values
            if v["kind"] == kind and v["result"] == "successful"
        ]
        if amounts and sum(amounts) > max(total, 0):
            return True
    return False


def stored_values(transaction: Transaction) -> dict[str, Any]:
    return {"kind": transaction.kind, "result": transaction.result, "amount": transaction.amount}


def _as_request(transaction: Transaction) -> dict[str, Any]:
    known = {
        "external_id": transaction.external_id,
        "type": transaction.kind,
        "date": timestamps.with_milliseconds(transaction.date),
        "result": transaction.result,
        "amount_in_cents": transaction.amount,
    }
    return {**known, **(transaction.extra or {})}
