"""Every worked account, run and variant, from Keap through both commands into ChartMogul, over HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import line
from tests.support.tap_process import key_config, run_tap
from tests.support.target_process import SOURCE, run_target, target_config
from tests.support.worked_accounts import SECTIONS, Case, cases

CASES = list(cases())
_DIGITS = re.compile(r"-(failed|refund)-[0-9a-f]{12}$")


def content(sandbox: Sandbox, now: str) -> dict[str, Any]:
    """What the data source holds, in the form of the worked accounts."""
    found = sandbox.content(SOURCE, now)
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
    return {section: found.get(section, {}) for section in SECTIONS}


def expected(expect: dict[str, Any]) -> dict[str, Any]:
    """The same, from the account; `rule` and `source` of cancellations stand in the report only."""
    found = {section: expect.get(section, {}) for section in SECTIONS}
    for section in ("cancellations", "scheduled"):
        found[section] = {
            name: {key: value for key, value in each.items() if key not in {"rule", "source"}}
            for name, each in found[section].items()
        }
    return found


WAYS = [(case, True) for case in CASES] + [(case, False) for case in CASES if len(case.runs) > 1]
_READ: dict[tuple[str, int, str], str] = {}
"""What the tap wrote, by account, run and state: variants differ in the target's settings only."""


def read(sandbox: Sandbox, directory: Path, case: Case, number: int, state: dict[str, Any] | None) -> str:
    """Singer messages of one run of `tap-keap`."""
    key = (case.id.partition("[")[0], number, json.dumps(state))
    if key not in _READ:
        tap = run_tap(directory, key_config(sandbox), state=state)
        assert tap.code == 0, tap.stderr
        _READ[key] = "".join(line(message) for message in tap.messages)
    return _READ[key]


@pytest.mark.parametrize(
    ("case", "lasting"), WAYS, ids=[f"{case.id}{'' if way else '-no-ledger'}" for case, way in WAYS]
)
def test_account(sandbox: Sandbox, tmp_path: Path, case: Case, lasting: bool) -> None:
    """The content after each run, and no write when the same records come again."""
    sandbox.no_limits()
    state: dict[str, Any] | None = None
    for number, run in enumerate(case.runs):
        now = run.now.isoformat()
        sandbox.clock(now)
        sandbox.load(run.keap)
        messages = read(sandbox, tmp_path, case, number, state)
        ledger = str(tmp_path / "store.sqlite") if lasting else None
        config = target_config(sandbox, store_path=ledger, now=now, **{**case.settings, **run.settings})
        done = run_target(tmp_path, config, messages)
        assert done.code == 0, done.stderr
        state = done.state
        assert content(sandbox, now) == expected(run.expect)
    sandbox.clear_requests()
    again = run_target(tmp_path, config, messages)
    assert again.code == 0, again.stderr
    assert sandbox.writes() == []
