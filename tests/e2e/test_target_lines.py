"""Lines that are not what a tap should write: a record costs itself, anything else one sentence with its line (1.5)."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, line, record, schema, state
from tests.support.singer_rows import club_account

ROWS = club_account(2)
GOOD = account_messages(ROWS)


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    return Bridge(sandbox, tmp_path)


def nested(levels: int, of: str = "list") -> str:
    return "[" * levels + "]" * levels if of == "list" else '{"a":' * levels + "1" + "}" * levels


# -- nested ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [101, 250, 480, 1000, 100_000])
@pytest.mark.parametrize("of", ["list", "object"])
def test_a_record_that_is_nested_costs_itself(bridge: Bridge, levels: int, of: str) -> None:
    report = bridge.folder / "report.json"
    bad = '{"type":"RECORD","stream":"orders","record":{"id":"77","custom_fields":' + nested(levels, of) + "}}\n"
    done = bridge.run(GOOD.replace(schema("orders"), schema("orders") + bad), report_path=str(report))
    assert done.code == 7, done.stderr[-2000:]
    rejects = json.loads(report.read_text())["rejects"]
    assert [(each["stream"], each["reason"]) for each in rejects] == [("orders", "is nested too deeply")]
    assert rejects[0]["id"] in {"77", "line 10", "(no id)"} or rejects[0]["id"].startswith("line ")
    assert len(bridge.content()["invoices"]) == 4


def test_a_record_that_is_nested_costs_itself_behind_a_stream_map(bridge: Bridge) -> None:
    bad = '{"type":"RECORD","stream":"contacts","record":{"id":"77","x":' + nested(300) + "}}\n"
    maps = {"contacts": {"given_name": "record['given_name']"}}
    done = bridge.run(GOOD.replace(schema("contacts"), schema("contacts") + bad), stream_maps=maps)
    assert done.code == 7, done.stderr[-2000:]
    assert len(bridge.content()["invoices"]) == 4


@pytest.mark.parametrize("levels", [101, 300, 1000, 100_000])
@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('{"type":"STATE","value":{"bookmarks":{"orders":%s}}}', "a STATE message is nested too deeply"),
        (
            '{"type":"SCHEMA","stream":"orders","schema":{"properties":{"id":{"enum":%s}}},"key_properties":["id"]}',
            "a SCHEMA message of stream 'orders' is nested too deeply",
        ),
    ],
)
def test_what_others_depend_on_ends_the_run_where_it_is_nested(
    bridge: Bridge, levels: int, message: str, words: str
) -> None:
    done = bridge.run(schema("tags") + message % nested(levels) + "\n" + GOOD)
    assert done.code == 2, done.stderr[-2000:]
    assert f"line 2: {words}" in done.last_line.replace("Line", "line")
    assert bridge.writes() == 0


def test_a_line_of_nothing_but_brackets(bridge: Bridge) -> None:
    done = bridge.run(GOOD + nested(5000) + "\n")
    assert done.code == 7, done.stderr[-2000:]
    assert len(bridge.content()["invoices"]) == 4


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('{"type":"LOG","value":1}', "unknown message type 'LOG'"),
        ('{"type":"record","stream":"orders","record":{}}', "unknown message type 'record'"),
        (record("orders", {"id": "1"}).strip(), "a RECORD of stream 'orders' came before its SCHEMA"),
        (record("widgets", {"id": "1"}).strip(), "a RECORD of stream 'widgets' came before its SCHEMA"),
        ('{"type":"SCHEMA","schema":{"properties":{}}}', "a SCHEMA message names no stream"),
        ('{"type":"SCHEMA","stream":"orders"}', "the SCHEMA of stream 'orders' is not a JSON schema"),
        ('{"type":"SCHEMA","stream":"orders","schema":"x"}', "the SCHEMA of stream 'orders' is not a JSON schema"),
        (
            '{"type":"SCHEMA","stream":"orders","schema":{"properties":[]}}',
            "the SCHEMA of stream 'orders' is not a JSON schema",
        ),
        (
            '{"type":"SCHEMA","stream":"orders","schema":{"properties":{"id":5}}}',
            "the SCHEMA of stream 'orders' is not a JSON schema",
        ),
        (
            '{"type":"SCHEMA","stream":"orders","schema":{"properties":{}},"key_properties":"id"}',
            "the SCHEMA of stream 'orders' has `key_properties` that are not a list of names",
        ),
        ('{"type":"STATE"}', "a STATE message without `value`"),
    ],
)
def test_one_sentence_names_the_line(bridge: Bridge, message: str, words: str) -> None:
    done = bridge.run(f"{schema('tags')}\n{message}\n{GOOD}")
    assert done.code == 2, done.stderr
    assert f"Line 3: {words}" in done.last_line
    assert bridge.writes() == 0


def test_a_schema_that_no_validator_takes(bridge: Bridge) -> None:
    """Of a stream whose records are held to their schema."""
    bad = {"type": "SCHEMA", "stream": "orders", "schema": {"properties": {"id": {"type": "nonsense"}}}}
    done = bridge.run(line(bad) + GOOD)
    assert done.code == 2, done.stderr
    assert "Line 1: the SCHEMA of stream 'orders' is not a valid JSON schema" in done.last_line


@pytest.mark.parametrize(
    ("message", "entry"),
    [
        ('{"stream":"orders","record":{"id":"9"}}', ("orders", "9", "type", "is missing")),
        ('{"type":7}', ("(unknown)", "line 2", "type", "is not a text")),
        ("[1,2]", ("(unknown)", "line 2", "", "is not an object")),
        ('"RECORD"', ("(unknown)", "line 2", "", "is not an object")),
        ("hello", ("(unknown)", "line 2", "", "is not JSON")),
        ('{"type":"RECORD","record":{"id":"9"}}', ("(unknown)", "line 2", "stream", "is missing")),
        (
            '{"type":"RECORD","stream":5,"record":{"id":"9"}}',
            ("(unknown)", "9", "stream", "has a value of the wrong kind"),
        ),
        (
            '{"type":"RECORD","stream":"orders","record":{"id":"9"},"version":"x"}',
            ("orders", "9", "version", "has a value of the wrong kind"),
        ),
    ],
)
def test_a_line_without_what_it_needs_is_a_reject(bridge: Bridge, message: str, entry: tuple[Any, ...]) -> None:
    report = bridge.folder / "report.json"
    done = bridge.run(f"{schema('orders')}{message}\n{GOOD}", report_path=str(report))
    assert done.code == 7, done.stderr
    rejects = json.loads(report.read_text())["rejects"]
    assert [(each["stream"], each["id"], each["field"], each["reason"]) for each in rejects] == [entry]
    assert len(bridge.content()["invoices"]) == 4


def test_a_record_that_is_not_there(bridge: Bridge) -> None:
    for message in ('{"type":"RECORD","stream":"orders"}', '{"type":"RECORD","stream":"orders","record":null}'):
        done = bridge.run(f"{schema('orders')}{message}\n{GOOD}")
        assert done.code == 7, done.stderr


# -- marks and encodings -----------------------------------------------------------------------------------------------


def test_a_mark_at_the_beginning_is_skipped(bridge: Bridge) -> None:
    done = bridge.run(codecs.BOM_UTF8 + GOOD.encode())
    assert done.code == 0, done.stderr
    assert len(bridge.content()["invoices"]) == 4


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf_16_is_named(bridge: Bridge, mark: bytes) -> None:
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    done = bridge.run(mark + GOOD.encode(encoding))
    assert done.code == 2, done.stderr
    assert "Line 1: the input is UTF-16, but Singer messages are UTF-8" in done.last_line


def test_a_version_of_a_stream_that_nobody_announced_is_ignored(bridge: Bridge) -> None:
    done = bridge.run('{"type":"ACTIVATE_VERSION","stream":"widgets","version":1}\n' + GOOD + state())
    assert done.code == 0, done.stderr
