"""Singer messages made from Keap rows, in the form in which `tap-keap` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

REPLICATION_KEYS = {
    "contacts": "update_time",
    "orders": "modification_time",
    "payments": "payment_time",
    "transactions": "transaction_time",
}
STREAMS = (
    "products",
    "subscription_plans",
    "free_trial_discounts",
    "contacts",
    "subscriptions",
    "orders",
    "payments",
    "order_payments",
    "transactions",
)


def line(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":")) + "\n"


def schema(stream: str) -> str:
    """A SCHEMA that any row fits."""
    message: dict[str, Any] = {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": {"id": {"type": ["string", "null"]}}},
        "key_properties": [] if stream == "transactions" else ["id"],
    }
    if stream in REPLICATION_KEYS:
        message["bookmark_properties"] = [REPLICATION_KEYS[stream]]
    return line(message)


def record(stream: str, row: Mapping[str, Any]) -> str:
    return line({"type": "RECORD", "stream": stream, "record": row})


def state(**bookmarks: str) -> str:
    """A STATE with a replication value per stream."""
    value = {
        stream: {"replication_key": REPLICATION_KEYS[stream], "replication_key_value": each}
        for stream, each in bookmarks.items()
    }
    return line({"type": "STATE", "value": {"bookmarks": value}})


def activate(stream: str) -> str:
    return line({"type": "ACTIVATE_VERSION", "stream": stream, "version": 1})


def account_messages(
    keap: Mapping[str, Iterable[Mapping[str, Any]]], *, whole: Iterable[str] = ("subscriptions", "orders")
) -> str:
    """All rows of an account as one complete read, with its final STATE."""
    parts = []
    reached: dict[str, str] = {}
    for stream in STREAMS:
        parts.append(schema(stream))
        for row in keap.get(stream, ()):
            parts.append(record(stream, row))
            key = REPLICATION_KEYS.get(stream)
            if key and row.get(key):
                reached[stream] = max(reached.get(stream, ""), str(row[key]))
        if stream in set(whole):
            parts.append(activate(stream))
    return "".join(parts) + state(**reached)
