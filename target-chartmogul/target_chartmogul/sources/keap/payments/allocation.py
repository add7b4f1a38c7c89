"""How a payment over several orders is shared among them (rules 5.2, 9.8)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.money import from_hundredths, to_smallest
from target_chartmogul.billing.objects import PAYMENT
from target_chartmogul.sources.keap.payments.payments import Entry, Ledgered, by_time, order_id
from target_chartmogul.sources.keap.payments.settlement import OrderToSettle
from target_chartmogul.sources.keap.records import OrderPayment
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.unrecorded_orders import UnrecordedOrder

_NEVER_PAID = {"FAILED", "ERROR"}


class Room(msgspec.Struct, kw_only=True):
    """An order that payments can go to; amounts in the currency's smallest unit."""

    order_id: str
    date: datetime
    currency: str
    total: int
    unrecorded: UnrecordedOrder | None = None
    """Set where only ChartMogul knows the order: it takes what is held, and gets nothing new (rule 4.10)."""
    sent: bool = True
    """False where no invoice of it is sent, all its items being excluded (§8)."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one order gets of one payment, in the currency's smallest unit."""

    payment_id: str
    """Or the digits of a refund row, where `from_row` says so."""
    time: datetime
    amount: int
    from_row: bool = False


class Rooms(msgspec.Struct, kw_only=True):
    """All that sharing needs to know of an account, by order id and payment id."""

    by_order: dict[str, Room]
    order_payments: dict[str, list[OrderPayment]]
    order_of_invoice: dict[str, str]
    voided_parts: frozenset[tuple[str, str | None]]
    settings: MappingSettings
    known: Collection[str] = frozenset()
    """Ids of all orders that have a record, those too that are not sent: drafts, those of the future."""

    def of(self, order_ids: Iterable[str]) -> list[Room]:
        """The known ones among orders, in order of date."""
        found = [self.by_order[each] for each in order_ids if each in self.by_order]
        if len(found) > 1:
            found.sort(key=lambda room: (room.date, len(room.order_id), room.order_id))
        return found


def rooms_of(
    orders: Iterable[OrderToSettle],
    unrecorded: Mapping[str, UnrecordedOrder],
    ledgered: Ledgered,
    order_payments: Mapping[str, list[OrderPayment]],
    order_of_invoice: Mapping[str, str],
    settings: MappingSettings,
) -> Rooms:
    """Rooms of the orders that are settled, and of those that only ChartMogul knows."""
    by_order = {
        str(each.order.id): Room(
            order_id=str(each.order.id),
            date=each.date,
            currency=each.currency,
            total=each.total,
            sent=bool(each.invoices),
        )
        for each in orders
    }
    for this, order in unrecorded.items():
        by_order[this] = Room(order_id=this, date=order.date, currency=order.currency, total=0, unrecorded=order)
    return Rooms(
        by_order=by_order,
        order_payments=dict(order_payments),
        order_of_invoice=dict(order_of_invoice),
        voided_parts=ledgered.voided_parts,
        settings=settings,
    )


def share_out(entries: Iterable[Entry], rooms: Rooms, used: Counter[str], notes: list[Note]) -> dict[str, list[Part]]:
    """Rule 5.2: what each order gets, in order of time.

    One order: the whole amount. Several: as `order_payments` say, if they sum to the payment, else the older order
    first, up to its total less what else is used of it; what no order has room for goes to the last.

    Args:
        entries: rows of one class, in order of time.
        rooms: the orders.
        used: what is already taken of each order, in its smallest unit; counted on here.
        notes: gets the payments whose order is not there (rule 9.8).
    """
    parts: dict[str, list[Part]] = defaultdict(list)

    def give(room: Room, entry: Entry, amount: int) -> None:
        if room.unrecorded is None and amount > 0:
            used[room.order_id] += amount
            parts[room.order_id].append(Part(payment_id=entry.payment_id, time=entry.time, amount=amount))

    waiting: list[Entry] = []
    for entry in entries:
        note_missing_orders(entry, rooms, notes)
        if len(entry.order_ids) <= 1:
            for room in _open(entry, rooms):
                give(room, entry, to_smallest(entry.amount, room.currency))
        elif (stated := _stated(entry, rooms)) is None:
            waiting.append(entry)
        else:
            for room, major in stated:
                give(room, entry, to_smallest(major, room.currency))
    for entry in waiting:
        for room, amount in _by_age(entry, rooms, used):
            give(room, entry, amount)
    for each in parts.values():
        each.sort(key=by_time)
    return parts


def note_missing_orders(entry: Entry, rooms: Rooms, notes: list[Note]) -> None:
    """Rule 9.8: a payment that names no order, or one that nobody knows."""
    if not entry.order_ids:
        notes.append(Note(kind="payments_without_order", id=entry.payment_id, rule="9.8"))
    for this in entry.order_ids:
        if this not in rooms.known and this not in rooms.by_order:
            detail = {"order": this}
            notes.append(Note(kind="payments_without_order", id=entry.payment_id, rule="9.8", detail=detail))


def _open(entry: Entry, rooms: Rooms) -> list[Room]:
    """The entry's orders that are known, less those whose part is void; in order of date."""
    return [room for room in rooms.of(entry.order_ids) if (entry.payment_id, room.order_id) not in rooms.voided_parts]


def _stated(entry: Entry, rooms: Rooms) -> list[tuple[Room, Decimal]] | None:
    """What `order_payments` say, in major units; None where they do not sum to the payment."""
    rows = [
        (order_id(row, rooms.order_of_invoice), abs(row.amount))
        for row in rooms.order_payments.get(entry.payment_id, ())
        if row.amount is not None and row.amount.is_finite() and row.pay_status not in _NEVER_PAID
    ]
    stated = sum((amount for _, amount in rows), Decimal(0))
    if not rows or stated not in {entry.amount, entry.amount * 100}:
        return None
    unit = 1 if stated == entry.amount else 100
    return [
        (rooms.by_order[this], amount / unit)
        for this, amount in rows
        if this in rooms.by_order and (entry.payment_id, this) not in rooms.voided_parts
    ]


def _by_age(entry: Entry, rooms: Rooms, used: Counter[str]) -> list[tuple[Room, int]]:
    open_rooms = _open(entry, rooms)
    if not open_rooms:
        return []
    left = to_smallest(entry.amount, open_rooms[0].currency)
    shares: list[tuple[Room, int]] = []
    for room in open_rooms:
        free = max(room.total - used[room.order_id], 0)
        if room.unrecorded is not None:
            held = room.unrecorded.amount(PAYMENT, entry.payment_id)
            free = from_hundredths(held, room.currency, rooms.settings.zero_decimal_amounts)
        shares.append((room, min(left, free)))
        left -= shares[-1][1]
    if left and all(this in rooms.by_order for this in entry.order_ids):
        room, amount = shares[-1]
        shares[-1] = (room, amount + left)
    return shares
