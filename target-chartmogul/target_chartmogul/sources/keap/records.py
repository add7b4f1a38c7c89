"""Keap's records as REST v2 returns them, typed as far as the mapping needs them.

Every field may be missing, null or empty, since Keap says nothing on it; only `id` must be there (transactions have
none). Ids are texts; `""`, `"0"` and 0 mean
none. Order and plan amounts are `CurrencyValue` in the currency's smallest unit; payments and transactions are in
major units (Keap's API reference).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

import msgspec

from target_chartmogul.sources.keap.filled_settings import KeapAccount
from target_chartmogul.sources.protocol import InvalidRecordError

if TYPE_CHECKING:
    Id = str | None
    Ids = list[str] | None
else:  # what Keap may send; after decoding they are what the type checker is told
    Id = str | int | None
    Ids = list[str | int] | None


_NOT_AN_ID = "is not one of Keap's numeric ids"


LONGEST_ID = 17
"""Digits of an id: Keap's have ten; more would not fit a node (`billing.nodes`)."""


def _is_plain(value: str | int | None) -> TypeGuard[str]:
    """As Keap writes nearly all ids."""
    return type(value) is str and len(value) <= LONGEST_ID and value.isdecimal() and value.isascii() and value[0] != "0"


def _id(value: str | int | None) -> str | None:
    if _is_plain(value):
        return value
    text = "" if value is None else str(value).strip()
    if text and not (text.isdigit() and text.isascii()):
        raise ValueError(_NOT_AN_ID)
    text = text.lstrip("0")
    if len(text) > LONGEST_ID:
        raise ValueError(_NOT_AN_ID)
    return text or None


def _ids(values: Ids) -> list[str]:
    try:
        return [text for value in values or () if (text := _id(value))]
    except ValueError as error:
        raise ValueError(f"order_ids {error}") from error


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Ids become texts or None, instants aware UTC, words like statuses capitals, whatever way Keap spells them."""

    _ids: ClassVar[tuple[str, ...]] = ()
    _instants: ClassVar[tuple[str, ...]] = ()
    _words: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self._ids:
            given = getattr(self, name)
            if given is not None and not _is_plain(given):
                try:
                    setattr(self, name, _id(given))
                except ValueError as error:
                    raise ValueError(f"{name} {error}") from error
        for name in self._instants:
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is not UTC:
                setattr(self, name, _utc(moment))
        for name in self._words:
            word = getattr(self, name)
            if word is not None and not word.isupper():
                setattr(self, name, word.strip().upper() or None)


class CurrencyValue(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`amount` in the currency's smallest unit (10000 = 100.00 USD = ¥10,000); without one it is as good as missing."""

    amount: int | None = None
    currency_code: str | None = None


