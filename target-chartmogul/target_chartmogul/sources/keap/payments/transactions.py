"""Payments, refunds, failed attempts, credits and write-offs of an account's orders (§5 whole, 9.8, 9.9)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.money import to_hundredths, to_smallest
from target_chartmogul.sources.keap.account import Account
from target_chartmogul.sources.keap.payments.accounts import OrderAccount, open_account
from target_chartmogul.sources.keap.payments.allocation import Rooms, note_missing_orders, rooms_of, share_out
from target_chartmogul.sources.keap.payments.attempts import Row, read_rows
from target_chartmogul.sources.keap.payments.payments import Ledgered, classify
from target_chartmogul.sources.keap.payments.postings import post
from target_chartmogul.sources.keap.payments.refunds import Refunder
from target_chartmogul.sources.keap.payments.settlement import Movement, OrderToSettle, Settlements
from target_chartmogul.sources.keap.records import OrderPayment
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.unrecorded_orders import UnrecordedOrder


def settle(
    orders: Sequence[OrderToSettle],
    account: Account,
    unrecorded: Mapping[str, UnrecordedOrder],
    settings: MappingSettings,
    now: datetime,
) -> Settlements:
    """What settles each order (§5).

    Args:
        orders: those that are sent, and those that are sent in no part.
        account: its `payments`, `transactions` and `order_payments` count here.
        unrecorded: orders that only ChartMogul knows.
        settings: `non_cash_payment_types`, `credits` and `zero_decimal_amounts` count here.
        now: the run's clock.
    """
    by_payment: dict[str, list[OrderPayment]] = defaultdict(list)
    for row in account.order_payments:
        if row.payment_id:
            by_payment[row.payment_id].append(row)
    order_of_invoice = (
        {each.invoice_id: order_id for order_id, each in account.orders.items() if each.invoice_id}
        if by_payment
        else {}
    )
    ledgered = classify(
        payments=account.payments,
        transactions=account.transactions,
        order_payments=by_payment,
        order_of_invoice=order_of_invoice,
        settings=settings,
        now=now,
    )
    rows = read_rows(account.transactions, now)
    rooms = rooms_of(orders, unrecorded, ledgered, by_payment, order_of_invoice, settings)
    rooms.known = account.orders.keys()
    answer = Settlements(
        orders={},
        notes=ledgered.notes,
        rejects=ledgered.rejects + rows.rejects,
        waiting=ledgered.waiting + rows.waiting,
    )
    accounts = _accounts(orders, rooms, ledgered, answer)
    refunder = Refunder(accounts, rooms, account.payments, ledgered, answer)
    refunder.book_payments()
    refunder.book_rows(rows.refunds)
    failed = _failed(rows.failed, rooms, answer)
    for order_id, each in accounts.items():
        answer.orders[order_id] = post(each, failed.get(order_id, ()))
        if not each.order.is_kept_out:
            _note(each, order_id, answer)
    answer.next_due = min((each.due for each in answer.waiting if each.due), default=None)
    return answer


def _accounts(
    orders: Sequence[OrderToSettle], rooms: Rooms, ledgered: Ledgered, answer: Settlements
) -> dict[str, OrderAccount]:
    used: Counter[str] = Counter()
    cash = share_out(ledgered.cash, rooms, used, answer.notes)
    credited = share_out(ledgered.credits, rooms, used, answer.notes)
    written_off = share_out(ledgered.write_offs, rooms, used, answer.notes)
    for entry in ledgered.refunds:
        if entry.order_ids:
            note_missing_orders(entry, rooms, answer.notes)
    return {
        order_id: open_account(
            order, cash.get(order_id, []), credited.get(order_id, []), written_off.get(order_id, []), rooms.settings
        )
        for order in orders
        for order_id in (str(order.order.id),)
    }


def _failed(rows: Iterable[Row], rooms: Rooms, answer: Settlements) -> dict[str, list[Movement]]:
    """Rule 5.5: by order, with several on the oldest that is sent."""
    found: dict[str, dict[str, Movement]] = defaultdict(dict)
    for row in rows:
        room = next((each for each in rooms.of(row.order_ids) if each.sent), None)
        if room is not None:
            amount = to_smallest(row.amount, room.currency)
            sent = to_hundredths(amount, room.currency, rooms.settings.zero_decimal_amounts)
            found[room.order_id][row.digits] = Movement(key=row.digits, time=row.time, amount_in_cents=sent)
        elif not any(each in rooms.known for each in row.order_ids):
            answer.notes.append(Note(kind="attempts_without_order", id=row.digits, rule="5.5"))
    return {order_id: list(by_digits.values()) for order_id, by_digits in found.items()}


def _note(account: OrderAccount, order_id: str, answer: Settlements) -> None:
    if excess := account.in_cents(account.excess):
        detail: dict[str, object] = {"amount_in_cents": excess, "currency": account.order.currency}
        answer.notes.append(Note(kind="excess", id=order_id, rule="5.3", detail=detail))
    if account.credits_not_sent:
        answer.notes.append(Note(kind="credits_not_sent", id=order_id, rule="5.7"))
    stated = account.order.order.total_paid
    missing = account.in_cents(((stated.amount or 0) if stated else 0) - account.found)
    if missing > 0:
        detail = {"amount_in_cents": missing, "currency": account.order.currency}
        answer.notes.append(Note(kind="payments_not_found", id=order_id, rule="5.3", detail=detail))
