"""Accounts of any size from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.keap.values import Row
from sandbox.sample import catalogue as shop
from sandbox.sample.books import Books
from sandbox.sample.calendar import NOW
from sandbox.sample.lives import Lives


def generate_account(
    seed: int, contacts: int = 50, months: int = 36, *, now: datetime = NOW, first_id: int = 1_000
) -> dict[str, Any]:
    """Return an account of billing streams.

    Args:
        seed: the same seed makes the same account.
        contacts: how many.
        months: how long the business has been running at ``now``.
        now: the latest time of anything, but for scheduled ends.
        first_id: where ids of every kind begin.
    """
    books = Books(now, first_id)
    lives = Lives(books, random.Random(seed), months)
    for _ in range(contacts):
        lives.live()
    return {**catalogue(), **books.account()}


def catalogue() -> dict[str, list[Row]]:
    """Return products and free trials."""
    return {"products": list(shop.PRODUCTS), "free_trial_discounts": list(shop.FREE_TRIALS)}


def generate_lives(
    seed: int, contacts: int, orders: int, *, now: datetime = NOW, first_id: int = 1_000
) -> Iterator[dict[str, list[Row]]]:
    """Yield the rows by stream, contact by contact, so that memory does not grow with the account.

    Args:
        seed: the same seed makes the same rows.
        contacts: how many.
        orders: how many in all, shared out evenly.
        now: the latest time of anything.
        first_id: where ids of every kind begin.
    """
    chance = random.Random(seed)
    books = Books(now, first_id)
    lives = Lives(books, chance, 36)
    for number in range(contacts):
        lives.live_by_count(orders * (number + 1) // contacts - orders * number // contacts)
        yield books.account()
        books.clear()
