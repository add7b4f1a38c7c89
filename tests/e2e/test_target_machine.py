"""What is around the target: signals, outputs that nobody takes, too little of something, environments, last lines."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from target_chartmogul.store.errors import StoreError, store_errors
from tests.support.bridge import Bridge
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_messages import account_messages
from tests.support.singer_rows import club_account
from tests.support.target_process import run_fresh, run_target, target_command

ROWS = club_account(3)


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    return Bridge(sandbox, tmp_path)


# -- signals (case double-signal) --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "code"), [(signal.SIGINT, signal.SIGTERM, 130), (signal.SIGTERM, signal.SIGINT, 143)]
)
def test_two_signals_within_a_second_are_one(
    bridge: Bridge, first: signal.Signals, second: signal.Signals, code: int
) -> None:
    """A clean end: what is under way is waited for, STATE and report are there, and the exit code is in its file."""
    bridge.sandbox.faults("chartmogul", latency_ms=60)
    files = {"report_path": str(bridge.folder / "report.json"), "exit_code_file": str(bridge.folder / "code")}
    running = bridge.start(account_messages(club_account(40)), load_method="single", **files)
    bridge.wait_for_writes(15)
    running.process.send_signal(first)
    time.sleep(0.1)
    running.process.send_signal(second)
    done = running.finish()
    assert done.code == code, done.stderr
    assert done.state is not None
    assert json.loads((bridge.folder / "report.json").read_text())["run"]["outcome"] == "stopped"
    assert (bridge.folder / "code").read_text() == f"{code}\n"
    assert f"Stopped by {first.name}; the next run continues. Report: " in done.last_line
    assert done.last_line.endswith(f"(exit code {code})")
    bridge.sandbox.faults("chartmogul")
    bridge.good(account_messages(club_account(40)))
    assert len(bridge.content()["invoices"]) == 80


def test_a_later_second_signal_ends_the_run_at_once(bridge: Bridge) -> None:
    never = [{"match": {"method": "POST", "path_regex": "/customers$"}, "kind": "never", "times": 1000}]
    bridge.sandbox.faults("chartmogul", script=never)
    running = bridge.start(account_messages(ROWS), exit_code_file=str(bridge.folder / "code"))
    deadline = time.monotonic() + 60
    while not any(
        each["method"] == "POST" and each["path"].endswith("/customers")
        for each in bridge.sandbox.requests("chartmogul")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.process.send_signal(signal.SIGINT)
    time.sleep(1.3)
    assert running.process.poll() is None, "a request is under way"
    running.process.send_signal(signal.SIGTERM)
    assert running.finish(5).code == 130
    assert (bridge.folder / "code").read_text() == "130\n"


# -- inputs and outputs ------------------------------------------------------------------------------------------------


def redirected(bridge: Bridge, redirection: str) -> subprocess.CompletedProcess[str]:
    command = target_command(bridge.folder, bridge.config())
    source = bridge.folder / "input.jsonl"
    source.write_text(account_messages(ROWS))
    return subprocess.run(
        ["bash", "-c", f'"${{@:2}}" <"$1" {redirection}', "bash", str(source), *command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "words"),
    [
        (">/dev/full", "The STATE cannot be written to this target's output: the disk is full."),
        (">&-", "The output of this target is closed, so that its STATE could not be passed on."),
        ("<&- >/dev/null", "The input of this target is closed: run it behind a tap"),
        ("| head -c 0 >/dev/null; exit ${PIPESTATUS[0]}", "The reader of this target's STATE is gone;"),
    ],
)
def test_standard_streams_that_are_not_there(bridge: Bridge, redirection: str, words: str) -> None:
    """A failed run, and the next one makes it good."""
    done = redirected(bridge, redirection)
    assert done.returncode == 4, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert words in last
    assert last.endswith("(exit code 4)")
    assert "Traceback" not in done.stderr
    bridge.good(account_messages(ROWS))
    assert len(bridge.content()["invoices"]) == 6


# -- too little of something -------------------------------------------------------------------------------------------


def limited(kind: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (most, most))


@pytest.mark.parametrize("files", [9, 10, 11, 12])
def test_too_few_open_files(bridge: Bridge, files: int) -> None:
    done = run_fresh(
        bridge.folder, bridge.config(), account_messages(ROWS), limit=limited(resource.RLIMIT_NOFILE, files)
    )
    assert done.code == 4, done.stderr
    assert done.last_line.endswith("(exit code 4)"), done.stderr
    assert "Traceback" not in done.stderr
    bridge.good(account_messages(ROWS))


def _run_on(bridge: Bridge, machine: str) -> subprocess.CompletedProcess[str]:
    """The target on a machine that this code makes worse."""
    command = target_command(bridge.folder, bridge.config())
    start = f"import sys; sys.argv = {['target-chartmogul', *command[5:]]!r}\n"
    return subprocess.run(
        [*command[:3], "-c", f"{machine}{start}from target_chartmogul.__main__ import main; main()"],
        cwd=ROOT,
        input=account_messages(ROWS),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_more_threads(bridge: Bridge) -> None:
    """The limit of processes does not hold for root: the thread library itself refuses here."""
    done = _run_on(
        bridge,
        "import threading\n"
        'def start(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = start\n",
    )
    assert done.returncode == 4, done.stderr
    assert "The system starts no more threads" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_file_system_without_locks(bridge: Bridge, name: str) -> None:
    done = _run_on(
        bridge,
        f"import errno, fcntl\ndef flock(*_): raise OSError(errno.{name}, 'no locks available')\nfcntl.flock = flock\n",
    )
    assert done.returncode == 4, done.stderr
    assert "The file system has no locks: set `store_path` to a local disk" in done.stderr.splitlines()[-1]
    assert bridge.writes() == 0


@pytest.mark.parametrize("code", [sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR_LOCK])
def test_what_sqlite_says_of_such_a_file_system(code: int) -> None:
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = code
    with pytest.raises(StoreError, match="has no locks"), store_errors():
        raise error


# -- environments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("TARGET_CHARTMOGUL_DRYRUN", "TARGET_CHARTMOGUL_DRY_RUN"),
        ("TARGET_CHARTMOGUL_STORE", "TARGET_CHARTMOGUL_STORE_PATH"),
        ("TARGET_CHARTMOGUL_APIKEY", "TARGET_CHARTMOGUL_API_KEY"),
    ],
)
def test_an_environment_variable_that_is_not_a_setting(bridge: Bridge, name: str, near: str) -> None:
    done = bridge.run(account_messages(ROWS), environment={name: "s3cret"})
    assert done.code == 2
    assert f"The environment variable `{name}` is not a setting; did you mean `{near}`?" in done.last_line
    assert "s3cret" not in done.stderr
    assert (done.stdout, bridge.writes()) == ("", 0)


def test_what_meltano_sets_beside_the_settings_passes(bridge: Bridge) -> None:
    """As `meltano invoke` sets it for a plugin, and for one that inherits from it."""
    beside = {
        "TARGET_CHARTMOGUL_DRY_RUN": "true",
        "TARGET_CHARTMOGUL__DIALECT": "x",
        "TARGET_CHARTMOGUL_EU_API_KEY": "k",
        "TARGET_CHARTMOGUL_EU__LOG_PARSER": "singer-sdk",
        "TARGET_CHARTMOGUL_STREAM_MAPS_CONTACTS_ID": "id",
        "TARGET_CHARTMOGUL_EU_STREAM_MAPS_CONTACTS_ID": "id",
        "TARGET_CHARTMOGUL_CUSTOMER_TAGS_12": "vip",
    }
    done = bridge.run(account_messages(ROWS), environment=beside)
    assert done.code == 0, done.stderr
    assert bridge.writes() > 0, "the settings come from the file here"


def test_settings_from_the_environment(bridge: Bridge) -> None:
    """The exit code goes into its file too, although no config file names it."""
    config = bridge.config(exit_code_file=str(bridge.folder / "code"))
    variables = {f"TARGET_CHARTMOGUL_{name.upper()}": str(value) for name, value in config.items()}
    done = subprocess.run(
        [*target_command(bridge.folder, {})[:5], "--config", "ENV"],
        cwd=ROOT,
        input=account_messages(ROWS),
        env={**os.environ, **variables, "TARGET_CHARTMOGUL_DRY_RUN": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (bridge.folder / "code").read_text() == "0\n"
    assert bridge.writes() == 0


# -- the exit code in its file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "code"),
    [({}, 0), ({"api_key": "not-the-key"}, 3), ({"churn_fallback": "paid"}, 2), ({"api_kee": 1}, 2)],
)
def test_the_exit_code_is_in_its_file(bridge: Bridge, settings: dict[str, object], code: int) -> None:
    file = bridge.folder / "code"
    file.write_text("99\n")
    done = bridge.run(account_messages(ROWS), exit_code_file=str(file), **settings)
    assert done.code == code, done.stderr
    assert file.read_text() == f"{code}\n"


def test_an_exit_code_file_that_cannot_be_written(bridge: Bridge) -> None:
    done = bridge.run(account_messages(ROWS), exit_code_file=str(bridge.folder / "none" / "code"))
    assert done.code == 2
    assert "Setting `exit_code_file` cannot be written: No such file or directory. (exit code 2)" in done.last_line
    assert bridge.writes() == 0


# -- first and last lines ----------------------------------------------------------------------------------------------


def test_a_good_run_ends_with_what_it_did(bridge: Bridge) -> None:
    done = bridge.good(account_messages(ROWS), report_path=str(bridge.folder / "report.json"))
    last = [line.split(" | ", 3)[-1] for line in done.stderr.splitlines()[-3:]]
    assert last[0] == "MRR now: 147.00 USD from 3 customers"
    assert last[1].startswith(f"Report: {bridge.folder / 'report.html'} (earlier runs: ")
    assert last[2].startswith("Done: ")
    assert "created" in last[2]
    assert any("REAL RUN" in line for line in done.stderr.splitlines())


def test_a_rehearsal_says_so_first(bridge: Bridge) -> None:
    done = bridge.good(account_messages(ROWS), dry_run=True)
    ours = [line for line in done.stderr.splitlines() if " | target-chartmogul" in line]
    first = next(line for line in ours if "Skipping parse of env" not in line and "Initializing" not in line)
    assert "REHEARSAL (`dry_run`): nothing will be written" in done.stderr
    assert "REHEARSAL" in first, done.stderr
    assert "would be created" in done.last_line
    assert "No report was written, since `report_path` is not set." in done.stderr.splitlines()[-2]


@pytest.mark.parametrize("report", [True, False])
def test_a_failed_run_ends_with_an_error_that_names_the_report(bridge: Bridge, report: bool) -> None:
    settings = {"report_path": str(bridge.folder / "r.json")} if report else {}
    rows = {**ROWS, "payments": [*ROWS["payments"], {"id": "33", "amount": "12.00"}]}
    done = bridge.run(account_messages(rows), **settings)
    assert done.code == 7
    where = f"Report: {bridge.folder / 'r.html'}" if report else "No report was written"
    assert " | ERROR " in done.last_line
    assert "Complete but for 1 rejected record: correct them at their source" in done.last_line
    assert where in done.last_line
    assert done.last_line.endswith("(exit code 7)")
    refused = bridge.run(account_messages(ROWS), data_source_name="Another", **settings)
    assert (refused.code, " | ERROR " in refused.last_line, where in refused.last_line) == (8, True, True), (
        refused.stderr
    )
    assert "`force: true`" in refused.last_line


@pytest.mark.parametrize("hostile", ["x\n2026-01-01 ERROR forged", "\x1b[31mred", "a\r\x00b\u2028c"])
def test_nothing_that_a_tap_says_begins_a_line_of_the_log(bridge: Bridge, hostile: str) -> None:
    """A stream's name, a record's id, a message's type, a currency."""
    stream = json.dumps({"type": "SCHEMA", "stream": hostile, "schema": {"properties": {}}, "key_properties": []})
    kind = json.dumps({"type": hostile})
    record = json.dumps({"type": "RECORD", "stream": hostile + "2", "record": {"id": hostile}})
    for line in (stream, kind, record):
        done = bridge.run(f"{line}\n")
        escaped = ascii(hostile)[1:-1]
        assert escaped in done.stderr.replace("\\\\", "\\")
        assert all(each.isprintable() for each in done.stderr.splitlines()), done.stderr
        assert "2026-01-01 ERROR forged" not in [each[:25] for each in done.stderr.splitlines()]


