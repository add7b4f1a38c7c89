"""Rows of `transactions` that are transactions themselves: failed attempts, refunds seen only there (5.4, 5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from target_chartmogul.billing.decisions import Reject, Waiting
from target_chartmogul.sources.keap import ids
from target_chartmogul.sources.keap.records import PaymentTransaction

_ATTEMPTS = {"CAPTURE", "MANUAL"}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `transactions`, named by the 12 hex digits of §2; `amount` in major units, never negative."""

    digits: str
    time: datetime
    amount: Decimal
    order_ids: tuple[str, ...]


class Rows(msgspec.Struct, kw_only=True):
    """Failed attempts and successful refunds in order of time; identical rows are one (§2)."""

    failed: list[Row] = msgspec.field(default_factory=list)
    refunds: list[Row] = msgspec.field(default_factory=list)
    rejects: list[Reject] = msgspec.field(default_factory=list)
    waiting: list[Waiting] = msgspec.field(default_factory=list)


def read_rows(transactions: Iterable[PaymentTransaction], now: datetime) -> Rows:
    """The rows that count; those dated after `now` are held (5.6), those without amount or time rejected (1.5).

    Failed are CAPTURE and MANUAL rows with `is_successful` false that are not PENDING (5.5).

    Args:
        transactions: the account's rows.
        now: the run's clock.
    """
    failed: dict[tuple[str, ...], Row] = {}
    refunds: dict[tuple[str, ...], Row] = {}
    rows = Rows()
    for each in transactions:
        if each.transaction_method in _ATTEMPTS and each.is_successful is False and each.status != "PENDING":
            target = failed
        elif each.transaction_method == "REFUND" and each.is_successful:
            target = refunds
        else:
            continue
        row = _row(each, rows)
        if row is None:
            continue
        if row.time > now:
            rows.waiting.append(
                Waiting(stream="transactions", id=row.digits, reason="future", rule="5.6", due=row.time)
            )
        else:
            target.setdefault((row.digits, *row.order_ids), row)
    rows.failed = sorted(failed.values(), key=_by_time)
    rows.refunds = sorted(refunds.values(), key=_by_time)
    return rows


def _by_time(row: Row) -> tuple[datetime, str]:
    return row.time, row.digits


def _row(each: PaymentTransaction, rows: Rows) -> Row | None:
    order_ids = tuple(dict.fromkeys(each.order_ids or ()))
    name = each.payment_id or (f"of order {order_ids[0]}" if order_ids else "(no id)")
    amount, time = each.amount, each.transaction_time
    if amount is None or not amount.is_finite():
        reason = "is missing" if amount is None else "is not a finite number"
        rows.rejects.append(Reject(stream="transactions", id=name, field="amount", reason=reason))
        return None
    if time is None:
        rows.rejects.append(Reject(stream="transactions", id=name, field="transaction_time", reason="is missing"))
        return None
    external_id = ids.failed_attempt_id("", time, each.external_reference_id, ids.hundredths(abs(amount)))
    return Row(digits=external_id.rpartition("-")[2], time=time, amount=abs(amount), order_ids=order_ids)
