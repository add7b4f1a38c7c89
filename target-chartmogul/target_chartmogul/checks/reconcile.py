"""Reconciliation: orders, payments and refunds in Keap and in ChartMogul, by month and currency (rule 7.2).

Keap's side is counted from its own rows, not from what the mapping makes of them: an order by its total, a payment by
its amount. So a slip of the mapping shows as a difference, like a person's deletion in ChartMogul does. What a rule
keeps out of ChartMogul on purpose (an excess, an excluded product) is a difference too, with the rule as its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from target_chartmogul.billing import money
from target_chartmogul.billing.decisions import Decision
from target_chartmogul.billing.objects import PAYMENT, REFUND, SUCCESSFUL, Invoice, Transaction
from target_chartmogul.sources.keap.account import Group
from target_chartmogul.sources.keap.cancellations.subscription_facts import is_credit
from target_chartmogul.sources.keap.ids import parse_invoice_id, payment_transaction_id
from target_chartmogul.sources.keap.orders.invoices import contact_of, date_of, is_invoice
from target_chartmogul.sources.keap.payments.payments import Entry, classify
from target_chartmogul.sources.keap.records import InvalidRecordError, Order, OrderPayment, PaymentTransaction
from target_chartmogul.sources.keap.settings import MappingSettings

ORDERS = "orders"
PAYMENTS = "payments"
REFUNDS = "refunds"
PENDING = "pending"
"""The next run would change it: ChartMogul does not hold what it should."""
_REASONS = {
    "excess": "5.3",
    "refunds_above_payments": "5.4",
    "refunds_not_found": "5.4",
    "payments_without_order": "9.8",
    "excluded_items": "8",
    "excluded_orders": "8",
    "skipped_unpaid_orders": "4.1",
}
"""Notes that explain why ChartMogul has less than Keap on purpose, with their rule."""
_ABOUT_PAYMENTS = frozenset({"payments_without_order", "refunds_above_payments"})


class Sums(msgspec.Struct):
    """Of one kind, month and currency, in hundredths."""

    keap: int = 0
    chartmogul: int = 0

    @property
    def difference(self) -> int:
        """ChartMogul's less Keap's."""
        return self.chartmogul - self.keap


class Difference(msgspec.Struct, kw_only=True):
    """One order, payment or refund that is not the same on both sides."""

    what: str
    id: str
    """Of the order or payment in Keap."""
    orders: list[str]
    month: str
    currency: str
    keap: int
    chartmogul: int
    because: list[str]
    """Reasons as `<list> (rule)`, `pending`, or none: then nobody knows."""


class Reconciliation:
    """Fed group by group with Keap's records and what ChartMogul holds of the same contacts.

    Args:
        settings: of the mapping; `zero_decimal_amounts` and `non_cash_payment_types` count here.
        now: the clock of the run.
    """

    def __init__(self, settings: MappingSettings, now: datetime) -> None:
        self._settings = settings
        self._now = now
        self.sums: dict[tuple[str, str, str], Sums] = {}
        self.unexplained = 0

    def add(self, group: Group, decision: Decision) -> list[Difference]:
        """Count a group, and name what differs.

        Args:
            group: its records, all of them, with what ChartMogul holds.
            decision: what ChartMogul should hold of it.
        """
        compared = _Group(group, decision, self._settings, self._now)
        for key, sums in compared.sums.items():
            total = self.sums.setdefault(key, Sums())
            total.keap += sums.keap
            total.chartmogul += sums.chartmogul
        self.unexplained += sum(not each.because for each in compared.found)
        return compared.found

    def table(self) -> list[dict[str, Any]]:
        """Rows by kind, month and currency."""
        return [
            {
                "what": what,
                "month": month,
                "currency": currency,
                "keap": sums.keap,
                "chartmogul": sums.chartmogul,
                "difference": sums.difference,
            }
            for (what, month, currency), sums in sorted(self.sums.items())
        ]


class _Amount(msgspec.Struct, frozen=True):
    month: str
    currency: str
    amount: int


class _Group:
    """The comparison of one group; `sums` and `found` are its result."""

    def __init__(self, group: Group, decision: Decision, settings: MappingSettings, now: datetime) -> None:
        self._group = group
        self._settings = settings
        self._held = _by_order(group.existing.invoices)
        self._wanted = _by_order(decision.invoices)
        self._reasons = _reasons_by_record(decision)
        self._filtered = {note.id for note in decision.notes if note.kind == "filtered_contacts"}
        self._currency = {order_id: parts[0].currency for order_id, parts in self._held.items()}
        self._currency |= {str(each.id): code for each in group.orders.values() if (code := self._currency_of(each))}
        self._seen: set[str] = set()
        self.sums: dict[tuple[str, str, str], Sums] = {}
        self.found: list[Difference] = []
        rows = classify(
            payments=group.payments,
            transactions=group.transactions,
            order_payments=_by_payment(group.order_payments),
            order_of_invoice={str(each.invoice_id): str(each.id) for each in group.orders.values()},
            voided_before=group.remembered.voided_payments,
            settings=settings,
            now=now,
        )
        self._even = self._orders_with_the_same_net(rows.cash, rows.refunds)
        self._orders()
        self._moves(PAYMENTS, PAYMENT, rows.cash)
        self._moves(REFUNDS, REFUND, rows.refunds)
        self._gateway_refunds()
        self._left_over(PAYMENTS, PAYMENT)
        self._left_over(REFUNDS, REFUND)

    # -- orders

    def _orders(self) -> None:
        for order_id in sorted(self._group.orders.keys() | self._held.keys(), key=_number):
            order = self._group.orders.get(order_id)
            keap = self._keap_order(order) if order is not None and is_invoice(order) else None
            held = [_Amount(_month(each.date), each.currency, _total(each)) for each in self._held.get(order_id, ())]
            self._compare(ORDERS, order_id, (order_id,), keap, held)

    def _keap_order(self, order: Order) -> _Amount | None:
        currency = self._currency_of(order)
        if order.total is None or order.total.amount is None or currency is None:
            return None
        try:
            month = _month(date_of(order))
        except InvalidRecordError:
            return None
        return _Amount(month, currency, self._sent(order.total.amount, currency))

    def _currency_of(self, order: Order) -> str | None:
        code = (order.total.currency_code if order.total else None) or self._settings.currency
        code = (code or "").strip().upper()
        try:
            money.minor_units(code)
        except money.UnknownCurrencyError:
            return None
        return code

    def _sent(self, smallest: int, currency: str) -> int:
        return money.to_hundredths(smallest, currency, self._settings.zero_decimal_amounts)

    def _from_major(self, amount: Decimal, currency: str) -> int:
        return self._sent(money.to_smallest(abs(amount), currency), currency)

    # -- payments and refunds

    def _moves(self, what: str, kind: str, entries: list[Entry]) -> None:
        """Payments or refunds that Keap has as rows."""
        of_payment: dict[str, list[tuple[str, Transaction]]] = {}
        for _, invoice, move in self._transactions(kind):
            number = move.external_id.partition("-")[0]
            if move.external_id == payment_transaction_id(number, invoice.external_id):
                of_payment.setdefault(number, []).append((invoice.currency, move))
        for entry in entries:
            moves = of_payment.get(entry.payment_id, [])
            self._seen.update(move.external_id for _, move in moves)
            held = [_Amount(_month(move.date), currency, move.amount_in_cents) for currency, move in moves]
            self._compare(what, entry.payment_id, entry.order_ids, self._keap_move(entry, moves), held)

    def _keap_move(self, entry: Entry, moves: list[tuple[str, Transaction]]) -> _Amount | None:
        currency = next((code for each in entry.order_ids if (code := self._currency.get(each))), None)
        currency = currency or (moves[0][0] if moves else self._settings.currency)
        if currency is None:
            return None
        return _Amount(_month(entry.time), currency, self._from_major(entry.amount, currency))

    def _gateway_refunds(self) -> None:
        """Refunds that Keap shows only as rows of a gateway (rule 5.4); a row counts for what the order still lacks."""
        rows = _refund_rows(self._group.transactions)
        for order_id, invoice, move in self._transactions(REFUND):
            if not move.external_id.startswith(f"{invoice.external_id}-refund-"):
                continue
            self._seen.add(move.external_id)
            amounts = rows.get((order_id, move.date), [])
            shown = max((self._from_major(each, invoice.currency) for each in amounts), default=None)
            month = _month(move.date)
            keap = None if shown is None else _Amount(month, invoice.currency, min(shown, move.amount_in_cents))
            self._compare(
                REFUNDS, order_id, (order_id,), keap, [_Amount(month, invoice.currency, move.amount_in_cents)]
            )

    def _left_over(self, what: str, kind: str) -> None:
        """What ChartMogul has and Keap has not."""
        for order_id, invoice, move in self._transactions(kind):
            if move.external_id not in self._seen:
                held = [_Amount(_month(move.date), invoice.currency, move.amount_in_cents)]
                self._compare(what, move.external_id.partition("-")[0], (order_id,), None, held)

    def _transactions(self, kind: str) -> Iterator[tuple[str, Invoice, Transaction]]:
        for order_id, parts in self._held.items():
            for invoice in parts:
                for move in invoice.transactions:
                    if move.type == kind and move.result == SUCCESSFUL:
                        yield order_id, invoice, move

    def _orders_with_the_same_net(self, cash: list[Entry], refunds: list[Entry]) -> frozenset[str]:
        """Orders of which cash less refunds is the same on both sides: an excess and its refund cancel out (5.4)."""
        net: Counter[str] = Counter()
        for entries, sign in ((cash, 1), (refunds, -1)):
            for entry in entries:
                currency = self._currency.get(entry.order_ids[0]) if len(entry.order_ids) == 1 else None
                if currency is not None:
                    net[entry.order_ids[0]] += sign * self._from_major(entry.amount, currency)
        for kind, sign in ((PAYMENT, -1), (REFUND, 1)):
            for order_id, _, move in self._transactions(kind):
                net[order_id] += sign * move.amount_in_cents
        return frozenset(each for each, difference in net.items() if difference == 0)

    # -- the comparison itself

    def _compare(
        self, what: str, about: str, orders: Sequence[str], keap: _Amount | None, held: Iterable[_Amount]
    ) -> None:
        sides: dict[tuple[str, str], Sums] = {}
        if keap is not None:
            sides.setdefault((keap.month, keap.currency), Sums()).keap += keap.amount
        for each in held:
            sides.setdefault((each.month, each.currency), Sums()).chartmogul += each.amount
        for (month, currency), side in sorted(sides.items()):
            sums = self.sums.setdefault((what, month, currency), Sums())
            sums.keap += side.keap
            sums.chartmogul += side.chartmogul
            if side.difference:
                self.found.append(
                    Difference(
                        what=what,
                        id=about,
                        orders=list(orders),
                        month=month,
                        currency=currency,
                        keap=side.keap,
                        chartmogul=side.chartmogul,
                        because=self._because(what, about, orders),
                    )
                )

    def _because(self, what: str, about: str, orders: Sequence[str]) -> list[str]:
        stream = ORDERS if what == ORDERS else PAYMENTS
        found = set(self._reasons.get(f"{stream}:{about}", ()))
        for order_id in orders:
            found.update(self._reasons.get(f"{ORDERS}:{order_id}", ()))
            order = self._group.orders.get(order_id)
            if order is not None and contact_of(order) in self._filtered:
                found.add("filtered_contacts (8)")
            if self._held.get(order_id) != self._wanted.get(order_id):
                found.add(PENDING)
            if order is None and order_id in self._held:
                found.add("gone from Keap (4.10)")
            if what != ORDERS and order_id in self._even:
                found.add("an excess and its refund (5.4)")
        return sorted(found)


def _reasons_by_record(decision: Decision) -> dict[str, list[str]]:
    """`orders:9071` or `payments:17071` -> why ChartMogul has something else on purpose."""
    found: dict[str, list[str]] = {}
    for note in decision.notes:
        rule = _REASONS.get(note.kind)
        if rule is not None:
            stream = PAYMENTS if note.kind in _ABOUT_PAYMENTS else ORDERS
            found.setdefault(f"{stream}:{note.id}", []).append(f"{note.kind} ({rule})")
    for reject in decision.rejects:
        found.setdefault(f"{reject.stream}:{reject.id}", []).append(f"rejected: {reject.field}")
    for held in decision.waiting:
        found.setdefault(f"{held.stream}:{held.id}", []).append(f"waits: {held.reason} ({held.rule})")
    return found


def _total(invoice: Invoice) -> int:
    return sum(line.amount_in_cents for line in invoice.line_items if not is_credit(line))


def _by_order(invoices: Mapping[str, Invoice]) -> dict[str, list[Invoice]]:
    found: dict[str, list[Invoice]] = {}
    for external_id, invoice in sorted(invoices.items()):
        parsed = parse_invoice_id(external_id)
        found.setdefault(parsed[0] if parsed else external_id, []).append(invoice)
    return found


def _by_payment(rows: list[OrderPayment]) -> dict[str, list[OrderPayment]]:
    found: dict[str, list[OrderPayment]] = {}
    for row in rows:
        found.setdefault(str(row.payment_id), []).append(row)
    return found


def _refund_rows(rows: list[PaymentTransaction]) -> dict[tuple[str, datetime], list[Decimal]]:
    found: dict[tuple[str, datetime], list[Decimal]] = {}
    for row in rows:
        if row.transaction_method == "REFUND" and row.is_successful and row.transaction_time and row.amount is not None:
            for order_id in row.order_ids or ():
                found.setdefault((str(order_id), row.transaction_time), []).append(row.amount)
    return found


def _month(moment: datetime) -> str:
    return moment.strftime("%Y-%m")


def _number(order_id: str) -> tuple[int, str]:
    return (int(order_id) if order_id.isdecimal() else 0, order_id)
