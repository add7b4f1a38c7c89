"""Cursor paging (fact sheet §1.1): opaque cursors, 200 records a page at most."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from sandbox.chartmogul import errors, timestamps
from sandbox.chartmogul.shelf import Shelf, Shelved

LARGEST_PAGE = 200

T = TypeVar("T", bound=Shelved)


def per_page(query: Mapping[str, str]) -> int:
    text = query.get("per_page", str(LARGEST_PAGE))
    if not text.isdecimal() or int(text) < 1:
        raise errors.coded(400, 'Parameter "per_page" is invalid', "per_page")
    return min(int(text), LARGEST_PAGE)


def _position(query: Mapping[str, str]) -> int | None:
    if query.get("page", "1") != "1":
        raise errors.coded(400, 'Parameter "page" is no longer supported, use "cursor"', "page")
    cursor = query.get("cursor")
    if not cursor:
        return None
    try:
        _, _, seq = base64.b64decode(cursor, validate=True).decode().rpartition("&")
        return int(seq, 36)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise errors.coded(400, 'Parameter "cursor" is invalid', "cursor") from None


def _cursor(record: Shelved) -> str:
    created = timestamps.with_milliseconds(getattr(record, "created_at", 0))
    digits = ""
    seq = record.seq
    while seq:
        seq, rest = divmod(seq, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return base64.b64encode(f"{created[:-1]}000000Z&{digits}".encode()).decode()


def page(
    root: str,
    shelf: Shelf[T],
    query: Mapping[str, str],
    show: Callable[[T], dict[str, Any]],
    *,
    keep: Callable[[T], bool] | None = None,
    oldest_first: bool = False,
) -> dict[str, Any]:
    """One page of a list: `{root: […], "cursor": …, "has_more": …}`; the first one with the legacy totals.

    `cursor` is null only on an empty page: it is `has_more` that says whether to go on.
    """
    position, size = _position(query), per_page(query)
    records: Iterator[T] = shelf.oldest_first(position) if oldest_first else shelf.newest_first(position)
    if keep:
        records = filter(keep, records)
    found = list(islice(records, size + 1))
    shown = found[:size]
    answer: dict[str, Any] = {root: [show(record) for record in shown]}
    if position is None and keep is None:
        answer |= {"current_page": 1, "total_pages": max(1, -(-len(shelf) // size))}
    answer["cursor"] = _cursor(shown[-1]) if shown else None
    answer["has_more"] = len(found) > size
    return answer


def shelf_of(records: list[T]) -> Shelf[T]:
    """A shelf for the few records that an index found."""
    shelf: Shelf[T] = Shelf()
    for record in records:
        shelf.add(record)
    return shelf
