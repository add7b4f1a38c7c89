"""Payments, refunds, failed attempts, credits and write-offs of a group's orders (§5 whole, 9.8, 9.9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.money import half_up, to_hundredths, to_smallest
from target_chartmogul.billing.objects import PAYMENT, Invoice
from target_chartmogul.sources.keap.account import Attempt, Remembered
from target_chartmogul.sources.keap.held_orders import HeldOrder, held_orders
from target_chartmogul.sources.keap.payments.accounts import Account, open_account
from target_chartmogul.sources.keap.payments.allocation import (
    Part,
    Rooms,
    note_missing_orders,
    rooms_of,
    share_out,
    used_by_held,
)
from target_chartmogul.sources.keap.payments.attempts import Row, read_rows
from target_chartmogul.sources.keap.payments.payments import Ledgered, by_time, classify
from target_chartmogul.sources.keap.payments.postings import post
from target_chartmogul.sources.keap.payments.refunds import Refunder
from target_chartmogul.sources.keap.payments.settlement import Movement, OrderToSettle, Settlements
from target_chartmogul.sources.keap.records import OrderPayment, Payment, PaymentTransaction
from target_chartmogul.sources.keap.settings import MappingSettings


def settle(  # noqa: PLR0917 - the parts of a group, in its order
    orders: Sequence[OrderToSettle],
    payments: Mapping[str, Payment],
    transactions: Sequence[PaymentTransaction],
    order_payments: Iterable[OrderPayment],
    existing: Mapping[str, Invoice],
    remembered: Remembered,
    settings: MappingSettings,
    now: datetime,
    *,
    unreadable_payments: Collection[str] = frozenset(),
    unsent_orders: Collection[str] = frozenset(),
) -> Settlements:
    """What settles each order that arrived (§5).

    What ChartMogul holds of an order counts where Keap's row did not come along: failed attempts and REFUND rows
    (append-only, read with a look-back), refunds that a payment names, payments that could not be read.

    Args:
        orders: those that arrived and are sent, and those that are sent in no part.
        payments: the group's rows by id.
        transactions: the group's gateway rows.
        order_payments: the group's rows.
        existing: all invoices that ChartMogul holds of the group, by external id.
        remembered: its `voided_payments`, `attempts` and `totals_before_exclusion` count here.
        settings: `non_cash_payment_types`, `credits` and `zero_decimal_amounts` count here.
        now: the run's clock.
        unreadable_payments: ids of rows that arrived and could not be decoded.
        unsent_orders: orders that arrived and are not among `orders`: no news that their payments are not sent.
    """
    by_payment: dict[str, list[OrderPayment]] = defaultdict(list)
    for row in order_payments:
        if row.payment_id:
            by_payment[row.payment_id].append(row)
    ledgered = classify(
        payments=payments,
        transactions=transactions,
        order_payments=by_payment,
        order_of_invoice={each.order.invoice_id: str(each.order.id) for each in orders if each.order.invoice_id},
        voided_before=remembered.voided_payments,
        settings=settings,
        now=now,
    )
    rows = read_rows(transactions, remembered.attempts, now)
    held = held_orders(existing.values())
    rooms = rooms_of(orders, held, ledgered, by_payment, settings)
    rooms.unsent = unsent_orders
    answer = Settlements(
        orders={},
        notes=ledgered.notes,
        rejects=ledgered.rejects + rows.rejects,
        waiting=ledgered.waiting + rows.waiting,
        voided_payments=frozenset(each for each in ledgered.voided if each.isdecimal()),
    )
    unreadable = {*unreadable_payments, *(each.id for each in ledgered.rejects)}
    accounts = _accounts(orders, rooms, ledgered, answer, _kept_payments(orders, held, unreadable, settings))
    refunder = Refunder(accounts, rooms, payments, ledgered, answer)
    for order_id, account in accounts.items():
        if order_id in held:
            refunder.book_kept(account, held[order_id], unreadable)
    refunder.book_payments()
    refunder.book_rows(rows.refunds, held)
    failed = _failed(rows.failed, rooms, answer)
    for order_id, account in accounts.items():
        attempts = failed.get(order_id, [])
        answer.orders[order_id] = post(account, attempts + _kept_attempts(account, held.get(order_id), attempts))
        _note(account, order_id, answer)
    answer.late_attempts = {
        order_id: _share(attempts, held[order_id], remembered.totals_before_exclusion.get(order_id, 0))
        for order_id, attempts in failed.items()
        if order_id not in accounts
    }
    answer.next_due = min((each.due for each in answer.waiting if each.due), default=None)
    return answer


def _accounts(
    orders: Sequence[OrderToSettle],
    rooms: Rooms,
    ledgered: Ledgered,
    answer: Settlements,
    kept: Mapping[str, list[Part]],
) -> dict[str, Account]:
    used = used_by_held(rooms)
    cash = share_out(ledgered.cash, rooms, used, answer.notes)
    credited = share_out(ledgered.credits, rooms, used, answer.notes)
    written_off = share_out(ledgered.write_offs, rooms, used, answer.notes)
    for entry in ledgered.refunds:
        if entry.order_ids:
            note_missing_orders(entry, rooms, answer.notes)
    accounts: dict[str, Account] = {}
    for order in orders:
        order_id = str(order.order.id)
        parts = cash.get(order_id, [])
        if order_id in kept:
            parts = sorted(parts + kept[order_id], key=by_time)
        accounts[order_id] = open_account(
            order, parts, credited.get(order_id, []), written_off.get(order_id, []), rooms.settings
        )
    return accounts


def _kept_payments(
    orders: Iterable[OrderToSettle],
    held: Mapping[str, HeldOrder],
    unreadable: Collection[str],
    settings: MappingSettings,
) -> dict[str, list[Part]]:
    """By order: payments that ChartMogul holds and whose rows could not be read; they stay (rule 1.5)."""
    kept: dict[str, list[Part]] = {}
    for order in orders if unreadable else ():
        sent_before = held.get(str(order.order.id))
        account = Account(order=order, zero_decimal_amounts=settings.zero_decimal_amounts)
        dates = {
            each.key: each.date
            for each in (sent_before.transactions if sent_before else ())
            if each.kind == PAYMENT and each.key in unreadable and not each.from_row
        }
        for payment_id, date in dates.items():
            amount = account.was(sent_before.amount(PAYMENT, payment_id) if sent_before else 0)
            part = Part(payment_id=payment_id, time=date, amount=amount)
            kept.setdefault(str(order.order.id), []).append(part)
    return kept


def _failed(rows: Iterable[Row], rooms: Rooms, answer: Settlements) -> dict[str, list[Movement]]:
    """Rule 5.5: by order, with several on the oldest that is sent."""
    found: dict[str, dict[str, Movement]] = defaultdict(dict)
    attempts: dict[str, dict[str, Attempt]] = defaultdict(dict)
    for row in rows:
        known = rooms.of(row.order_ids)
        room = next((each for each in known if each.sent), None)
        order_id = room.order_id if room else next(iter([*(each.order_id for each in known), *row.order_ids]), None)
        if order_id is None:
            answer.notes.append(Note(kind="attempts_without_order", id=row.digits, rule="5.5"))
            continue
        attempts[order_id][row.digits] = Attempt(digits=row.digits, time=row.time, amount=row.amount)
        if room is not None:
            amount = to_hundredths(
                to_smallest(row.amount, room.currency), room.currency, rooms.settings.zero_decimal_amounts
            )
            found[order_id][row.digits] = Movement(key=row.digits, time=row.time, amount_in_cents=amount)
    answer.attempts = {order_id: list(by_digits.values()) for order_id, by_digits in attempts.items()}
    return {order_id: list(by_digits.values()) for order_id, by_digits in found.items()}


def _share(attempts: list[Movement], held: HeldOrder, total_in_cents: int) -> list[Movement]:
    """Attempts for an order that did not arrive, without the share of items that are left out of it (§8)."""
    if total_in_cents <= 0:
        return attempts
    return [
        msgspec.structs.replace(
            each, amount_in_cents=half_up(each.amount_in_cents * held.total_in_cents, total_in_cents)
        )
        for each in attempts
    ]


def _kept_attempts(account: Account, held: HeldOrder | None, arrived: Iterable[Movement]) -> list[Movement]:
    """Failed attempts that ChartMogul holds and whose rows were not read again."""
    keys = {each.key for each in arrived}
    return [
        Movement(key=each.key, time=each.date, amount_in_cents=account.before_exclusion(each.amount_in_cents))
        for each in (held.transactions if held else ())
        if each.failed and each.from_row and each.key not in keys
    ]


def _note(account: Account, order_id: str, answer: Settlements) -> None:
    if excess := account.in_cents(account.excess):
        detail = {"amount_in_cents": excess, "currency": account.order.currency}
        answer.notes.append(Note(kind="excess", id=order_id, rule="5.3", detail=detail))
    if account.credits_unsettled:
        answer.notes.append(Note(kind="credits_not_sent", id=order_id, rule="5.7"))
