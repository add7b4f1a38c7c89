"""External ids of what this target forms (§2), without `external_id_prefix`, and how to read them back."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

KEAP_ID: Final = "[1-9][0-9]{0,16}"
"""Pattern of an id of Keap's: ten digits as a rule; more than 17 would not fit a node (`billing.nodes`)."""
_ID = re.compile(rf"{KEAP_ID}\Z")
_ORDER = re.compile(rf"(?P<order>{KEAP_ID})(?:-c(?P<contact>{KEAP_ID}))?\Z")
_EVENT = re.compile(
    rf"(?P<subscription>{KEAP_ID})-(?P<kind>cancelled|scheduled)-(?P<day>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})\Z"
)
_PLAN = re.compile(rf"(?P<product>0|{KEAP_ID})-(?P<plan>0|{KEAP_ID})-(?P<count>{KEAP_ID})(?P<unit>day|month|year)\Z")
_LINE = re.compile(rf"(?P<order>{KEAP_ID})(?:-c{KEAP_ID})?-(?:{KEAP_ID}|adjustment|credit-{KEAP_ID})\Z")
_ATTEMPT = re.compile(rf"(?P<order>{KEAP_ID})(?:-c{KEAP_ID})?-(?:failed|refund)-[0-9a-f]{{12}}\Z")
_PAYMENT = re.compile(rf"{KEAP_ID}-(?P<order>{KEAP_ID})(?:-c{KEAP_ID})?\Z")
_A_GROUPS_IDS: Final = 8192
"""A group's ids are read several times over while it is decided."""


def is_keap_id(text: str) -> bool:
    """Whether a text is an id as Keap gives them to contacts, orders and all else."""
    return _ID.match(text) is not None


def invoice_id(order_id: str, owner: str, order_contact: str) -> str:
    """Rule 2.1: the order id under the order's own contact, else with `-c<contact id>`."""
    return order_id if owner == order_contact else f"{order_id}-c{owner}"


@lru_cache(maxsize=_A_GROUPS_IDS)
def parse_invoice_id(external_id: str) -> tuple[str, str | None] | None:
    """Order id, and the owning contact id where the id names one; None if this target did not form it."""
    found = _ORDER.match(external_id)
    return (found["order"], found["contact"]) if found else None


def plan_id(product_id: str, plan: str | None, count: int, unit: str) -> str:
    """§2: `<product id>-<subscription plan id or 0>-<count><unit>`."""
    return f"{product_id}-{plan or 0}-{count}{unit}"


@lru_cache(maxsize=_A_GROUPS_IDS)
def parse_plan_id(external_id: str) -> tuple[str, str, int, str] | None:
    """Product id, plan id (`0` for none), interval count and unit; None if this target did not form it."""
    found = _PLAN.match(external_id)
    return (found["product"], found["plan"], int(found["count"]), found["unit"]) if found else None


def line_id(invoice: str, item_id: str) -> str:
    """§2: `<order>-<order item id>`."""
    return f"{invoice}-{item_id}"


def adjustment_id(invoice: str) -> str:
    """Rule 4.6's balancing line."""
    return f"{invoice}-adjustment"


def credit_id(invoice: str, payment_id: str) -> str:
    """Rule 5.7's credit line."""
    return f"{invoice}-credit-{payment_id}"


def payment_transaction_id(payment_id: str, invoice: str) -> str:
    """§2: `<payment id>-<order>`."""
    return f"{payment_id}-{invoice}"


def order_of_line(external_id: str) -> str:
    """The order of a line item; empty if this target did not form its id."""
    found = _LINE.match(external_id)
    return found["order"] if found else ""


def order_of_transaction(external_id: str) -> str:
    """The order of a payment, an attempt or a refund; empty if this target did not form its id."""
    found = _ATTEMPT.match(external_id) or _PAYMENT.match(external_id)
    return found["order"] if found else ""


def _attempt_digits(time: datetime, reference: str | None, hundredths: int) -> str:
    text = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ')}|{reference or ''}|{hundredths}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def failed_attempt_id(invoice: str, time: datetime, reference: str | None, hundredths: int) -> str:
    """§2: `<order>-failed-<12 hex digits>`, over the attempt's UTC time, reference and amount.

    Identical attempts are one.
    """
    return f"{invoice}-failed-{_attempt_digits(time, reference, hundredths)}"


def failed_attempt_of(invoice: str, digits: str) -> str:
    """§2: the same, of an attempt whose digits are known."""
    return f"{invoice}-failed-{digits}"


def refund_row_of(invoice: str, digits: str) -> str:
    """Rule 5.4: a refund seen only in `transactions`, whose digits are known."""
    return f"{invoice}-refund-{digits}"


def cancellation_id(subscription_id: str, day: date) -> str:
    """§2 and 2.3: the churn date in `date_timezone`."""
    return f"{subscription_id}-cancelled-{day.isoformat()}"


def scheduled_id(subscription_id: str, day: date) -> str:
    """§2 and 2.3: the churn date in `date_timezone`."""
    return f"{subscription_id}-scheduled-{day.isoformat()}"


def parse_event_id(external_id: str) -> tuple[str, str, date] | None:
    """Subscription id, `cancelled` or `scheduled`, and the churn date; None if this target did not form it."""
    found = _EVENT.match(external_id)
    if not found:
        return None
    try:
        return found["subscription"], found["kind"], date.fromisoformat(found["day"])
    except ValueError:
        return None


def hundredths(amount: Decimal) -> int:
    """A major-unit amount in hundredths, for ids only: never rounded for money (that is `money`'s)."""
    return int((amount * 100).to_integral_value())
