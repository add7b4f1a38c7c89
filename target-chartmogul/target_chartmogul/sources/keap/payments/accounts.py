"""An order's account: what it asks for, what came in, what went back (rules 5.3, 5.4, 5.7).

It is kept in the currency's smallest unit. Hundredths are made last and of all parts together: rounded one by one,
parts with three decimals would not sum to what they settle (§4).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from target_chartmogul.billing.money import from_hundredths, half_up, to_hundredths, to_hundredths_together
from target_chartmogul.sources.keap.payments.allocation import Part
from target_chartmogul.sources.keap.payments.settlement import Movement, OrderToSettle
from target_chartmogul.sources.keap.settings import MappingSettings


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An account in hundredths, before §8's exclusions."""

    credits: list[Movement]
    payments: list[Movement]
    refunds: list[Movement]


class OrderAccount(msgspec.Struct, kw_only=True):
    """One order, before §8's exclusions: invoices get their share of all this later."""

    order: OrderToSettle
    zero_decimal_amounts: str
    cash: int = 0
    """All successful cash, refunds not taken off."""
    credits: list[Part] = msgspec.field(default_factory=list)
    payments: list[Part] = msgspec.field(default_factory=list)
    refunds: list[Part] = msgspec.field(default_factory=list)
    excess: int = 0
    refunded: int = 0
    """What of `payments` was paid back."""
    found_refunds: list[tuple[datetime, int]] = msgspec.field(default_factory=list)
    """Refunds of `payments` rows on this order, whether they were sent or set against the excess."""
    credits_not_sent: bool = False
    """There are credits that found no room, or that do not settle the order (rules 5.3, 5.7)."""
    settled_by_credits: bool = False
    """Credits, alone or with cash, settle the order in Keap, whether they are sent or not (rules 5.7, 9.6)."""
    written_off: bool = False
    written_off_amount: int = 0
    """The sum of its write-offs."""
    found: int = 0
    """All that was found to settle it: cash, credits and write-offs (rule 5.3)."""

    @property
    def paid(self) -> int:
        """What is sent of the cash."""
        return _sum(self.payments)

    @property
    def is_settled(self) -> bool:
        """Cash and credits reach the total."""
        return self.paid + _sum(self.credits) >= self.order.total

    @property
    def sent_total_in_cents(self) -> int:
        """The sum of the order's invoices, excluded items left out."""
        return sum([each.total_in_cents for each in self.order.invoices])

    @property
    def room_for_credits(self) -> int:
        """Credits are on the first invoice (rule 4.8), and never make it negative (9.9)."""
        first = self.before_exclusion(self.order.invoices[0].total_in_cents) if self.order.invoices else 0
        is_whole = first >= self.order.total_before_exclusion_in_cents
        return max(self.order.total if is_whole else self._smallest(first), 0)

    def before_exclusion(self, sent_in_cents: int) -> int:
        """What an amount that was sent was before excluded items took their share (§8)."""
        total, sent = self.order.total_before_exclusion_in_cents, self.sent_total_in_cents
        return sent_in_cents if total == sent or sent <= 0 else half_up(sent_in_cents * total, sent)

    def after_exclusion(self, amount_in_cents: int) -> int:
        """What of an amount is sent: in proportion to the lines, half-up (§8)."""
        total, sent = self.order.total_before_exclusion_in_cents, self.sent_total_in_cents
        return amount_in_cents if total == sent or total <= 0 else half_up(amount_in_cents * sent, total)

    def in_cents(self, amount: int) -> int:
        """One amount of the account alone, in hundredths."""
        return to_hundredths(amount, self.order.currency, self.zero_decimal_amounts) if amount else 0

    def sent(self) -> Sent:
        """The account in hundredths: what settles the order follows its own sum, and so do refunds (§4)."""
        settling = self._together([*self.payments, *self.credits])
        cash = len(self.payments)
        return Sent(credits=settling[cash:], payments=settling[:cash], refunds=self._together(self.refunds))

    def pay_back(self, part: Part) -> int:
        """Rule 5.4: against the excess first, then at most what was paid.

        Returns: what of the part was taken.
        """
        against = min(self.excess, part.amount)
        self.excess -= against
        sent = min(part.amount - against, self.paid - self.refunded)
        if sent > 0:
            self.refunded += sent
            self.refunds.append(msgspec.structs.replace(part, amount=sent))
        return against + max(sent, 0)

    def _smallest(self, in_cents: int) -> int:
        return from_hundredths(in_cents, self.order.currency, self.zero_decimal_amounts)

    def _together(self, parts: Sequence[Part]) -> list[Movement]:
        if not parts:
            return []
        amounts = to_hundredths_together(
            [part.amount for part in parts], self.order.currency, self.zero_decimal_amounts
        )
        return [
            Movement(key=part.payment_id, time=part.time, amount_in_cents=amount, from_row=part.from_row)
            for part, amount in zip(parts, amounts, strict=True)
        ]


def open_account(
    order: OrderToSettle,
    cash: Sequence[Part],
    credits_given: Sequence[Part],
    write_offs: Sequence[Part],
    settings: MappingSettings,
) -> OrderAccount:
    """Rules 5.3, 5.7 and 9.9: cash and credits find room in order of time; the rest of the cash is excess.

    Credits that do not settle the order take no room: it is given again without them.

    Args:
        order: the order, with its total before exclusions.
        cash: its parts of the payments, in order of time.
        credits_given: its parts of credits and adjustments, likewise.
        write_offs: its parts of write-offs, likewise.
        settings: `credits` and `zero_decimal_amounts` count here.
    """
    total = max(order.total, 0)
    account = OrderAccount(order=order, zero_decimal_amounts=settings.zero_decimal_amounts, cash=_sum(cash))
    account.found = account.cash + _sum(credits_given) + _sum(write_offs)
    account.written_off_amount = _sum(write_offs)
    payments, taken = _find_room(total, cash, credits_given)
    account.settled_by_credits = bool(taken) and _sum(payments) + _sum(taken) >= total
    if account.settled_by_credits and settings.credits == "balance_transfer":
        account.credits = _up_to(account.room_for_credits, taken)
        if _sum(account.credits) < _sum(taken):
            payments = _up_to(total - _sum(account.credits), cash)
    else:
        payments = _up_to(total, cash)
    account.payments = payments
    account.excess = account.cash - account.paid
    account.credits_not_sent = settings.credits == "balance_transfer" and len(account.credits) < len(credits_given)
    account.written_off = account.written_off_amount >= total - account.cash > 0 and not account.credits
    return account


def _sum(parts: Sequence[Part]) -> int:
    return sum([part.amount for part in parts])


def _find_room(total: int, cash: Sequence[Part], credits_given: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """What of cash and credits finds room in a total, in order of time, at the same time cash first (rule 5.3)."""
    if not credits_given:
        return _up_to(total, cash), []
    # sorting is stable: of equal times cash stays first
    both = sorted([*cash, *credits_given], key=lambda part: part.time)
    taken = _up_to(total, both)
    given = {part.payment_id for part in credits_given}
    return [each for each in taken if each.payment_id not in given], [
        each for each in taken if each.payment_id in given
    ]


def _up_to(limit: int, parts: Sequence[Part]) -> list[Part]:
    taken: list[Part] = []
    for part in parts:
        accepted = min(part.amount, limit)
        limit -= accepted
        if accepted > 0:
            taken.append(part if accepted == part.amount else msgspec.structs.replace(part, amount=accepted))
    return taken
