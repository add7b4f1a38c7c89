"""From an order's account to the transactions and credit lines of its invoices (rules 4.8, 5.3 to 5.5, 5.7, §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from target_chartmogul.billing.objects import (
    FAILED,
    ONE_TIME,
    PAYMENT,
    REFUND,
    SUCCESSFUL,
    LineItem,
    Transaction,
)
from target_chartmogul.sources.keap import ids
from target_chartmogul.sources.keap.payments.accounts import OrderAccount
from target_chartmogul.sources.keap.payments.settlement import InvoiceShell, Movement, Settlement

CREDIT = "Keap credit"
"""Description of a credit line (rule 5.7)."""


class _Till(msgspec.Struct, kw_only=True):
    """One invoice while money goes in and out, in hundredths."""

    shell: InvoiceShell
    room: int
    paid: int = 0
    transactions: list[Transaction] = msgspec.field(default_factory=list)
    credit_lines: list[LineItem] = msgspec.field(default_factory=list)


def post(account: OrderAccount, failed: Iterable[Movement]) -> Settlement:
    """Everything of an account on the order's invoices.

    Payments fill the first invoice, then the next; refunds come back in the same order. Credits and failed attempts
    are on the first (rule 4.8). Each takes its share where items are excluded (§8).

    Args:
        account: the order's account, after refunds.
        failed: attempts, `key` being their digits.
    """
    tills = [_Till(shell=shell, room=max(shell.total_in_cents, 0)) for shell in account.order.invoices]
    if tills:
        sent = account.sent()
        _post_credits(account, sent.credits, tills[0])
        _post_attempts(account, failed, tills[0].transactions)
        if sent.payments:
            due = account.sent_total_in_cents + sum([line.amount_in_cents for line in tills[0].credit_lines])
            _post(account, sent.payments, tills, _pay_in, whole=due if account.is_settled else None)
        if sent.refunds:
            paid = sum([till.paid for till in tills])
            _post(account, sent.refunds, tills, _pay_back, whole=paid if account.refunded == account.paid else None)
        for till in tills:
            till.transactions.sort(key=_by_time)
    return Settlement(
        transactions={till.shell.external_id: tuple(till.transactions) for till in tills},
        credit_lines={till.shell.external_id: tuple(till.credit_lines) for till in tills if till.credit_lines},
        written_off=account.written_off and bool(tills),
        excess_in_cents=account.in_cents(account.excess),
        is_unpaid=_is_unpaid(account),
    )


def _is_unpaid(account: OrderAccount) -> bool:
    stated = account.order.order.total_paid
    paid = (stated.amount or 0) if stated else 0
    return not account.cash and not account.settled_by_credits and paid <= account.written_off_amount


def _by_time(transaction: Transaction) -> tuple[datetime, str]:
    return transaction.date, transaction.external_id


def _post_credits(account: OrderAccount, credits_sent: Iterable[Movement], till: _Till) -> None:
    for credit in credits_sent:
        amount = min(account.after_exclusion(credit.amount_in_cents), till.room)
        if amount > 0:
            till.room -= amount
            till.credit_lines.append(
                LineItem(
                    external_id=ids.credit_id(till.shell.external_id, credit.key),
                    type=ONE_TIME,
                    amount_in_cents=-amount,
                    description=CREDIT,
                    balance_transfer=True,
                )
            )


def _post_attempts(account: OrderAccount, failed: Iterable[Movement], transactions: list[Transaction]) -> None:
    invoice = account.order.invoices[0].external_id
    for attempt in failed:
        amount = account.after_exclusion(attempt.amount_in_cents)
        if amount > 0:
            transactions.append(
                Transaction(
                    external_id=ids.failed_attempt_of(invoice, attempt.key),
                    type=PAYMENT,
                    result=FAILED,
                    date=attempt.time.replace(microsecond=0),
                    amount_in_cents=amount,
                )
            )


def _pay_in(till: _Till, amount: int) -> int:
    taken = min(amount, till.room)
    till.room -= taken
    till.paid += taken
    return taken


def _pay_back(till: _Till, amount: int) -> int:
    taken = min(amount, till.paid)
    till.paid -= taken
    return taken


def _post(
    account: OrderAccount,
    movements: Sequence[Movement],
    tills: Sequence[_Till],
    take: Callable[[_Till, int], int],
    *,
    whole: int | None,
) -> None:
    """Spread movements over the invoices.

    Where they settle the whole, the last takes what rounding left of it (§8): an order paid in full is an invoice
    paid in full. The whole is what all invoices ask for together: one below zero takes from what the others may get.
    """
    kind = PAYMENT if take is _pay_in else REFUND
    posted = 0
    for at, movement in enumerate(movements):
        left = account.after_exclusion(movement.amount_in_cents)
        if whole is not None and at == len(movements) - 1:
            left = whole - posted
        left = max(left, 0)
        for till in tills:
            taken = take(till, left)
            left -= taken
            posted += taken
            if taken > 0:
                till.transactions.append(_transaction(movement, kind, till.shell.external_id, taken))


def _transaction(movement: Movement, kind: str, invoice: str, amount: int) -> Transaction:
    return Transaction(
        external_id=ids.refund_row_of(invoice, movement.key)
        if movement.from_row
        else ids.payment_transaction_id(movement.key, invoice),
        type=kind,
        result=SUCCESSFUL,
        date=movement.time.replace(microsecond=0),
        amount_in_cents=amount,
    )
