"""What README and docs show for a shell without Meltano, run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import key_config
from tests.support.target_process import target_config
from tests.support.worked_accounts import ACCOUNTS

BIN = Path(sys.executable).parent


def block(page: str, heading: str) -> str:
    """The first shell block behind a heading."""
    text = (ROOT / page).read_text().partition(f"\n## {heading}\n")[2]
    found = re.search(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, (page, heading)
    return found[1]


class Shell:
    """A folder with the two files of settings that the pages speak of."""

    def __init__(self, folder: Path, sandbox: Sandbox, now: str) -> None:
        self._folder = folder
        target = target_config(sandbox, now=now, store_path="chartmogul.sqlite", report_path="report.json")
        for name, config in (("keap", key_config(sandbox) | {"now": now}), ("chartmogul", target)):
            (folder / f"{name}.json").write_text(json.dumps(config))

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """In bash, with both programs on the path."""
        environment: Mapping[str, str] = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        return subprocess.run(
            ["bash", "-c", script], cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._folder / "report.json").read_text())
        return found


@pytest.fixture(name="shell")
def fixture_shell(sandbox: Sandbox, tmp_path: Path) -> Shell:
    run = json.loads((ACCOUNTS / "01-monthly-subscription.json").read_text())["runs"][0]
    sandbox.no_limits()
    sandbox.clock(run["now"])
    sandbox.load(run["keap"])
    shell = Shell(tmp_path, sandbox, run["now"])
    made = shell.run(block("docs/other-targets.md", "Only the billing streams"))
    assert made.returncode == 0, made.stderr
    return shell


def created(report: dict[str, Any]) -> int:
    return sum(each["created"] for each in report["counts"].values())


def test_the_pipe_of_the_readme_reads_once_and_then_what_is_new(shell: Shell) -> None:
    pipe = block("README.md", "For engineers")
    first = shell.run(pipe)
    assert first.returncode == 0, first.stderr
    assert created(shell.report) > 0
    again = shell.run(pipe)
    assert again.returncode == 0, again.stderr
    assert created(shell.report) == 0
    assert "notes" not in first.stderr + again.stderr


def test_the_pipe_of_the_readme_heals_after_the_store_was_lost(shell: Shell, tmp_path: Path) -> None:
    pipe = block("README.md", "For engineers")
    assert shell.run(pipe).returncode == 0
    (tmp_path / "chartmogul.sqlite").unlink()
    assert shell.run(pipe).returncode == 10
    healed = shell.run(pipe)
    assert healed.returncode == 0, healed.stderr
    assert created(shell.report) == 0


def test_a_tap_that_fails_is_seen(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "keap.json").write_text("{}")
    assert shell.run(block("README.md", "For engineers")).returncode != 0


def test_the_commands_of_the_readme_work_from_the_store(shell: Shell) -> None:
    assert shell.run(block("README.md", "For engineers")).returncode == 0
    table = (ROOT / "target-chartmogul" / "README.md").read_text().partition("\n## Commands\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)
    assert {each.split()[0] for each in commands} == {"sync", "preview", "explain", "verify", "status", "forget"}
    mine = {
        "NAME=VALUE": "interval_source=subscription",
        "order:9071": "order:9001",
        "contact:1207": "contact:1207 --yes",
    }
    for each in commands:
        for shown, ours in mine.items():
            each = each.replace(shown, ours)  # noqa: PLW2901
        done = shell.run(f"target-chartmogul {each} --config chartmogul.json")
        assert done.returncode == 0, (each, done.stderr)
