"""Every worked account, run and variant, from Keap through both commands into ChartMogul, over HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipeline import Pipeline, differences
from tests.support.sandbox_process import Sandbox
from tests.support.worked_accounts import SECTIONS, Case, cases

CASES = list(cases())
_DIGITS = re.compile(r"-(failed|refund)-[0-9a-f]{12}$")
_OF_OLDER_SETTINGS = ("29-",)
"""What settings that changed meanwhile made of them is not known to a store that was lost (rule 1.2)."""


def content(pipeline: Pipeline, now: str) -> dict[str, Any]:
    """What the data source holds, in the form of the worked accounts."""
    found = pipeline.content(now)
    for invoice in found["invoices"].values():
        counted: dict[str, int] = {}
        transactions = {}
        for name, each in sorted(invoice["transactions"].items(), key=lambda pair: (pair[1]["date"], pair[0])):
            shown, digits = name, _DIGITS.search(name)
            if digits:
                counted[digits[1]] = counted.get(digits[1], 0) + 1
                shown = f"{name[: digits.start()]}-{digits[1]}-#{counted[digits[1]]}"
            transactions[shown] = each
        invoice["transactions"] = transactions
    found["mrr"] = {month: mrr for month, mrr in found["mrr"].items() if mrr}
    lines = [line for invoice in found["invoices"].values() for line in invoice["line_items"].values()]
    used = {line.get("plan") for line in lines}  # whether others stay is left open
    found["plans"] = {name: plan for name, plan in found["plans"].items() if name in used}
    return {section: found.get(section, {}) for section in SECTIONS}


def expected(expect: dict[str, Any]) -> dict[str, Any]:
    """The same, from the account; `rule` and `source` of cancellations stand in the report only."""
    found = {section: expect.get(section, {}) for section in SECTIONS}
    found["mrr"] = {month: mrr for month, mrr in found["mrr"].items() if mrr}
    for section in ("cancellations", "scheduled"):
        found[section] = {
            name: {key: value for key, value in each.items() if key not in {"rule", "source"}}
            for name, each in found[section].items()
        }
    return found


def check_account(sandbox: Sandbox, folder: Path, case: Case, *, lost: bool) -> None:
    """The content after each run, and no write when the same records come again."""
    sandbox.no_limits()
    pipeline = Pipeline(sandbox, folder)
    for run in case.runs:
        now = run.now.isoformat()
        sandbox.clock(now)
        sandbox.load(run.keap)
        # A changed setting needs it where it changes months that are over (rule 1.7).
        pipeline.target = {"now": now, "force": run.settings != case.settings, **run.settings}
        if lost:
            pipeline.lose_store()
        done = pipeline.run()
        if done.target_code == 10:
            assert lost
            done = pipeline.run()
        done.assert_fine()
        assert differences(content(pipeline, now), expected(run.expect), SECTIONS) == []
    sandbox.clear_requests()
    pipeline.run(full=True).assert_fine()
    assert sandbox.writes() == []


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_account(sandbox: Sandbox, tmp_path: Path, case: Case) -> None:
    check_account(sandbox, tmp_path, case, lost=False)


LOST = [case for case in CASES if len(case.runs) > 1 and not case.id.startswith(_OF_OLDER_SETTINGS)]


@pytest.mark.long
@pytest.mark.parametrize("case", LOST, ids=[case.id for case in LOST])
def test_account_whose_store_is_lost_before_each_run(sandbox: Sandbox, tmp_path: Path, case: Case) -> None:
    check_account(sandbox, tmp_path, case, lost=True)
