"""What a listing of Keap's REST API v2 is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.keap.filters import Field, since, until

ID = ("id", "id")


@dataclass(frozen=True, slots=True)
class Resource:
    """A listing.

    Args:
        stream: its name in the account and in the control calls.
        path: behind ``/v2/``.
        envelope: the key under which the rows are.
        noun: what a row is called in the text of a 404.
        filters: what may be filtered by.
        needs: filters that are refused without another one.
        orders: path and kind of value by ``order_by`` name.
        id_field: None where rows have no id of their own.
        selectable: whether there is a parameter ``fields``.
        fields: which names ``fields`` takes; empty: any.
        sparse: the fields of a row when ``fields`` is not given; empty: all but ``optional``.
        optional: fields that a row has only if ``fields`` names them, besides all others.
        model: whose custom fields may be filtered by.
        gettable: whether one row can be had by its id.
        max_page_size: a larger ``page_size`` is refused.
        derived: no rows of its own; they follow from other streams.
    """

    stream: str
    path: str
    envelope: str
    noun: str
    filters: Mapping[str, Field] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    id_field: str | None = "id"
    selectable: bool = False
    fields: frozenset[str] = frozenset()
    sparse: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    model: str | None = None
    gettable: bool = True
    max_page_size: int = 1000
    derived: bool = False


def times(since_name: str, until_name: str, *, column: str) -> dict[str, Field]:
    """Return the two bounds of an instant."""
    return {since_name: since(column), until_name: until(column)}
