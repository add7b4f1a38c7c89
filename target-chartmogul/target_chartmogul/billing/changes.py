"""A change: one object of ChartMogul's to create, update or delete.

The plan makes them, apply carries them out, and nothing else passes between the two.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Protocol

import msgspec

from target_chartmogul.billing.objects import Customer, Invoice, LineItem, Plan, SubscriptionEvent, Transaction

Action = Literal["create", "update", "delete"]
Kind = Literal["plan", "customer", "invoice", "line_item", "transaction", "event"]
ChartMogulObject = Customer | Plan | Invoice | LineItem | Transaction | SubscriptionEvent


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One object to create, update or delete.

    `create` of an invoice imports it whole, with lines and transactions; `update` of an invoice is its header (date,
    due date, currency, status) only: its lines and
    transactions are changes of their own. External ids are without prefix.
    """

    action: Action
    kind: Kind
    external_id: str
    desired: ChartMogulObject | None = None
    """What is to be there afterwards; None for a delete."""
    held: ChartMogulObject | None = None
    """What ChartMogul is thought to have; None for a create."""
    parent: str | None = None
    """External id of the invoice (of a line item or transaction) or of the customer (of an invoice)."""
    moved: bool = False
    """A delete whose content is written again under another id or customer (rules 1.7, 2.1, 4.9): not a loss.

    Of an event: another one takes its place, at another date or because it is due (rule 6.3).
    """
    rule: str = ""
    """The number of the rule that asks for it."""

    def __repr__(self) -> str:
        """Without its content, in which persons are named."""
        return f"<{self.action} {self.kind} {self.external_id}>"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """ChartMogul's last word on a change (rule 1.5, refused), without personal data."""

    status: int | None
    """HTTP status; None if no answer came within all tries, or if another change that this one needs was refused."""
    field: str
    reason: str
    uncertain: bool = False
    """No answer came: ChartMogul may have it all the same, and it is to be looked up like after a crash."""
    because_of: Change | None = None
    """What was refused that this change needs: its records are those to correct, or to accept."""


class Journal(Protocol):
    """What apply tells the store, and asks of it. All methods may be called from several threads."""

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object (for events: its integer id as text), None if not known."""
        ...

    def intend(self, change: Change) -> None:
        """Called before the first request of a change: after a crash, exactly these are to be looked up again."""
        ...

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        """ChartMogul has it: from now on the store holds `change.desired`.

        `uuids` by kind and external id, of its lines and transactions too.
        """
        ...

    def together(self) -> AbstractContextManager[None]:
        """Within it, what is told is kept as one, which is faster: after a crash all of it is there, or nothing."""
        ...

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it, or it was left out since something that it needs was not taken."""
        ...

    def email_refused(self, external_id: str, email: str) -> None:
        """ChartMogul does not take this customer's address; the customer was sent without it (rules 3.3, 9.9).

        The `acknowledged` that follows has a `change.desired` without the address. Keep a fingerprint, not the address.
        """
        ...

    def noticed(self, change: Change, what: str) -> None:
        """Something for the report that is no error.

        - `merged`: the customer was merged into another one in ChartMogul; its fields were left as they are there.
        - `disabled`: a person disabled the object in ChartMogul; it was left so.
        - `status_refused`: ChartMogul does not let the invoice be `written_off` (rule 5.7).
        - `adopted`: ChartMogul had it before this run; it was brought to the desired content.
        """
        ...

    def gone(self, kind: Kind, external_id: str) -> None:
        """ChartMogul does not have it any more: forget it, with its lines and transactions.

        Called with a `refused` change of one of its parts; the next plan then creates it whole.
        """
        ...

    def lane_done(self, lane: int, *, complete: bool) -> None:
        """Every change of a lane was acknowledged (`complete`), or some were refused or left."""
        ...
