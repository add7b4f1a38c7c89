"""What the decision is given: one account, which is customers that belong together, with all rows of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import Customer, Plan
from target_chartmogul.sources.native.rows import CancellationRow, InvoiceRow, TransactionRow, decoded
from target_chartmogul.sources.native.streams import (
    CANCELLATIONS,
    CUSTOMERS,
    INVOICES,
    PLANS,
    STREAMS,
    TRANSACTIONS,
    node_of,
)
from target_chartmogul.sources.protocol import StoredMemory, StoredRecord

REFUSED_EMAIL: Final = "refused_email"
"""Kind of a memory: the fingerprint of an address that ChartMogul refused, of the customer that it is about (9.9)."""


class Catalogue(msgspec.Struct, kw_only=True):
    """Plans by external id: those of rows (gone ones count too, rule 1.8), and those that ChartMogul has."""

    plans: dict[str, Plan] = {}
    plans_held: Mapping[str, Plan] = {}

    def has(self, plan: str) -> bool:
        """Whether a line can name it."""
        return plan in self.plans or plan in self.plans_held


class Account(msgspec.Struct, kw_only=True):
    """All rows of an account by external id, gone ones too, and what ChartMogul holds of it."""

    customers: dict[str, Customer] = {}
    invoices: dict[str, InvoiceRow] = {}
    transactions: dict[str, TransactionRow] = {}
    cancellations: dict[str, CancellationRow] = {}
    gone: dict[str, set[str]] = {}
    """Stream -> ids of rows that are gone."""
    holdings: Holdings = msgspec.field(default_factory=Holdings)
    refused_emails: dict[str, str] = {}
    """Customer -> fingerprint of an address that ChartMogul refused (rule 9.9)."""

    def gone_of(self, stream: str) -> set[str]:
        """Ids of a stream's rows that are gone."""
        return self.gone.get(stream, set())


def catalogue_of(records: Iterable[StoredRecord], plans_held: Mapping[str, Plan]) -> Catalogue:
    """The catalogue, from its records."""
    rows = (decoded(PLANS, each.payload) for each in records if each.payload is not None)
    return Catalogue(plans={row.external_id: row for row in rows if isinstance(row, Plan)}, plans_held=plans_held)


def account_of(records: Iterable[StoredRecord], holdings: Holdings, memories: Iterable[StoredMemory]) -> Account:
    """An account, from the store. A record of which no version was ever valid is left out."""
    account = Account(holdings=holdings)
    shelves: dict[str, dict[str, Any]] = {
        CUSTOMERS: account.customers,
        INVOICES: account.invoices,
        TRANSACTIONS: account.transactions,
        CANCELLATIONS: account.cancellations,
    }
    for record in records:
        stream = STREAMS[record.stream]
        if record.payload is None or record.id_text is None or stream not in shelves:
            continue
        shelves[stream][record.id_text] = decoded(stream, record.payload)
        if record.gone:
            account.gone.setdefault(stream, set()).add(record.id_text)
    refused = {each.node: each.value.decode() for each in memories if each.kind == REFUSED_EMAIL}
    if refused:
        nodes = {name: node_of(CUSTOMERS, name) for name in account.customers}
        account.refused_emails = {name: refused[node] for name, node in nodes.items() if node in refused}
    return account
