"""Refunds (rule 5.4): rows of `payments` first, and what Keap's `refund_total` has beyond them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from target_chartmogul.billing.decisions import Note, Waiting
from target_chartmogul.billing.money import from_hundredths, to_smallest
from target_chartmogul.billing.objects import PAYMENT, REFUND
from target_chartmogul.sources.keap.payments.accounts import OrderAccount
from target_chartmogul.sources.keap.payments.allocation import Part, Room, Rooms
from target_chartmogul.sources.keap.payments.attempts import Row
from target_chartmogul.sources.keap.payments.payments import Entry, Ledgered
from target_chartmogul.sources.keap.payments.settlement import Settlements
from target_chartmogul.sources.keap.records import Payment


class _Purse(msgspec.Struct):
    """What a REFUND row still has; its orders share it, and rows of other orders may look the same."""

    left: int


class Refunder:
    """Books refunds on accounts; what it cannot book is held or noted.

    Args:
        accounts: the orders' accounts, by id.
        rooms: of those, and of orders that only ChartMogul knows.
        payments: the account's rows by id.
        ledgered: the same by what they are.
        answer: gets what is held and noted.
    """

    def __init__(
        self,
        accounts: Mapping[str, OrderAccount],
        rooms: Rooms,
        payments: Mapping[str, Payment],
        ledgered: Ledgered,
        answer: Settlements,
    ) -> None:
        self._accounts = accounts
        self._rooms = rooms
        self._payments = payments
        self._ledgered = ledgered
        self._answer = answer
        self._zero_decimal_amounts = rooms.settings.zero_decimal_amounts

    def book_payments(self) -> None:
        """Refund rows of `payments`, in order of time."""
        for entry in self._ledgered.refunds:
            rooms = self._rooms.of(self._orders_of(entry))
            if not self._is_known(entry, rooms):
                self._answer.waiting.append(
                    Waiting(stream="payments", id=entry.payment_id, reason="unsettled", rule="5.4")
                )
            elif rooms:
                self._book(entry, rooms)

    def book_rows(self, rows: Iterable[Row]) -> None:
        """Successful REFUND rows, in order of time, for what `refund_total` has beyond the refunds of `payments`."""
        by_order: dict[str, dict[str, Part]] = defaultdict(dict)
        purses: dict[tuple[str, str], _Purse] = {}
        for row in rows:
            purse: _Purse | None = None
            for room in self._rooms.of(row.order_ids):
                amount = to_smallest(row.amount, room.currency)
                purse = purses[room.order_id, row.digits] = purse or _Purse(left=amount)
                part = Part(payment_id=row.digits, time=row.time, amount=amount, from_row=True)
                by_order[room.order_id][row.digits] = part
        for order_id, account in sorted(self._accounts.items(), key=lambda each: (each[1].order.date, each[0])):
            found = list(by_order[order_id].values())
            if found or account.order.order.refund_total:
                self._book_rest(account, found, purses)

    def _orders_of(self, entry: Entry) -> tuple[str, ...]:
        """Its own, else those of the payments that it refunds, each once."""
        originals = self._ledgered.refunded_by.get(entry.payment_id, ())
        theirs = (order_id for each in originals for order_id in self._payments[each].order_ids or ())
        return entry.order_ids or tuple(dict.fromkeys(theirs))

    def _is_known(self, entry: Entry, rooms: list[Room]) -> bool:
        """Whether the payment that was refunded is there: it names the refund, or its orders had money."""
        if entry.payment_id in self._ledgered.refunded_by:
            return True
        if entry.order_ids and not rooms:
            return True  # none of them is sent, which is noted where it is news
        return any(
            (self._accounts[room.order_id].cash > 0 if room.unrecorded is None else room.unrecorded.amount(PAYMENT) > 0)
            for room in rooms
        )

    def _book(self, entry: Entry, rooms: list[Room]) -> None:
        left = to_smallest(entry.amount, rooms[0].currency)
        for room in rooms:
            if room.unrecorded is not None:
                held = room.unrecorded.amount(REFUND, entry.payment_id)
                left -= min(left, from_hundredths(held, room.currency, self._zero_decimal_amounts))
        mine = [self._accounts[room.order_id] for room in rooms if room.unrecorded is None]
        for account in mine:
            against = min(left, account.excess)
            if against and len(mine) > 1:
                account.excess -= against
                account.found_refunds.append((entry.time, against))
                left -= against
        for account in mine:
            booked = account.pay_back(Part(payment_id=entry.payment_id, time=entry.time, amount=left))
            left -= booked
            if booked:
                account.found_refunds.append((entry.time, booked))
        if left and mine:
            mine[-1].found_refunds.append((entry.time, left))
            if above := mine[-1].in_cents(left):
                self._note("refunds_above_payments", entry, {"amount_in_cents": above})

    def _book_rest(self, account: OrderAccount, rows: list[Part], purses: Mapping[tuple[str, str], _Purse]) -> None:
        order = account.order
        stated = order.order.refund_total.amount if order.order.refund_total else None
        rest = abs(stated or 0) - sum([amount for _, amount in account.found_refunds])
        for row in sorted(_unmatched(rows, account), key=lambda each: (each.time, each.payment_id)):
            purse = purses[str(order.order.id), row.payment_id]
            amount = min(rest, row.amount, purse.left)
            if amount > 0:
                rest -= amount
                purse.left -= amount
                account.pay_back(msgspec.structs.replace(row, amount=amount))
        if (not_found := account.in_cents(rest)) > 0 and not order.is_kept_out:
            detail = {"amount_in_cents": not_found}
            self._answer.notes.append(Note(kind="refunds_not_found", id=str(order.order.id), rule="5.4", detail=detail))

    def _note(self, kind: str, entry: Entry, detail: dict[str, object]) -> None:
        self._answer.notes.append(Note(kind=kind, id=entry.payment_id, rule="5.4", detail=detail))


def _unmatched(rows: list[Part], account: OrderAccount) -> list[Part]:
    """Rows less those that are the gateway's side of a refund that was found: same amount, nearest in time."""
    left = list(rows)
    for time, amount in account.found_refunds:
        same = [row for row in left if row.amount == amount]
        if same:
            left.remove(min(same, key=lambda row: (abs(row.time - time), row.payment_id)))
    return left
