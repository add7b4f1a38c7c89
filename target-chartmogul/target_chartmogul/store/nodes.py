"""One integer names any record: the number of its stream above, its own number below."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from target_chartmogul.changes import ChartMogulObject, Kind

_BITS: Final = 59
NUMBERS: Final = 1 << _BITS
"""A record's number is below this; a stream's number is below 16, so that a node fits SQLite's integers."""
CATALOGUE_END: Final = 3
"""Streams below it (products, plans, free trials) tie no accounts together: half of all orders name one product."""
FIRST_NODE: Final = CATALOGUE_END << _BITS
"""The lowest node that is not of the catalogue."""


def node(stream: int, number: int) -> int:
    """The name of a record; both numbers as described above, which is not checked."""
    return stream << _BITS | number


def stream_of(node: int) -> int:
    """The number of a node's stream."""
    return node >> _BITS


def number_of(node: int) -> int:
    """The number of a node within its stream."""
    return node & (NUMBERS - 1)


def as_json(nodes: Iterable[int]) -> str:
    """For `json_each`, by which a query takes any number of them."""
    return "[" + ",".join(map(str, nodes)) + "]"


class SourceNodes(msgspec.Struct, frozen=True):
    """What a source tells the store, which reads neither payloads nor external ids itself."""

    links_of: Callable[[int, bytes], Iterable[int]]
    """Stream number and payload: the nodes that the record names, those of the catalogue too."""
    owner_node: Callable[[Kind, ChartMogulObject], int | None]
    """Whose an object is: a contact, or a customer of the native source; None for plans and foreign ids."""
    subject_node: Callable[[Kind, ChartMogulObject], int | None]
    """The order or subscription that an invoice or event is made of; None for all else."""
    contact_stream: int
