"""Keap's records as the store keeps them: reduced to what any setting can need, with the records that they name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from target_chartmogul.billing.nodes import node
from target_chartmogul.sources.keap.records import (
    STREAMS,
    Order,
    OrderPayment,
    Payment,
    PaymentTransaction,
    Subscription,
    decode,
)
from target_chartmogul.sources.protocol import ReadRecord

NUMBERS: Final = {stream: number for number, stream in enumerate(STREAMS)}
PRODUCTS, PLANS, FREE_TRIALS, CONTACTS, SUBSCRIPTIONS, ORDERS, PAYMENTS, TRANSACTIONS, ORDER_PAYMENTS, ACCOUNT = range(
    10
)
THE_ACCOUNT: Final = (1, "account")
"""Number and id of the only row of `account`."""
_DIGEST_BITS: Final = 28
_SECONDS: Final = 1 << 31
_DECODE: Final[tuple[Callable[[bytes], Any], ...]] = tuple(
    msgspec.json.Decoder(kind).decode for kind in STREAMS.values()
)
_encode: Final = msgspec.json.Encoder().encode


class _Deleted(msgspec.Struct):
    at: str | None = msgspec.field(default=None, name="_sdc_deleted_at")


_decode_deleted: Final = msgspec.json.Decoder(_Deleted).decode


def read(stream: str, raw: bytes, custom_fields: Collection[str]) -> ReadRecord:
    """A row of a stream.

    Args:
        stream: a key of `STREAMS`.
        raw: the row as JSON.
        custom_fields: ids of those that are kept.

    Raises:
        InvalidRecordError: see `records.decode`.
    """
    record = decode(stream, raw)
    stream_number = NUMBERS[stream]
    if stream_number == ACCOUNT:
        number, id_text = THE_ACCOUNT
        return ReadRecord(number, _encode(record), (), id_text=id_text)
    number = number_of_transaction(record) if stream_number == TRANSACTIONS else int(record.id)
    if b'"_sdc_deleted_at"' in raw and _decode_deleted(raw).at:
        return ReadRecord(number, b"", (), gone=True)
    if stream_number == CONTACTS and record.custom_fields is not None:
        kept = [each for each in record.custom_fields if str(each.id) in custom_fields] if custom_fields else None
        record.custom_fields = kept or None
    return ReadRecord(number, _encode(record), tuple(_links(record)))


def decode_stored(stream_number: int, payload: bytes) -> Any:
    """A record as the store has it, typed."""
    return _DECODE[stream_number](payload)


def links_of(stream_number: int, payload: bytes) -> list[int]:
    """Nodes that a stored record names, each once."""
    return _links(decode_stored(stream_number, payload))


def number_of_transaction(row: PaymentTransaction) -> int:
    """A number for a row without an id: its second, and a digest over what it is about, but for how it went.

    A row that comes again with another status replaces the one before.
    """
    time = row.transaction_time
    parts = (row.payment_id, row.transaction_method, time, row.external_reference_id, row.amount, row.order_ids)
    digest = blake2b(repr(parts).encode(), digest_size=4).digest()
    return _second(time) << _DIGEST_BITS | int.from_bytes(digest, "big") >> 32 - _DIGEST_BITS


def _second(time: datetime | None) -> int:
    return min(max(int(time.timestamp()), 0), _SECONDS - 1) if time is not None else 0


def _links(record: Any) -> list[int]:
    return list(dict.fromkeys(_named(record)))


def _named(record: Any) -> Iterator[int]:
    match record:
        case Order():
            if record.contact is not None and record.contact.id:
                yield node(CONTACTS, int(record.contact.id))
            for item in record.order_items or ():
                if item.subscription_id:
                    yield node(SUBSCRIPTIONS, int(item.subscription_id))
                if item.product is not None and item.product.id:
                    yield node(PRODUCTS, int(item.product.id))
                if item.subscription_plan is not None and item.subscription_plan.id:
                    yield node(PLANS, int(item.subscription_plan.id))
        case Subscription():
            if record.contact_id:
                yield node(CONTACTS, int(record.contact_id))
            if record.product_id:
                yield node(PRODUCTS, int(record.product_id))
            if record.subscription_plan_id:
                yield node(PLANS, int(record.subscription_plan_id))
        case Payment():
            if record.refund_payment_id:
                yield node(PAYMENTS, int(record.refund_payment_id))
            yield from _orders_or_contact(record)
        case PaymentTransaction():
            if record.payment_id:
                yield node(PAYMENTS, int(record.payment_id))
            yield from _orders_or_contact(record)
        case OrderPayment():
            if record.order_id:
                yield node(ORDERS, int(record.order_id))
            if record.payment_id:
                yield node(PAYMENTS, int(record.payment_id))
        case _:
            return


def _orders_or_contact(record: Payment | PaymentTransaction) -> Iterator[int]:
    """Whose a payment is: its orders', who need not be those of the contact that paid."""
    for order_id in record.order_ids or ():
        yield node(ORDERS, int(order_id))
    if not record.order_ids and record.contact_id:
        yield node(CONTACTS, int(record.contact_id))
