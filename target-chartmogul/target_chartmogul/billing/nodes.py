"""One integer names any record of a source: the number of its stream above, its own number below."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_BITS: Final = 59
NUMBERS: Final = 1 << _BITS
"""A record's number is below this; a stream's number is below 16, so that a node fits SQLite's integers."""
CATALOGUE_END: Final = 3
"""Streams below it (products, plans, free trials) tie no accounts together: half of all orders name one product."""

FIRST_NODE: Final = CATALOGUE_END << _BITS
"""The lowest node that is not of the catalogue."""
ACCOUNTS_END: Final = 9
"""Streams from it on are of no account: they say what holds for all of them, such as the source's own settings."""
END_NODE: Final = ACCOUNTS_END << _BITS
"""The lowest node of those."""


def node(stream_number: int, number: int) -> int:
    """The name of a record."""
    return stream_number << _BITS | number


def is_of_accounts(stream_number: int) -> bool:
    """Whether the records of a stream make up accounts."""
    return CATALOGUE_END <= stream_number < ACCOUNTS_END


def stream_of(node: int) -> int:
    """The number of a node's stream."""
    return node >> _BITS


def number_of(node: int) -> int:
    """The number of a node within its stream."""
    return node & (NUMBERS - 1)


def as_json(nodes: Iterable[int]) -> str:
    """A JSON array of nodes, as SQLite's `json_each` reads it."""
    return "[" + ",".join(map(str, nodes)) + "]"
