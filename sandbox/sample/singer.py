"""An account as Singer messages, for measuring a target alone."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

from sandbox.keap.derived import plans_of
from sandbox.keap.values import Row

_STREAMS = (
    "products", "subscription_plans", "free_trial_discounts", "contacts", "subscriptions", "orders", "order_payments",
    "payments", "transactions",
)  # fmt: skip
_KEYS = {"transactions": "transaction_key"}
_BOOKMARKS = {
    "contacts": "update_time", "orders": "modification_time", "payments": "payment_time",
    "transactions": "transaction_time",
}  # fmt: skip
_SCHEMA_PARTS = 200  # rows of so many parts decide what a schema holds; the rest are alike


def write_singer(account: Iterable[dict[str, list[Row]]], out: IO[bytes]) -> None:
    """Write SCHEMA, RECORD and STATE messages, stream by stream.

    Args:
        account: rows by stream, part by part; kept on disk until their stream's turn.
        out: where to.
    """
    with ExitStack() as stack:
        parts = {stream: stack.enter_context(TemporaryFile()) for stream in _STREAMS}
        schemas: dict[str, Any] = {stream: {"type": "object", "properties": {}} for stream in _STREAMS}
        bookmarks: dict[str, str] = {}
        for number, rows in enumerate(account):
            made = {"subscription_plans": _plans(rows), "order_payments": _shared(rows)}
            for stream in _STREAMS:
                for row in made[stream] if stream in made else rows.get(stream, ()):
                    _write_record(parts[stream], stream, row)
                    _note_bookmark(bookmarks, stream, row)
                    if number < _SCHEMA_PARTS:
                        _widen(schemas[stream], row)
        for stream in _STREAMS:
            key = _KEYS.get(stream, "id")
            message = {"type": "SCHEMA", "stream": stream, "schema": schemas[stream], "key_properties": [key]}
            if stream in _BOOKMARKS:
                message["bookmark_properties"] = [_BOOKMARKS[stream]]
            out.write(msgspec.json.encode(message) + b"\n")
            parts[stream].seek(0)
            shutil.copyfileobj(parts[stream], out, 1 << 20)
        out.write(msgspec.json.encode({"type": "STATE", "value": {"bookmarks": _state(bookmarks)}}) + b"\n")


def _plans(rows: dict[str, list[Row]]) -> list[Row]:
    return [plan for product in rows.get("products", ()) for plan in plans_of(product)]


def _shared(rows: dict[str, list[Row]]) -> list[Row]:
    """Return the order payments that a tap asks for: those of payments with two or more orders."""
    shared = {row["id"] for row in rows.get("payments", ()) if len(row["order_ids"]) > 1}
    return [row for row in rows.get("order_payments", ()) if row["payment_id"] in shared]


def _write_record(part: IO[bytes], stream: str, row: Row) -> None:
    record = row
    if stream == "transactions":
        digest = hashlib.sha256(msgspec.json.encode(row)).hexdigest()[:32]
        record = {**row, "transaction_key": digest}
    part.write(b'{"type":"RECORD","stream":"%b","record":%b}\n' % (stream.encode(), msgspec.json.encode(record)))


def _note_bookmark(bookmarks: dict[str, str], stream: str, row: Row) -> None:
    value = row.get(_BOOKMARKS.get(stream, ""))
    if value is not None:
        bookmarks[stream] = max(bookmarks.get(stream, ""), value)


def _state(bookmarks: dict[str, str]) -> dict[str, Any]:
    return {
        stream: {"replication_key": _BOOKMARKS[stream], "replication_key_value": value}
        for stream, value in bookmarks.items()
    }


def _widen(schema: dict[str, Any], row: Row) -> None:
    """Let a schema take the row too; every field may be null."""
    properties = schema.setdefault("properties", {})
    for name, value in row.items():
        _widen_field(properties.setdefault(name, {}), name, value)


def _widen_field(field: dict[str, Any], name: str, value: Any) -> None:
    kind = _kind(value)
    types: list[str] = field.setdefault("type", ["null"])
    if kind == "number" and "integer" in types:
        types.remove("integer")
    if kind not in types and not (kind == "integer" and "number" in types):
        types.insert(0, kind)
    if kind == "string" and name.endswith("_time"):
        field["format"] = "date-time"
    elif kind == "string" and name.endswith("_date"):
        field["format"] = "date"
    elif kind == "object":
        _widen(field, value)
    elif kind == "array":
        for item in value:
            _widen_field(field.setdefault("items", {}), name.removesuffix("s"), item)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]
