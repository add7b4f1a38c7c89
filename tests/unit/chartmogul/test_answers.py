"""Bodies of answers: read within bounds, decoded as well as they can be."""

from __future__ import annotations

import json

import msgspec
import pytest

from target_chartmogul.chartmogul.answers import DEEPEST, decode


def nested(depth: int, inside: str = "") -> str:
    return "[" * depth + inside + "]" * depth


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", None),
        (b" \n", None),
        (b'{"a": [1, 2.5, null, true, "\xc3\xa9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b'{"a": NaN, "b": [Infinity, -Infinity, 1e400], "c": 1}', {"a": None, "b": [None, None, None], "c": 1}),
        (b'{"a": "x\\ud83d", "b": "\\ud83d\\ude00"}', {"a": "x?", "b": "😀"}),
        (b'{"a": "\\\\ud83d"}', {"a": "\\ud83d"}),
        (b'{"a": "caf\xe9"}', {"a": "caf\ufffd"}),
        (b'{"a": 12345678901234567890}', {"a": 12345678901234567890}),
    ],
)
def test_values(body, value):
    assert decode(body) == value


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_deep_nesting_costs_the_value_alone(depth):
    deep = nested(depth, '"]}{[\\""')
    rows = decode(f'{{"rows": [{{"id": 1, "x": {deep}, "y": 2}}, {{"id": 2}}], "has_more": false}}'.encode())
    assert [row["id"] for row in rows["rows"]] == [1, 2]
    assert rows["rows"][0]["y"] == 2
    assert rows["has_more"] is False


def test_deep_and_odd_at_once():
    rows = decode(f'{{"rows": [{{"id": NaN, "x": {nested(5_000)}}}, {{"id": 2}}]}}'.encode())
    assert rows["rows"][0]["id"] is None
    assert rows["rows"][1] == {"id": 2}


def test_what_is_not_too_deep_is_kept_whole():
    text = nested(DEEPEST - 1, "7")
    assert decode(f"[{text}, {nested(2_000)}]".encode())[0] == json.loads(text)


@pytest.mark.parametrize(
    "body", [b"<html></html>", b'{"uuid": "cus_', b"[" * 5_000, b"[" * 5_000 + b"}" * 5_000, b'{"a": 1} x', b"\xff\xfe"]
)
def test_what_is_not_json(body):
    with pytest.raises(ValueError, match=r"."):
        decode(body)


def test_what_is_decoded_can_be_encoded_again():
    value = decode(b'{"a": "\\ud83d", "b": NaN, "c": "\xff", "d": ' + b"[" * 3_000 + b"]" * 3_000 + b"}")
    assert msgspec.json.decode(msgspec.json.encode(value)) == value
