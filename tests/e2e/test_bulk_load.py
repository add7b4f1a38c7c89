"""A first load in bulk ends as one by single requests does, through both commands and over HTTP."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.test_worked_accounts import CASES, content, expected
from tests.support.pipeline import Pipeline, differences
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import SOURCE, run_target, start_target, target_config
from tests.support.worked_accounts import SECTIONS, Case

QUICK = ("08-", "11-", "15-", "19-", "21-")
"""Accounts that show the most; the others are among the long tests."""
FIRST_RUNS = [
    pytest.param(case, id=case.id, marks=[] if case.id.startswith(QUICK) else pytest.mark.long)
    for case in CASES
    if "[" not in case.id
]
NOW = "2026-06-01T00:00:00+00:00"


@pytest.mark.parametrize("case", FIRST_RUNS)
def test_worked_account_in_bulk(sandbox: Sandbox, tmp_path: Path, case: Case) -> None:
    """Each account's first run; then nothing is left to write, and the store knows all uuids."""
    sandbox.no_limits()
    run = case.runs[0]
    now = run.now.isoformat()
    sandbox.clock(now)
    sandbox.load(run.keap)
    pipeline = Pipeline(sandbox, tmp_path, target={"now": now, "load_method": "bulk", **run.settings})
    pipeline.run().assert_fine()
    assert differences(content(pipeline, now), expected(run.expect), SECTIONS) == []
    assert any("json_imports" in entry["path"] for entry in sandbox.writes())
    sandbox.clear_requests()
    pipeline.run(full=True).assert_fine()
    assert sandbox.writes() == []


@pytest.fixture
def large(sandbox: Sandbox) -> str:
    """The messages of the sample account."""
    sandbox.no_limits()
    sandbox.clock(NOW)
    return account_messages(sandbox.account())


@pytest.mark.parametrize("seconds", [0.2, *(pytest.param(late, marks=pytest.mark.long) for late in (1.0, 2.0))])
def test_a_load_that_was_killed_is_finished_by_the_next_run(
    sandbox: Sandbox, tmp_path: Path, large: str, seconds: float
) -> None:
    """kill -9 after the first import was posted: the next run waits for it, and nothing is there twice."""
    sandbox.control("PUT", "chartmogul/settings", {"import_processing": 1.5})
    config = target_config(sandbox, store_path=str(tmp_path / "store.sqlite"), now=NOW, load_method="bulk")
    begun = start_target(tmp_path, config, large)
    deadline = time.monotonic() + 60
    while not any(entry["path"].endswith("/json_imports") for entry in sandbox.writes()):
        assert time.monotonic() < deadline
        assert begun.process.poll() is None
        time.sleep(0.05)
    time.sleep(seconds)
    begun.process.kill()
    begun.finish()
    done = run_target(tmp_path, config, large)
    assert done.code in {0, 7}, done.stderr
    killed = sandbox.content(SOURCE, NOW)
    again = run_target(tmp_path, config, large)
    assert again.code == done.code, again.stderr
    sandbox.clear_requests()
    fresh = run_target(tmp_path / "fresh", {**config, "data_source_name": "Fresh", "store_path": None}, large)
    assert fresh.code == done.code, fresh.stderr
    assert sandbox.content("Fresh", NOW) == killed
