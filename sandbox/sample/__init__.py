"""The sample account: every case of billing once, among ordinary customers, and what else a CRM holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.sample import money_cases, showcase
from sandbox.sample.books import Books
from sandbox.sample.calendar import NOW, as_of
from sandbox.sample.crm import crm_streams
from sandbox.sample.generate import catalogue, generate_account

__all__ = ["NOW", "generate_account", "sample_account"]

_SEED = 20261120
_OTHERS = 170


def sample_account(clock: datetime = NOW) -> dict[str, Any]:
    """Return the account, streams by name; the same for every ``clock`` between the 20th of a month and the next."""
    now = as_of(clock)
    books = Books(now, first_id=101)
    for story in (*showcase.STORIES, *money_cases.STORIES):
        story(books)
    others = generate_account(_SEED, _OTHERS, 36, now=now)
    told = books.account()
    billing = {stream: [*rows, *others[stream]] for stream, rows in told.items()}
    return {**catalogue(), **billing, **crm_streams(billing["contacts"])}
