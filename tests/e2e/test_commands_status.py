"""`status`, and the command line's own help (rule 7.4)."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from tests.support.commands import Synced, case_of
from tests.support.sandbox_process import ROOT, Sandbox

COMMANDS = ("explain", "forget", "preview", "status", "sync", "verify")


def test_rule_7_4_status_says_what_the_store_holds_and_what_is_due(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    case = case_of("24-filters")
    account = Synced(sandbox, tmp_path, case.runs[0].now.isoformat(), case.settings)
    keap = {stream: [*rows] for stream, rows in case.runs[0].keap.items()}
    keap["orders"] = [*keap["orders"], {**keap["orders"][0], "id": "9999", "total": {"amount": "much"}}]
    account.sync(keap)
    before = account.store.read_bytes()
    shown = account.command("status", "--format", "json", api_key=None)
    assert (shown.code, shown.stderr) == (0, "")
    found = json.loads(shown.stdout)
    content = sandbox.content("Keap", account.now)
    assert found["kind"] == "keap"
    assert found["first_read"] == "complete"
    assert found["is_outrun"] is False
    assert found["streams"]["orders"]["records"] == len(keap["orders"])
    assert found["streams"]["orders"]["read_up_to"] == max(row["modification_time"] for row in keap["orders"])
    assert found["chartmogul"]["invoices"] == len(content["invoices"])
    today = account.now[:10]
    assert found["outstanding"]["rejects"]["entries"] == 1
    assert found["outstanding"]["waiting"]["since"].startswith(today)
    assert found["due"]
    assert all(each["day"] > today for each in found["due"])
    text = account.command("status").stdout
    assert "Records that wait: 1, the oldest since" in text
    assert "Accounts to be decided again:" in text
    assert account.store.read_bytes() == before


def test_status_needs_a_store(sandbox: Sandbox, tmp_path: Path) -> None:
    account = Synced(sandbox, tmp_path, "2026-01-01T00:00:00Z")
    done = account.command("status")
    assert (done.code, done.stdout) == (2, "")
    assert "run the pipeline first" in done.last_line


def test_help_lists_the_commands_and_each_has_its_own() -> None:
    shown = _run("--help")
    assert shown.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in shown.stdout
        own = _run(name, "--help")
        assert (own.returncode, own.stderr) == (0, "")
        assert "--config" in own.stdout


def test_settings_of_a_command_come_from_the_environment_too(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    case = case_of("01-monthly")
    account = Synced(sandbox, tmp_path, case.runs[-1].now.isoformat())
    account.sync(case.runs[-1].keap)
    environment = {
        "TARGET_CHARTMOGUL_STORE_PATH": str(account.store),
        "TARGET_CHARTMOGUL_EXCLUDE_PRODUCTS": '["54"]',
    }
    for arguments in (("status", "--config", "ENV"), ("--config", "ENV", "status")):
        done = _run(*arguments, environment=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Store {account.store}" in done.stdout


def test_an_unknown_command_is_a_mistake() -> None:
    done = _run("reconcile")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'reconcile'" in done.stderr


def _run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "target_chartmogul", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )


def test_rule_7_4_commands_that_only_read_work_beside_a_run_and_the_others_wait(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A run holds the lock, and is in the middle of a transaction."""
    sandbox.no_limits()
    case = case_of("01-monthly")
    account = Synced(sandbox, tmp_path, case.runs[-1].now.isoformat())
    account.sync(case.runs[-1].keap)
    writing = sqlite3.connect(account.store, isolation_level=None)
    with FileLock(f"{account.store}.lock", mode=0o600):
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("DELETE FROM note")
        for arguments in (("status",), ("preview", "--set", "trial_source=none"), ("explain", "contact:1207")):
            done = account.command(*arguments)
            assert done.code == 0, (arguments, done.stderr)
        assert account.command("verify").code == 0
        writing.execute("ROLLBACK")
        for arguments in (("sync",), ("forget", "contact:1207", "--yes")):
            done = account.command(*arguments)
            assert (done.code, done.last_line.lower().count("another run holds the store")) == (9, 1), arguments
    writing.close()
    assert account.command("sync").code == 0
