"""Rule 1.3: a run with nothing new writes nothing, and with a store it reads the same few things of any account."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pipeline import Pipeline
from tests.support.sandbox_process import Sandbox
from tests.support.singer_rows import club_account

NOW = "2026-03-20T08:00:00Z"
MOST_READS = 20
"""Where everything has to be listed: pages of two hundred."""
READS = 5
"""The key, the data sources, the account's settings, and what ChartMogul has processed."""


def reads_of_a_second_run(sandbox: Sandbox, folder: Path, contacts: int, **target: object) -> int:
    """Load an account, run again, and once more from the beginning: 0 writes; how many requests the last two took."""
    sandbox.no_limits()
    sandbox.clock(NOW)
    sandbox.load(club_account(contacts))
    pipeline = Pipeline(sandbox, folder, tap={"now": NOW}, target={"now": NOW, **target})
    pipeline.run().assert_fine()
    assert len(pipeline.content()["invoices"]) == 2 * contacts
    taken = []
    for full in (False, True):
        sandbox.clear_requests()
        pipeline.run(full=full).assert_fine()
        assert sandbox.writes() == []
        taken.append(len(sandbox.requests("chartmogul")))
    return max(taken)


def test_reads_do_not_grow_with_the_account(sandbox: Sandbox, tmp_path: Path) -> None:
    few = reads_of_a_second_run(sandbox, tmp_path / "few", 2)
    sandbox.reset()
    many = reads_of_a_second_run(sandbox, tmp_path / "many", 60)
    assert few == many <= READS


def test_without_a_store_pages_of_two_hundred_are_read(sandbox: Sandbox, tmp_path: Path) -> None:
    assert reads_of_a_second_run(sandbox, tmp_path, 60, store_path=None) <= MOST_READS


@pytest.mark.parametrize("method", ["single", "bulk"])
def test_a_store_that_saw_its_bulk_imports_end_does_not_ask_for_them(
    sandbox: Sandbox, tmp_path: Path, method: str
) -> None:
    assert reads_of_a_second_run(sandbox, tmp_path, 5, load_method=method) <= READS
