"""A change: one object of ChartMogul's to create, update or delete.

The plan makes them, apply carries them out, and nothing else passes between the two.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from target_chartmogul.chartmogul.objects import Customer, Invoice, LineItem, Plan, SubscriptionEvent, Transaction

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
    """A delete whose content is written again under another id or customer (rules 1.7, 2.1, 4.9): not a loss."""
    rule: str = ""
    """The number of the rule that asks for it."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """ChartMogul's last word on a change (rule 1.5, refused), without personal data."""

    status: int | None
    """HTTP status; None if no answer came within all tries, or if another change that this one needs was refused."""
    field: str
    reason: str


class Journal(Protocol):
    """What apply tells the ledger, and asks of it. All methods may be called from several threads."""

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object (for events: its integer id as text), None if not known."""
        ...

    def intend(self, change: Change) -> None:
        """Called before the first request of a change: after a crash, exactly these are to be looked up again."""
        ...

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        """ChartMogul has it: from now on the ledger holds `change.desired`.

        `uuids` by kind and external id, of its lines and transactions too.
        """
        ...

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it, or it was left out since something that it needs was not taken."""
        ...

    def lane_done(self, lane: int, *, complete: bool) -> None:
        """Every change of a lane was acknowledged (`complete`), or some were refused or left."""
        ...
