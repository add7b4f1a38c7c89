"""A store that was brought back from an older copy, while the STATE went on: noticed, and both sides are read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pipeline import Pipeline, differences
from tests.support.sandbox_process import Sandbox
from tests.support.singer_rows import Account, club_account

FIRST, SECOND, THIRD = "2026-03-20T08:00:00Z", "2026-03-25T08:00:00Z", "2026-03-30T08:00:00Z"
SECTIONS = ("customers", "plans", "invoices", "cancellations", "scheduled")


def stopped(rows: Account) -> Account:
    """Subscription 1001 ends, its last order changes."""
    rows["subscriptions"][0].update(active=False, end_date="2026-03-22", modification_time="2026-03-22T09:00:00Z")
    rows["orders"][1]["due_time"] = "2026-02-20T10:00:00Z"
    rows["orders"][1]["modification_time"] = "2026-03-22T09:00:00Z"
    return rows


def goes_on(rows: Account) -> Account:
    """It does not end after all."""
    rows["subscriptions"][0].update(active=True, end_date=None, modification_time="2026-03-28T09:00:00Z")
    return rows


@pytest.mark.parametrize("store", ["kept", "older", "lost"])
def test_whatever_copy_the_same_end(sandbox: Sandbox, tmp_path: Path, store: str) -> None:
    """Of the older copy the cancellation is not known, nor the order's change: two runs put it right."""
    sandbox.no_limits()
    pipeline = Pipeline(sandbox, tmp_path)
    rows = club_account(3)
    for now, change in ((FIRST, lambda each: each), (SECOND, stopped), (THIRD, goes_on)):
        sandbox.clock(now)
        rows = change(rows)
        sandbox.load(rows)
        pipeline.tap["now"] = pipeline.target["now"] = now
        if now == SECOND:
            copy = pipeline.store.read_bytes()
        if now == THIRD:
            assert list(pipeline.content()["cancellations"]) == ["1001-cancelled-2026-03-22"]
            if store != "kept":
                pipeline.lose_store()
            if store == "older":
                pipeline.store.write_bytes(copy)
        done = pipeline.run()
        if now == THIRD and store != "kept":
            assert done.target_code == 10, done
            assert done.state == {"bookmarks": {}}
            assert "older" in done.target_stderr
            done = pipeline.run()
        done.assert_fine()
    whole = Pipeline(sandbox, tmp_path / "whole", target={"now": THIRD, "data_source_name": "Whole"})
    whole.run().assert_fine()
    assert differences(pipeline.content(), whole.content(), SECTIONS) == []
