"""What ChartMogul should hold of an account, from all its rows and from what ChartMogul holds (rules 1.1, 1.2).

Pure. A row is the whole object. A row that is gone goes on to count, and is reported, unless `hard_delete` is set. What
ChartMogul holds without any row stays as it is (rule 1.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final

import msgspec

from target_chartmogul.billing.decisions import Decision, Note
from target_chartmogul.billing.emails import email_fingerprint, is_valid_email
from target_chartmogul.billing.objects import Customer
from target_chartmogul.sources.native.account import Account, Catalogue
from target_chartmogul.sources.native.cancellations import cancellation_notes, decide_cancellations
from target_chartmogul.sources.native.invoices import decide_invoices
from target_chartmogul.sources.native.streams import CANCELLATIONS, CUSTOMERS, INVOICES, TRANSACTIONS
from target_chartmogul.sources.native.transactions import join_transactions

_PAST_DATES: Final = ("lead_created_at", "free_trial_started_at")
"""Dates of a customer that ChartMogul does not take from the future."""
_NONE: frozenset[str] = frozenset()


def decide(account: Account, catalogue: Catalogue, *, hard_delete: bool, now: datetime) -> Decision:
    """All that ChartMogul should hold of an account.

    Args:
        account: its rows and holdings.
        catalogue: the plans.
        hard_delete: whether what is gone is deleted; of customers only those of whom nothing is left.
        now: the clock of the run.
    """
    removed: Mapping[str, AbstractSet[str]] = account.gone if hard_delete else {}
    invoices = _left(account.invoices, removed.get(INVOICES, _NONE))
    transactions = _left(account.transactions, removed.get(TRANSACTIONS, _NONE))
    cancellations = _left(account.cancellations, removed.get(CANCELLATIONS, _NONE))
    decision = Decision()
    dues: list[datetime] = _decide_customers(account, decision, now)
    accepted = decide_invoices(account, invoices, catalogue, decision, now)
    join_transactions(account, accepted, transactions, decision, now)
    dues += decide_cancellations(account, cancellations, decision, now)
    if removed:
        needed = {each.invoice.customer_external_id for each in invoices.values()}
        needed |= {each.customer_external_id for each in cancellations.values()}
        _remove_customers(removed.get(CUSTOMERS, _NONE), needed, decision)
    decision.notes += cancellation_notes(account.holdings.events, decision)
    decision.notes += _notes_of_gone(account, decision, removed)
    dues += [each.due for each in decision.waiting if each.due is not None]
    decision.next_due = min(dues, default=None)
    return decision


def _left(rows: Mapping[str, Any], removed: AbstractSet[str]) -> dict[str, Any]:
    return {key: row for key, row in sorted(rows.items()) if key not in removed}


def _decide_customers(account: Account, decision: Decision, now: datetime) -> list[datetime]:
    """Put the customers into the decision; when a date of theirs comes, which is left out until then."""
    dues: list[datetime] = []
    decision.customers = dict(account.holdings.customers)
    for external_id, row in sorted(account.customers.items()):
        held = account.holdings.customers.get(external_id)
        future = [name for name in _PAST_DATES if (at := getattr(row, name)) is not None and at > now]
        dues += [getattr(row, name) for name in future]
        email, note = _email(row, account.refused_emails.get(external_id))
        decision.notes += note
        decision.customers[external_id] = msgspec.structs.replace(
            row,
            email=email,
            tags=held.tags if held else (),
            custom=held.custom if held else (),
            **dict.fromkeys(future),
        )
    return dues


def _email(row: Customer, refused: str | None) -> tuple[str | None, list[Note]]:
    """§0 f, rule 9.9: an address that is not valid, or that ChartMogul refused, is not sent; its customer is."""
    if not row.email:
        return None, []
    if not is_valid_email(row.email):
        return None, [Note(kind="dropped_emails", id=row.external_id, rule="3.3")]
    if refused is not None and email_fingerprint(row.email) == refused:
        return None, [Note(kind="refused_emails", id=row.external_id, rule="9.9")]
    return row.email, []


def _remove_customers(gone: AbstractSet[str], needed: AbstractSet[str], decision: Decision) -> None:
    """Those that are gone, unless something of theirs is left."""
    needed |= {each.customer_external_id for each in decision.invoices.values()}
    needed |= {each.customer_external_id for each in decision.events.values()}
    decision.customers = {key: each for key, each in decision.customers.items() if key not in gone or key in needed}


def _notes_of_gone(account: Account, decision: Decision, removed: Mapping[str, AbstractSet[str]]) -> list[Note]:
    """Rows that are gone and go on to count all the same."""
    return [
        Note(
            kind="gone_rows",
            id=f"{stream}:{external_id}",
            rule="1.8",
            detail={"stream": stream, "record": external_id},
        )
        for stream in sorted(account.gone)
        for external_id in sorted(account.gone[stream])
        if external_id not in removed.get(stream, _NONE) or (stream == CUSTOMERS and external_id in decision.customers)
    ]
