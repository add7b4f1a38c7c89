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


def node(stream_number: int, number: int) -> int:
    """The name of a record."""
    return stream_number << _BITS | number


def stream_of(node: int) -> int:
    """The number of a node's stream."""
    return node >> _BITS


def number_of(node: int) -> int:
    """The number of a node within its stream."""
    return node & (NUMBERS - 1)


def as_json(nodes: Iterable[int]) -> str:
    """A JSON array of nodes, as SQLite's `json_each` reads it."""
    return "[" + ",".join(map(str, nodes)) + "]"
