"""Generated accounts as Singer messages."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import pytest

from sandbox.keap.packed import read_messages
from sandbox.sample import sample_account
from sandbox.sample.singer import write_singer


@pytest.fixture(scope="module")
def account() -> dict[str, Any]:
    return sample_account()


@pytest.fixture(scope="module")
def written(account: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    write_singer([account], out)
    return out.getvalue()


def test_records_follow_their_schema(written: bytes, account: dict[str, Any]) -> None:
    schemas: dict[str, Any] = {}
    keys: dict[str, set[str]] = {}
    for line in written.splitlines():
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            jsonschema.Draft7Validator.check_schema(message["schema"])
            schemas[message["stream"]] = (
                jsonschema.Draft7Validator(message["schema"]),
                message["key_properties"][0],
            )
        elif message["type"] == "RECORD":
            validator, key = schemas[message["stream"]]
            validator.validate(message["record"])
            keys.setdefault(message["stream"], set()).add(message["record"][key])
    assert message["type"] == "STATE"
    latest = max(row["modification_time"] for row in account["orders"])
    assert message["value"]["bookmarks"]["orders"]["replication_key_value"] == latest
    for stream in ("contacts", "orders", "payments", "transactions", "subscriptions"):
        assert len(keys[stream]) == len(account[stream]), stream
    shared = {row["id"] for row in account["payments"] if len(row["order_ids"]) > 1}
    assert len(keys["order_payments"]) == sum(row["payment_id"] in shared for row in account["order_payments"])


def test_they_can_be_read_back(written: bytes, account: dict[str, Any], tmp_path: Any) -> None:
    path = tmp_path / "account.jsonl"
    path.write_bytes(written)
    read = read_messages(path)
    assert [read["orders"][row["id"]] for row in account["orders"]] == account["orders"]
    assert list(read["transactions"].values()) == account["transactions"]
