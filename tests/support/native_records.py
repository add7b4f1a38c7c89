"""Native rows as records of the store, for tests of the decision without one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from target_chartmogul.sources.native.source import NativeSource
from target_chartmogul.sources.native.streams import STREAMS
from target_chartmogul.sources.protocol import StoredRecord

SOURCE = NativeSource("shop-")


def stored(stream: str, row: Mapping[str, Any], *, gone: bool = False) -> StoredRecord:
    """A row as the store gives it back."""
    found = SOURCE.read(stream, json.dumps(row).encode())
    return StoredRecord(STREAMS.index(stream), found.number, found.payload, gone, found.id_text)


def records(
    rows: Mapping[str, Iterable[Mapping[str, Any]]], gone: Mapping[str, Iterable[Mapping[str, Any]]] | None = None
) -> list[StoredRecord]:
    """Rows by stream, and rows that are gone."""
    return [
        stored(stream, row, gone=is_gone)
        for shelf, is_gone in ((rows, False), (gone or {}, True))
        for stream, each in shelf.items()
        for row in each
    ]
