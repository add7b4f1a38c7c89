"""Rows kept as JSON: an account of millions fits into memory, and whole rows are sent as they are."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from sandbox.keap.values import Row


class PackedRows(MutableMapping[str, Row]):
    """Rows by id, each decoded when it is looked at."""

    def __init__(self, raw: dict[str, bytes] | None = None) -> None:
        self.raw: dict[str, bytes] = {} if raw is None else raw

    def __getitem__(self, row_id: str) -> Row:
        row: Row = msgspec.json.decode(self.raw[row_id])
        return row

    def __setitem__(self, row_id: str, row: Row) -> None:
        self.raw[row_id] = msgspec.json.encode(row)

    def __delitem__(self, row_id: str) -> None:
        del self.raw[row_id]

    def __contains__(self, row_id: object) -> bool:
        return row_id in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def column(self, name: str) -> Iterator[tuple[str, Row]]:
        """Yield ids and rows that hold only one field; the others are not decoded."""
        decoder = msgspec.json.Decoder(msgspec.defstruct("OneField", [(name, Any, None)]))
        for row_id, raw in self.raw.items():
            yield row_id, {name: getattr(decoder.decode(raw), name)}

    def copy(self) -> PackedRows:
        """Return a copy that can be changed alone."""
        return PackedRows(dict(self.raw))


class _Message(msgspec.Struct):
    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw(b"{}")


class _Id(msgspec.Struct):
    id: str = ""
    payment_method_id: str = ""


def read_messages(path: Path) -> dict[str, PackedRows]:
    """Read an account from Singer messages, as ``python -m sandbox.sample --singer`` writes them.

    Rows without an id of their own are numbered; the key that was made up for them is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no Singer message.
    """
    account: dict[str, PackedRows] = {}
    message_decoder, id_decoder = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Id)
    with path.open("rb") as lines:
        for line in lines:
            message = message_decoder.decode(line)
            if message.type != "RECORD":
                continue
            rows = account.setdefault(message.stream, PackedRows())
            if message.stream == "transactions":
                row = msgspec.json.decode(message.record)
                row.pop("transaction_key", None)
                rows[str(len(rows) + 1)] = row
                continue
            found = id_decoder.decode(message.record)
            rows.raw[found.id or found.payment_method_id] = bytes(message.record)
    return account
