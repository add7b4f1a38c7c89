"""Rows: what Keap may send, and what leaves."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tap_keap.conform import load_schema
from tap_keap.rows import RowReader, page_token


def reader(stream: str = "orders", **options: bool) -> RowReader:
    envelope = {"orders": "orders", "payments": "payments", "contacts": "contacts"}[stream]
    return RowReader(load_schema(stream), envelope, **options)


def body(rows: list[Any], token: str | None = "", envelope: str = "orders") -> bytes:
    return json.dumps({envelope: rows, "next_page_token": token}).encode()


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (None, None),
        ("", None),
        ("eyJpZCI6OTF9", "eyJpZCI6OTF9"),
        ("https://api.infusionsoft.com/crm/rest/v2/tags/?page_size=1&page_token=91", "91"),
        ("https://api.infusionsoft.com/crm/rest/v2/tags/?page_size=1", None),
    ],
)
def test_page_tokens_in_both_forms(value: str | None, token: str | None) -> None:
    assert page_token(value) == token


def test_missing_token_and_missing_list_are_the_last_page() -> None:
    page = reader().read(b"{}")
    assert (page.rows, page.next_token) == ([], None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b'{"orders": [{"id": "1"}, {"i',
        b'{"orders": [{"id": NaN}, {"i',
        b"[]",
        b"5",
        b'{"orders": 5}',
        b'{"orders": true}',
        b'{"orders": {"id": "1"}}',
        b'{"orders": [], "next_page_token": true}',
        b'{"orders": [], "next_page_token": ["2"]}',
        b'{"caf\xe9 orders": [{"id": "1"}]}',
        b'{"message": "try later"}',
        b'{"Orders": [{"id": "1"}], "orders": null}',
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_is_not_a_page_is_an_error(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        reader().read(text)


@pytest.mark.parametrize("text", [b'{"orders": null}', b'{"next_page_token": ""}', b'{"count": 0}', b'{"orders": []}'])
def test_a_page_without_rows(text: bytes) -> None:
    assert reader().read(text).rows == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'{"id": "7", "title": NaN}', "it is not valid JSON"),
        (b'{"id": "7", "title": "\\ud83d"}', "it is not valid JSON"),
        (b'{"id": "7", "title": "caf\xe9"}', "it is not valid JSON"),
        (b'{"id": "7", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "it is nested too deeply"),
        (b'{"id": "7", "x": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", "it is nested too deeply"),
    ],
)
def test_a_row_that_is_not_json_costs_only_itself(broken: bytes, reason: str) -> None:
    good = b'{"id": "8", "title": "],[\\"{"}'
    page = reader().read(b'{"next_page_token": "t", "orders": [' + good + b", " + broken + b", " + good + b"]}")
    assert [row["id"] for row in page.rows] == ["8", "8"]
    assert page.rows[0]["title"] == '],["{'
    assert page.rejected == [("7", reason)]
    assert page.next_token == "t"


def test_what_a_schema_leaves_open_is_not_nested_without_end() -> None:
    def row(levels: int) -> dict[str, Any]:
        content: Any = "x"
        for _ in range(levels):
            content = [content]
        return {"id": "7", "custom_fields": [{"id": "1", "content": content}]}

    assert reader("contacts").read(body([row(90)], envelope="contacts")).rows
    rejected = reader("contacts").read(body([row(110)], envelope="contacts")).rejected
    assert rejected == [("7", "field custom_fields[].content: nested too deeply")]
    assert reader(keep_unknown=True).read(body([{"id": "7", "x": row(110)}])).rejected


def test_a_token_that_is_a_number() -> None:
    assert reader().read(b'{"orders": [{"id": "1"}], "next_page_token": 7}').next_token == "7"


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        ({"id": 7}, "id", "7"),
        ({"id": "7", "total": {"amount": "4900"}}, "total", {"amount": 4900}),
        ({"id": "7", "total": ""}, "total", None),
        ({"id": "7", "order_items": ""}, "order_items", None),
        ({"id": "7", "allow_payment": "true"}, "allow_payment", True),
        ({"id": "7", "order_time": ""}, "order_time", None),
        ({"id": "7", "order_time": "0"}, "order_time", None),
        ({"id": "7", "total": "0"}, "total", None),
        ({"id": "7", "order_items": 0}, "order_items", None),
        ({"id": "7", "allow_payment": "0"}, "allow_payment", False),
        ({"id": "7", "order_time": "2024-11-20T18:34:12.000+0000"}, "order_time", "2024-11-20T18:34:12.000Z"),
        ({"id": "7", "order_time": "2019-03-27T12:36:11.000-04:00"}, "order_time", "2019-03-27T16:36:11.000Z"),
        ({"id": "7", "order_time": "2024-05-21T14:30:00Z"}, "order_time", "2024-05-21T14:30:00Z"),
    ],
)
def test_conversions_that_lose_nothing(row: dict[str, Any], field: str, value: Any) -> None:
    page = reader().read(body([row]))
    assert page.rejected == []
    assert page.rows[0][field] == value


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "7", "total": 5}, "field total: expected an object"),
        ({"id": "7", "total": {"amount": 49.5}}, "field total.amount: expected integer"),
        ({"id": "7", "order_items": {"id": "1"}}, "field order_items: expected a list"),
        ({"id": "7", "order_items": [{"quantity": "two"}]}, "field order_items[].quantity: expected integer"),
        ({"id": "7", "order_time": "soon"}, "field order_time: expected a date-time"),
        ({"id": "7", "allow_payment": "perhaps"}, "field allow_payment: expected boolean"),
        ({"id": "7", "allow_payment": ["true"]}, "field allow_payment: expected boolean"),
        ({"id": "7", "title": {"text": "x"}}, "field title: expected string"),
        ({"id": "7", "total": {"amount": []}}, "field total.amount: expected integer"),
        ({"id": "7", "total": {"amount": "1e999999999"}}, "field total.amount: expected integer"),
    ],
)
def test_a_row_that_does_not_fit_is_named_without_its_value(row: dict[str, Any], reason: str) -> None:
    page = reader().read(body([row, {"id": "8"}]))
    assert page.rejected == [("7", reason)]
    assert [kept["id"] for kept in page.rows] == ["8"]


def test_null_rows_cost_only_themselves() -> None:
    page = reader().read(body([None, {"id": "8"}]))
    assert [kept["id"] for kept in page.rows] == ["8"]
    assert page.rejected == [(None, "the row is null")]


def test_unknown_fields_go_at_every_depth_unless_wanted() -> None:
    row = {"id": "7", "x": 1, "total": {"amount": 1, "y": 2}, "order_items": [{"id": "1", "z": 3}]}
    assert reader().read(body([row])).rows == [{"id": "7", "total": {"amount": 1}, "order_items": [{"id": "1"}]}]
    assert reader(keep_unknown=True).read(body([row])).rows == [row]


@pytest.mark.parametrize("text", ["123.34", "0.1", "1e2", "-5", "12345678901234.56"])
def test_amounts_are_exact(text: str) -> None:
    page = reader("payments").read(f'{{"payments": [{{"id": "1", "amount": {text}}}]}}'.encode())
    amount = page.rows[0]["amount"]
    assert isinstance(amount, Decimal)
    assert amount == Decimal(text)


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", '"1e999999999"'])
def test_a_number_that_no_reader_could_spell_out(text: str) -> None:
    page = reader("payments").read(f'{{"payments": [{{"id": "1", "amount": {text}}}, {{"id": "2"}}]}}'.encode())
    assert page.rejected == [("1", "field amount: expected number")]
    assert [row["id"] for row in page.rows] == ["2"]