class EmailAddress(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`field` is EMAIL1, EMAIL2 or EMAIL3."""

    email: str | None = None
    field: str | None = None


class Address(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`field` is BILLING, SHIPPING or OTHER; `country_code` is alpha-3, `region_code` like `US-AZ`."""

    field: str | None = None
    line1: str | None = None
    line2: str | None = None
    locality: str | None = None
    region_code: str | None = None
    country_code: str | None = None
    postal_code: str | None = None
    zip_code: str | None = None


class CompanyName(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The company that a contact names."""

    company_name: str | None = None


class CustomField(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`content` is whatever the field's type says."""

    id: str | int | None = None
    content: Any = None


class Contact(_Record):
    """A row of `contacts`."""

    _ids: ClassVar[tuple[str, ...]] = ("id",)
    _instants: ClassVar[tuple[str, ...]] = ("create_time",)

    id: Id = None
    given_name: str | None = None
    family_name: str | None = None
    create_time: datetime | None = None
    email_addresses: list[EmailAddress] | None = None
    addresses: list[Address] | None = None
    company: CompanyName | None = None
    tag_ids: list[str | int] | None = None
    custom_fields: list[CustomField] | None = None


class ProductPlan(_Record):
    """A plan inside a product; `billing_cycle` is DAILY, WEEKLY, MONTHLY or YEARLY."""

    _ids: ClassVar[tuple[str, ...]] = ("id",)

    id: Id = None
    billing_cycle: str | None = None
    billing_frequency: int | None = None


class Product(_Record):
    """A row of `products`, with its plans."""

    _ids: ClassVar[tuple[str, ...]] = ("id",)

    id: Id = None
    name: str | None = None
    taxable: bool | None = None
    subscription_plans: list[ProductPlan] | None = None


class SubscriptionPlan(_Record):
    """A row of `subscription_plans`, or the plan inside an order item.

    `cycle_type` is DAILY, WEEKLY, MONTHLY or YEARLY. Names no product.
    """

    _ids: ClassVar[tuple[str, ...]] = ("id",)

    id: Id = None
    cycle_type: str | None = None
    frequency: int | None = None


class FreeTrialDiscount(_Record):
    """A row of `free_trial_discounts`."""

    _ids: ClassVar[tuple[str, ...]] = ("id", "subscription_plan_id")

    id: Id = None
    subscription_plan_id: Id = None
    free_trial_days: int | None = None


class Subscription(_Record):
    """A row of `subscriptions`.

    `billing_cycle` is DAY, WEEK, MONTH or YEAR, `billing_frequency` its multiplier (rule 3.6); dates are calendar
    dates.
    """

    _ids: ClassVar[tuple[str, ...]] = ("id", "contact_id", "product_id", "subscription_plan_id")
    _instants: ClassVar[tuple[str, ...]] = ("modification_time",)

    id: Id = None
    contact_id: Id = None
    product_id: Id = None
    subscription_plan_id: Id = None
    active: bool | None = None
    billing_cycle: str | None = None
    billing_frequency: int | None = None
    start_date: date | None = None
    last_bill_date: date | None = None
    next_bill_date: date | None = None
    end_date: date | None = None
    modification_time: datetime | None = None


class OrderContact(_Record):
    """The contact as an order names it."""

    _ids: ClassVar[tuple[str, ...]] = ("id",)

    id: Id = None
    email: str | None = None
    given_name: str | None = None
    family_name: str | None = None


class ItemProduct(_Record):
    """The product as an order item names it."""

    _ids: ClassVar[tuple[str, ...]] = ("id",)

    id: Id = None
    name: str | None = None
    taxable: bool | None = None


class Special(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A discount's definition: `amount` in major units, or percent."""

    amount: Decimal | None = None
    discount_method: str | None = None


class OrderItem(_Record):
    """An item of an order.

    `item_type` is one of Keap's: SUBSCRIPTION, PROGRAM, TAX, DISCOUNT_…, SHIPPING, PRODUCT, …
    """

    _ids: ClassVar[tuple[str, ...]] = ("id", "subscription_id")
    _words: ClassVar[tuple[str, ...]] = ("item_type",)

    id: Id = None
    name: str | None = None
    quantity: int | None = None
    item_type: str | None = None
    subscription_id: Id = None
    product: ItemProduct | None = None
    price_per_unit: CurrencyValue | None = None
    subscription_plan: SubscriptionPlan | None = None
    discount: CurrencyValue | None = None
    special: Special | None = None


class Order(_Record):
    """A row of `orders` with its items; `status` is DRAFT, SENT, VIEWED or PAID."""

    _ids: ClassVar[tuple[str, ...]] = ("id", "invoice_id")
    _instants: ClassVar[tuple[str, ...]] = ("creation_time", "order_time", "due_time")
    _words: ClassVar[tuple[str, ...]] = ("status",)

    id: Id = None
    status: str | None = None
    total: CurrencyValue | None = None
    total_paid: CurrencyValue | None = None
    refund_total: CurrencyValue | None = None
    contact: OrderContact | None = None
    creation_time: datetime | None = None
    order_time: datetime | None = None
    due_time: datetime | None = None
    invoice_id: Id = None
    order_items: list[OrderItem] | None = None


class Payment(_Record):
    """A row of `payments`; `amount` in major units."""

    _ids: ClassVar[tuple[str, ...]] = ("id", "refund_payment_id", "contact_id")
    _instants: ClassVar[tuple[str, ...]] = ("payment_time",)
    _words: ClassVar[tuple[str, ...]] = ("status",)

    id: Id = None
    type: str | None = None
    amount: Decimal | None = None
    status: str | None = None
    payment_time: datetime | None = None
    refund_payment_id: Id = None
    contact_id: Id = None
    order_ids: Ids = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.order_ids = _ids(self.order_ids)


class PaymentTransaction(_Record):
    """A row of `transactions`: one attempt at a gateway, without an id of its own; `amount` in major units."""

    _ids: ClassVar[tuple[str, ...]] = ("payment_id", "contact_id")
    _instants: ClassVar[tuple[str, ...]] = ("transaction_time",)
    _words: ClassVar[tuple[str, ...]] = ("status", "transaction_method")

    amount: Decimal | None = None
    status: str | None = None
    is_successful: bool | None = None
    transaction_method: str | None = None
    transaction_time: datetime | None = None
    contact_id: Id = None
    payment_id: Id = None
    order_ids: Ids = None
    external_reference_id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.order_ids = _ids(self.order_ids)


class OrderPayment(_Record):
    """A row of `order_payments`: the part of a payment that went to one order, which `invoice_id` names."""

    _ids: ClassVar[tuple[str, ...]] = (
        "id",
        "invoice_id",
        "payment_id",
        "order_id",
    )
    _words: ClassVar[tuple[str, ...]] = ("pay_status",)

    id: Id = None
    order_id: Id = None
    """Set by the tap, which read the row under this order; Keap's row has only `invoice_id`."""
    invoice_id: Id = None
    payment_id: Id = None
    amount: Decimal | None = None
    pay_status: str | None = None


STREAMS: dict[str, type[msgspec.Struct]] = {
    "products": Product,
    "subscription_plans": SubscriptionPlan,
    "free_trial_discounts": FreeTrialDiscount,
    "contacts": Contact,
    "subscriptions": Subscription,
    "orders": Order,
    "payments": Payment,
    "transactions": PaymentTransaction,
    "order_payments": OrderPayment,
    "account": KeapAccount,
}
"""The Singer streams that the mapping knows, by the tap's names; their order is their numbers (`billing.nodes`)."""

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    stream: msgspec.json.Decoder(kind) for stream, kind in STREAMS.items()
}
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")
_NUMERIC_TEXT = {
    "orders": ("total", "total_paid", "refund_total"),
    "payments": ("amount",),
    "transactions": ("amount",),
    "order_payments": ("amount",),
}


def decode(stream: str, raw: bytes) -> Any:
    """Turn one JSON record into the stream's type.

    Args:
        stream: a key of `STREAMS`.
        raw: the record as JSON.

    Raises:
        InvalidRecordError: no id (but for transactions), a text where a number belongs, an impossible date, or
        another type than Keap documents.
    """
    try:
        record: Any = _DECODERS[stream].decode(raw)
    except msgspec.ValidationError:
        record = _decode_leniently(stream, raw)
    except msgspec.DecodeError as error:
        raise InvalidRecordError(stream, None, "", "is not JSON") from error
    if stream in _NUMERIC_TEXT and b'"amount":"' in raw:
        _refuse_text_amounts(stream, raw)
    if stream != "transactions":
        record_id: str | None = record.id
        if record_id is None:
            raise InvalidRecordError(stream, None, "id", "is missing")
    return record


def _decode_leniently(stream: str, raw: bytes) -> Any:
    """Second try with empty texts as null and whole floats as integers, both of which Keap leaves open."""
    plain = msgspec.json.decode(raw)
    if not isinstance(plain, dict):
        raise InvalidRecordError(stream, None, "", "is not an object")
    try:
        return msgspec.convert(_tidied(plain), STREAMS[stream])
    except msgspec.ValidationError as error:
        found = _PATH.search(str(error))
        path, reason = found["path"] if found else "", _PATH.sub("", str(error))
        if reason.endswith(_NOT_AN_ID):
            path, reason = ".".join(filter(None, (path, reason.removesuffix(_NOT_AN_ID).strip()))), _NOT_AN_ID
        else:
            reason = reason.lower()
        raise InvalidRecordError(stream, _text_of(id_of(plain)), path, reason) from error


def _tidied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tidied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_tidied(each) for each in value]
    if value == "" and isinstance(value, str):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _refuse_text_amounts(stream: str, raw: bytes) -> None:
    plain = msgspec.json.decode(raw)
    amounts = {"amount": plain.get("amount")} | {
        f"{name}.amount": plain[name].get("amount")
        for name in _NUMERIC_TEXT[stream]
        if isinstance(plain.get(name), dict)
    }
    for field, amount in amounts.items():
        if isinstance(amount, str):
            raise InvalidRecordError(stream, _text_of(id_of(plain)), field, "is a text, not a number")


def id_of(record: Mapping[str, Any]) -> int | None:
    """The id of a row that could not be decoded, None if it has none of Keap's."""
    try:
        text = _id(record.get("id"))
    except (ValueError, TypeError):
        return None
    return int(text) if text else None


def _text_of(number: int | None) -> str | None:
    return None if number is None else str(number)
