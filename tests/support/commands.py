"""The subcommands of `target-chartmogul`, after a sync of worked accounts into the sandbox."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.preloaded import PreloadedProcess
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import SOURCE, TargetRun, run_target, target_config
from tests.support.worked_accounts import Case, cases

ACCOUNTS = [case for case in cases() if "[" not in case.id]
"""The worked accounts, without their variants."""


def case_of(name: str) -> Case:
    """The worked account whose name begins so."""
    return next(case for case in ACCOUNTS if case.id.startswith(name))


def all_rows() -> dict[str, list[dict[str, Any]]]:
    """The rows of all worked accounts in one: twelve contacts with everything that the rules know."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for case in ACCOUNTS:
        for stream, rows in case.runs[-1].keap.items():
            for number, row in enumerate(rows):
                found.setdefault(stream, {})[row.get("id") or f"{case.id} {number}"] = row
    return {stream: list(rows.values()) for stream, rows in found.items()}


@dataclass
class Synced:
    """An account in the sandbox, with the settings and the store of its runs."""

    sandbox: Sandbox
    folder: Path
    now: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.folder / "store.sqlite"

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found

    def config(self, **more: Any) -> dict[str, Any]:
        return target_config(
            self.sandbox,
            **{
                "store_path": str(self.store),
                "report_path": str(self.folder / "report.json"),
                "now": self.now,
                **self.settings,
                **more,
            },
        )

    def sync(self, keap: Mapping[str, Any], **more: Any) -> TargetRun:
        """A run with all rows of an account; it must not fail."""
        self.sandbox.clock(self.now)
        cloud = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        done = run_target(self.folder, self.config(**more), account_messages(keap), environment=cloud)
        assert done.code in {0, 7}, done.stderr
        return done

    def command(self, *arguments: str, settings: Mapping[str, Any] | None = None, **more: Any) -> TargetRun:
        """A subcommand with the settings of the runs; `settings` replaces all of them."""
        return run_command(self.folder, self.config(**more) if settings is None else settings, *arguments)

    def mrr(self) -> dict[str, int]:
        """Month -> MRR of all customers, as the sandbox computes it."""
        found = self.sandbox.content(SOURCE, self.now)["mrr"]
        return {month: sum(row.values()) for month, row in found.items()}


def run_command(folder: Path, settings: Mapping[str, Any], *arguments: str) -> TargetRun:
    """A subcommand in a process that has imported it already, without a terminal and without input."""
    place = Path(tempfile.mkdtemp(prefix="command-", dir=folder))
    (place / "c.json").write_text(json.dumps(settings))
    for name in ("out", "err"):
        (place / name).touch()
    process = PreloadedProcess(
        "target_chartmogul",
        [*arguments, "--config", str(place / "c.json")],
        stdin=Path(os.devnull),
        stdout=place / "out",
        stderr=place / "err",
        environment={name: value for name, value in os.environ.items() if name.startswith("AWS_")},
    )
    code = process.wait(120)
    return TargetRun(code, (place / "out").read_text(), (place / "err").read_text())
