"""The target's command line: answers without a run, and one line with an exit code for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import STREAMS, account_messages, line, record, schema, state
from tests.support.target_process import COMMAND, SOURCE, run_target, target_config

EMPTY = account_messages({})


def answer(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_version() -> None:
    found = answer("--version")
    assert found.returncode == 0
    assert found.stdout.startswith("target-chartmogul v")


def test_about_names_every_setting_once() -> None:
    described = json.loads(answer("--about", "--format=json").stdout)
    names = set(described["settings"]["properties"])
    assert {"api_key", "store_path", "date_timezone", "stream_maps"} <= names
    assert not {"flattening_enabled", "batch_size_rows", "add_record_metadata"} & names, "they would do nothing"
    assert described["settings"]["properties"]["load_method"]["enum"] == ["auto", "single", "bulk"]


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"api_kee": "x"}, 2, ["Unknown setting `api_kee`", "did you mean `api_key`"]),
        ({"churn_fallback": "paid"}, 2, ["churn_fallback", "`paid_through`"]),
        ({"date_timezone": "Mars/Olympus"}, 2, ["date_timezone"]),
        ({"cancellation_overrides": {"5": "soon"}}, 2, ["cancellation_overrides.5"]),
        ({"invoices_since": "yesterday"}, 2, ["invoices_since"]),
        ({"max_delete_share": 2}, 2, ["max_delete_share", "between 0 and 1"]),
        ({"dry_run": "yes"}, 2, ["dry_run", "true or false"]),
        ({"currency": "XQX"}, 2, ["currency"]),
        ({"api_url": "http://api.example.com/v1"}, 2, ["api_url", "https"]),
        ({"api_key": None}, 2, ["api_key", "missing"]),
        ({"api_key": "not-the-key"}, 3, ["api_key"]),
        ({"data_source_uuid": "ds_00000000-0000-0000-0000-000000000000"}, 2, ["data_source_uuid"]),
    ],
)
def test_mistake(sandbox: Sandbox, tmp_path: Path, settings: dict[str, Any], code: int, words: list[str]) -> None:
    done = run_target(tmp_path, target_config(sandbox, **{"api_key": sandbox.chartmogul_api_key, **settings}), EMPTY)
    assert done.code == code, done.stderr
    assert all(word in done.last_line for word in words), done.last_line
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for value in settings.values():
        if value == "not-the-key":
            assert value not in done.stderr


def test_config_file_that_is_not_there(tmp_path: Path) -> None:
    found = answer("--config", str(tmp_path / "none.json"))
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)
    assert "none.json" in found.stderr


def test_config_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    found = answer("--config", str(tmp_path / "bad.json"))
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)


def test_unknown_option() -> None:
    found = answer("--frobnicate")
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)


def test_nobody_at_the_address(tmp_path: Path) -> None:
    config = {"api_key": "k", "api_url": "http://127.0.0.1:9/v1"}
    done = run_target(tmp_path, config, EMPTY)
    assert done.code == 4, done.stderr
    assert "127.0.0.1:9" in done.last_line
    assert "Traceback" not in done.stderr


def test_read_only_key_is_found_before_anything_is_written(sandbox: Sandbox, tmp_path: Path) -> None:
    config = target_config(sandbox, api_key=sandbox.keys["chartmogul_read_only_key"])
    rows = {"contacts": [{"id": "7", "given_name": "A"}], "subscriptions": [{"id": "9", "contact_id": "7"}]}
    done = run_target(tmp_path, config, account_messages(rows))
    assert done.code == 3, done.stderr
    assert "read" in done.last_line.lower()
    assert [entry for entry in sandbox.writes() if entry["status"] < 300] == []


def test_records_without_schema(sandbox: Sandbox, tmp_path: Path) -> None:
    done = run_target(tmp_path, target_config(sandbox), record("contacts", {"id": "1"}))
    assert done.code == 2
    assert "SCHEMA" in done.last_line
    assert "Traceback" not in done.stderr


def test_unknown_streams_are_ignored_with_one_warning(sandbox: Sandbox, tmp_path: Path) -> None:
    messages = schema("users") + record("users", {"id": "1"}) * 3 + schema("users") + state()
    done = run_target(tmp_path, target_config(sandbox), messages)
    assert done.code == 0, done.stderr
    assert done.stderr.count("Ignoring streams") == 1
    assert sandbox.requests("chartmogul") == []
    assert done.state == {"bookmarks": {}}


def test_nothing_at_all_asks_nobody(tmp_path: Path) -> None:
    done = run_target(tmp_path, {"api_key": "k", "api_url": "http://127.0.0.1:9/v1"}, "")
    assert (done.code, done.stdout) == (0, "")


def test_batch_messages_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    batch = {"type": "BATCH", "stream": "contacts", "encoding": {"format": "jsonl"}, "manifest": []}
    done = run_target(tmp_path, target_config(sandbox), schema("contacts") + line(batch))
    assert done.code == 2
    assert "batch_config" in done.last_line


def test_each_bad_record_costs_itself_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    """Issue of bad records: no id, NaN, a text of 1 MB, an amount as text, no JSON at all, an impossible date."""
    sandbox.no_limits()
    good = account_messages({"contacts": [{"id": "7"}], "subscriptions": [{"id": "9", "contact_id": "7"}]})
    bad = [
        record("contacts", {"given_name": "No", "family_name": "Id"}),
        '{"type":"RECORD","stream":"payments","record":{"id":"31","amount":NaN}}\n',
        record("contacts", {"id": "32", "given_name": "x" * 1_000_000}),
        record("payments", {"id": "33", "amount": "12.00"}),
        record("orders", {"id": "34", "order_time": "2026-02-31T00:00:00Z"}),
        record("orders", {"id": "abc"}),
        '{"type":"RECORD","stream":"orders","rec\n',
    ]
    first, rest = good.split(schema("products"), 1)[0], good
    messages = first + "".join(schema(stream) for stream in STREAMS) + "".join(bad) + rest
    report = tmp_path / "report.json"
    config = target_config(sandbox, report_path=str(report), store_path=str(tmp_path / "store.sqlite"))
    done = run_target(tmp_path, config, messages)
    assert done.code == 7, done.stderr
    assert list(sandbox.content(SOURCE)["customers"]) == ["7"]
    rejects = {(each["stream"], each["id"], each["field"]) for each in json.loads(report.read_text())["rejects"]}
    assert ("contacts", "(no id)", "id") in rejects
    assert ("payments", "31", "amount") in rejects
    assert ("contacts", "32", "given_name") in rejects
    assert ("payments", "33", "amount") in rejects
    assert ("orders", "34", "order_time") in rejects
    assert ("orders", "(no id)", "id") in rejects, "what is not an id may be anything, a name too"
    assert len(rejects) == len(bad)
    assert done.state is not None, "a bad record holds nothing back"
    assert "xxxxx" not in done.stderr + report.read_text()


def test_accepted_rejects_do_not_count(sandbox: Sandbox, tmp_path: Path) -> None:
    messages = account_messages({"payments": [{"id": "33", "amount": "12.00"}]})
    assert run_target(tmp_path, target_config(sandbox), messages).code == 7
    assert run_target(tmp_path, target_config(sandbox, accepted_rejects=["payments:33"]), messages).code == 0


def test_it_starts_fast() -> None:
    """Imports of the SDK cost half a second; --version does without them."""
    code = (
        "import sys; sys.argv = ['t', '--version']; from target_chartmogul.__main__ import main;"
        " main(); print('singer_sdk' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("False")
