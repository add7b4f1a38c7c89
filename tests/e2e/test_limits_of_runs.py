"""Whole runs within ChartMogul's limits: several processes of one user share them, and slow down together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.pipeline import Pipeline
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.singer_rows import club_account

NOW = "2026-03-20T08:00:00Z"


def run_together(sandbox: Sandbox, folder: Path, number: int, contacts: int) -> None:
    """Several loads at a time, each into a source of its own; their stores lie in one folder."""
    messages = account_messages(club_account(contacts))
    pipelines = [
        Pipeline(
            sandbox,
            folder / f"load-{each}",
            target={"now": NOW, "data_source_name": f"Load {each}", "store_path": str(folder / f"{each}.sqlite")},
        )
        for each in range(number)
    ]
    running = [pipeline.start(messages=messages) for pipeline in pipelines]
    for each in running:
        each.finish().assert_fine()
    for pipeline in pipelines:
        assert len(pipeline.content(NOW)["invoices"]) == 2 * contacts


@pytest.mark.parametrize("latency", [0, 250])
def test_never_more_than_40_in_any_second_nor_20_at_a_time(sandbox: Sandbox, tmp_path: Path, latency: int) -> None:
    """The limits are on: one request too many would be refused, and counted by the sandbox."""
    sandbox.clock(NOW)
    sandbox.faults("chartmogul", latency_ms=latency)
    run_together(sandbox, tmp_path, 3, 10)
    summary = sandbox.summary("chartmogul")
    assert summary["requests"] > 90
    assert (summary["max_per_second"], summary["max_parallel"]) <= (40, 20)
    assert {entry["status"] for entry in sandbox.requests("chartmogul")}.isdisjoint({429, 503})


@pytest.mark.parametrize("kind", ["429", "503"])
def test_one_refusal_slows_all_processes_down(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    sandbox.clock(NOW)
    script = [{"match": {"method": "POST", "path_regex": "/invoices"}, "kind": kind, "times": 1, "after": 8}]
    sandbox.faults("chartmogul", script=script)
    run_together(sandbox, tmp_path, 2, 10)
    entries: list[dict[str, Any]] = sandbox.requests("chartmogul")
    (refused,) = [entry for entry in entries if entry["fault"] == kind]
    told = refused["time"] + refused["ms"] / 1000
    # What had left before the refusal was told is on its way; then nothing leaves for half a second.
    after = [entry["time"] - told for entry in entries if entry["time"] > told]
    gaps = [later - earlier for earlier, later in zip([0.0, *after], after, strict=False)]
    begun = next((at for at, gap in enumerate(gaps) if gap >= 0.4), None)
    assert begun is not None, after[:60]
    assert begun <= 20, after[:60]
