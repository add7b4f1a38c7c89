"""Singer messages made from Keap rows, in the form in which `tap-keap` writes them."""

from __future__ import annotations

import itertools
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
ALWAYS_WHOLE = ("products", "subscription_plans", "free_trial_discounts", "subscriptions")
"""Streams that come whole in every run; with a version, so that what they lack is gone (rule 1.8)."""

_versions = itertools.count(1_760_000_000_000)


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


def record(stream: str, row: Mapping[str, Any], version: int | None = None) -> str:
    versioned = {} if version is None else {"version": version}
    return line({"type": "RECORD", "stream": stream, "record": row, **versioned})


def state(*, read: Any = ..., **bookmarks: str) -> str:
    """A STATE with a replication value per stream, and what `tap-keap` says of its reading if that is given."""
    value = {
        stream: {"replication_key": REPLICATION_KEYS[stream], "replication_key_value": each}
        for stream, each in bookmarks.items()
    }
    marker = {} if read is ... else {"keap_read": read}
    return line({"type": "STATE", "value": {"bookmarks": value, **marker}})


def activate(stream: str, version: int | None = None) -> str:
    number = next(_versions) if version is None else version
    return line({"type": "ACTIVATE_VERSION", "stream": stream, "version": number})


def whole_stream(stream: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """A complete read of a stream, under a version of its own."""
    version = next(_versions)
    return schema(stream) + "".join(record(stream, row, version) for row in rows) + activate(stream, version)


def account_messages(
    keap: Mapping[str, Iterable[Mapping[str, Any]]], *, whole: Iterable[str] = (*ALWAYS_WHOLE, "orders")
) -> str:
    """All rows of an account as one complete read, with its final STATE.

    Args:
        keap: rows by stream.
        whole: streams that are read with a version, and thus completely: what they lack is gone.
    """
    parts = []
    reached: dict[str, str] = {}
    for stream in STREAMS:
        rows = list(keap.get(stream, ()))
        if stream in set(whole):
            parts.append(whole_stream(stream, rows))
        else:
            parts += [schema(stream), *(record(stream, row) for row in rows)]
        key = REPLICATION_KEYS.get(stream)
        times = [str(row[key]) for row in rows if key and row.get(key)]
        if times:
            reached[stream] = max(times)
    return "".join(parts) + state(**reached)


def changed_messages(keap: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """The same rows as an incremental run brings them: what always comes whole is whole, the rest is what changed."""
    return account_messages(keap, whole=ALWAYS_WHOLE)
