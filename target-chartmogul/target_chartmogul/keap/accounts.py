"""An order's account: what it asks for, what came in, what went back, in hundredths (rules 5.3, 5.4, 5.7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from target_chartmogul.keap.allocation import Part
from target_chartmogul.keap.money import half_up, to_hundredths_together
from target_chartmogul.keap.settings import MappingSettings
from target_chartmogul.keap.settlement import Movement, OrderToSettle


class Account(msgspec.Struct, kw_only=True):
    """One order that arrived, before §8's exclusions: invoices get their share of all this later."""

    order: OrderToSettle
    cash_in_cents: int = 0
    """All successful cash, refunds not taken off."""
    credits: list[Movement] = msgspec.field(default_factory=list)
    payments: list[Movement] = msgspec.field(default_factory=list)
    refunds: list[Movement] = msgspec.field(default_factory=list)
    excess_in_cents: int = 0
    refunded_in_cents: int = 0
    """What of `payments` was paid back."""
    found_refunds: list[tuple[datetime, int]] = msgspec.field(default_factory=list)
    """Refunds of `payments` rows on this order, whether they were sent or set against the excess."""
    credits_unsettled: bool = False
    """There are credits, but they do not settle the order: none is sent (rule 5.7)."""
    written_off: bool = False

    @property
    def paid_in_cents(self) -> int:
        """What is sent of the cash."""
        return sum(each.amount_in_cents for each in self.payments)

    @property
    def sent_total_in_cents(self) -> int:
        """The sum of the order's invoices, excluded items left out."""
        return sum(each.total_in_cents for each in self.order.invoices)

    @property
    def room_for_credits(self) -> int:
        """Credits are on the first invoice (rule 4.8), and never make it negative (9.9)."""
        first = self.order.invoices[0].total_in_cents if self.order.invoices else 0
        return max(min(self.order.total_before_exclusion_in_cents, self.before_exclusion(first)), 0)

    def before_exclusion(self, sent_in_cents: int) -> int:
        """What an amount that was sent was before excluded items took their share (§8)."""
        total, sent = self.order.total_before_exclusion_in_cents, self.sent_total_in_cents
        return sent_in_cents if total == sent or sent <= 0 else half_up(sent_in_cents * total, sent)

    def after_exclusion(self, amount_in_cents: int) -> int:
        """What of an amount is sent: in proportion to the lines, half-up (§8)."""
        total, sent = self.order.total_before_exclusion_in_cents, self.sent_total_in_cents
        return amount_in_cents if total == sent or total <= 0 else half_up(amount_in_cents * sent, total)

    def pay_back(self, movement: Movement, *, excess_first: bool = True) -> int:
        """Rule 5.4: against the excess first, then at most what was paid.

        Returns: what of the movement was taken, in hundredths.
        """
        against = min(self.excess_in_cents, movement.amount_in_cents) if excess_first else 0
        self.excess_in_cents -= against
        sent = min(movement.amount_in_cents - against, self.paid_in_cents - self.refunded_in_cents)
        if sent > 0:
            self.refunded_in_cents += sent
            self.refunds.append(msgspec.structs.replace(movement, amount_in_cents=sent))
        return against + max(sent, 0)


def open_account(
    order: OrderToSettle,
    cash: Sequence[Part],
    credits_given: Sequence[Part],
    write_offs: Sequence[Part],
    settings: MappingSettings,
) -> Account:
    """Rules 5.3, 5.7 and 9.9: credits where they settle the order, cash up to what is left, the rest is excess.

    Args:
        order: the order, with its total before exclusions.
        cash: its parts of the payments, in order of time.
        credits_given: its parts of credits and adjustments, likewise.
        write_offs: its parts of write-offs, likewise.
        settings: `credits` and `zero_decimal_amounts` count here.
    """
    total = max(order.total_before_exclusion_in_cents, 0)
    paid, credited, written_off = (
        to_hundredths_together([part.amount for part in parts], order.currency, settings.zero_decimal_amounts)
        for parts in (cash, credits_given, write_offs)
    )
    account = Account(order=order, cash_in_cents=sum(paid))
    settled_with_credits = account.cash_in_cents + sum(credited) >= total
    left = total
    if credited and settings.credits == "balance_transfer":
        account.credits_unsettled = not settled_with_credits
        if settled_with_credits:
            account.credits = _up_to(account.room_for_credits, credits_given, credited)
            left -= sum(each.amount_in_cents for each in account.credits)
    account.payments = _up_to(left, cash, paid)
    account.excess_in_cents = account.cash_in_cents - account.paid_in_cents
    account.written_off = sum(written_off) >= total - account.cash_in_cents > 0 and not account.credits
    return account


def _up_to(limit: int, parts: Sequence[Part], amounts: Sequence[int]) -> list[Movement]:
    taken: list[Movement] = []
    for part, amount in zip(parts, amounts, strict=True):
        accepted = min(amount, limit)
        limit -= accepted
        if accepted > 0:
            taken.append(Movement(key=part.payment_id, time=part.time, amount_in_cents=accepted))
    return taken
