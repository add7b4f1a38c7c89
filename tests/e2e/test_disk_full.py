"""No room on the disk: one clear line, an exit code, and nothing half-written that a later run believes.

The limit on the size of a file (`RLIMIT_FSIZE`) stands for a full disk: SQLite is told the same, "disk I/O error" or
"database or disk is full".
"""

from __future__ import annotations

import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.pipeline import Pipeline
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_messages import account_messages
from tests.support.singer_rows import club_account
from tests.support.target_process import target_command, target_config

NOW = "2026-03-20T08:00:00Z"
CONTACTS = 40
ENOUGH = 40_000


@pytest.mark.parametrize(
    ("kilobytes", "had_ledger"), [(8, False), (60, False), (200, False), (120, True), (260, True), (ENOUGH, False)]
)
def test_disk_full(sandbox: Sandbox, tmp_path: Path, kilobytes: int, had_ledger: bool) -> None:
    sandbox.no_limits()
    sandbox.clock(NOW)
    pipeline = Pipeline(sandbox, tmp_path, target={"now": NOW})
    if had_ledger:
        pipeline.run(messages=account_messages(club_account(2))).assert_fine()
    messages = account_messages(club_account(CONTACTS))
    config = target_config(sandbox, store_path=str(pipeline.ledger), now=NOW)

    def leave_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    done = subprocess.run(
        target_command(tmp_path, config),
        cwd=ROOT,
        input=messages.encode(),
        capture_output=True,
        check=False,
        timeout=120,
        preexec_fn=leave_room,
    )
    stderr = done.stderr.decode()
    assert done.returncode in {0, 4}, stderr
    assert (done.returncode == 0) == (kilobytes == ENOUGH), "the others are too small, or this says nothing"
    assert "Traceback" not in stderr
    if done.returncode:
        assert done.stdout == b"", "no STATE"
        last = stderr.strip().splitlines()[-1]
        assert last.startswith("target-chartmogul: ")
        assert "ledger" in last or "disk" in last, last
    pipeline.run(messages=messages).assert_fine()
    assert len(pipeline.content()["invoices"]) == 2 * CONTACTS
    sandbox.clear_requests()
    pipeline.lose_ledger()
    pipeline.run(messages=messages).assert_fine()
    assert sandbox.writes() == [], "what the ledger said was what ChartMogul held"