def test_a_report_path_that_cannot_be(bridge: Bridge) -> None:
    (bridge.folder / "file").write_text("")
    for path in (bridge.folder / "file" / "report.json", bridge.folder / "folder"):
        (bridge.folder / "folder").mkdir(exist_ok=True)
        done = bridge.run(account_messages(ROWS), report_path=str(path))
        assert done.code == 2, done.stderr
        assert "Setting `report_path`" in done.last_line
        assert bridge.writes() == 0


def test_a_configuration_error_needs_no_sandbox(tmp_path: Path) -> None:
    done = run_target(tmp_path, {"api_key": "k", "currency": "XQX"}, "")
    assert (done.code, done.last_line.endswith("(exit code 2)")) == (2, True)


def test_a_row_twice_in_one_run_counts_once(bridge: Bridge) -> None:
    """With equal content, and then with another: the last version counts, as it would in two runs."""
    first = {
        **ROWS,
        "contacts": [*ROWS["contacts"], ROWS["contacts"][0]],
        "orders": [*ROWS["orders"], ROWS["orders"][0]],
    }
    bridge.good(account_messages(first))
    content = bridge.content()
    assert (len(content["customers"]), len(content["invoices"])) == (3, 6)
    changed = {**ROWS["contacts"][0], "given_name": "Renamed"}
    bridge.good(account_messages({**ROWS, "contacts": [*ROWS["contacts"], changed]}))
    assert "Renamed" in bridge.content()["customers"][changed["id"]]["name"]
