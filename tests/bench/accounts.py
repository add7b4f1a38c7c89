"""Both services with an account of some size, and the two commands between them as a scheduler runs them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.spent import Spent, spent
from tests.support.pipeline import BILLING
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import arguments, key_config
from tests.support.target_process import target_command, target_config

NOW = "2026-11-22T08:00:00Z"
"""Later than everything in the generated accounts."""


@contextmanager
def serving(account: Path | str) -> Iterator[Sandbox]:
    """Both APIs without limits or latency; bulk imports take no time."""
    sandbox = Sandbox.start("--account", str(account), "--now", NOW)
    try:
        sandbox.no_limits()
        sandbox.control("PUT", "chartmogul/settings", {"import_queued": 0, "import_processing": 0})
        yield sandbox
    finally:
        sandbox.stop()


class Bridge:
    """`tap-keap | target-chartmogul` over one account, run after run.

    Args:
        sandbox: both APIs.
        folder: for settings, store, report and STATE.
        target: settings of the target beside addresses, key, store and report.
    """

    def __init__(self, sandbox: Sandbox, folder: Path, **target: Any) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.state: dict[str, Any] | None = None
        self.store = folder / "store.sqlite"
        self._target = {
            "now": NOW,
            "store_path": str(self.store),
            "report_path": str(folder / "report.json"),
            **target,
        }
        folder.mkdir(parents=True, exist_ok=True)

    def tap_command(self, **settings: Any) -> list[str]:
        """The tap from the last STATE on."""
        config = key_config(self.sandbox, now=NOW, **settings)
        return arguments(self.folder, config, state=self.state, streams=BILLING)

    def target_command(self, **settings: Any) -> list[str]:
        return target_command(self.folder, target_config(self.sandbox, **self._target | settings))

    def read(self, out: Path) -> Spent:
        """The tap alone into a file."""
        return spent(self.tap_command(), stdout=out, stderr=self.folder / "tap.err")

    def write(self, messages: Path, **settings: Any) -> Spent:
        """The target alone on a file; the STATE that it emits is the next run's."""
        states = self.folder / "states.jsonl"
        command = self.target_command(**settings)
        found = spent(command, stdin=messages, stdout=states, stderr=self.folder / "target.err", codes=(0, 7))
        self._go_on(states)
        return found

    def start(self) -> float:
        """CPU seconds of the target on nothing: least of three."""
        return min(spent(self.target_command()).cpu for _ in range(3))

    def run(self, **settings: Any) -> float:
        """Both, one into the other: seconds on the wall."""
        states = self.folder / "states.jsonl"
        with (
            states.open("wb") as out,
            (self.folder / "target.err").open("wb") as said,
            (self.folder / "tap.err").open("wb") as said_by_tap,
        ):
            commands = self.tap_command(), self.target_command(**settings)
            begun = time.monotonic()
            with (
                subprocess.Popen(commands[0], cwd=ROOT, stdout=subprocess.PIPE, stderr=said_by_tap) as tap,
                subprocess.Popen(commands[1], cwd=ROOT, stdin=tap.stdout, stdout=out, stderr=said) as target,
            ):
                assert tap.stdout is not None
                tap.stdout.close()
                codes = tap.wait(), target.wait()
            seconds = time.monotonic() - begun
        if codes[0] or codes[1] not in {0, 7}:
            raise RuntimeError(f"the commands ended with {codes}: {(self.folder / 'target.err').read_text()[-2000:]}")
        self._go_on(states)
        return seconds

    def tap_alone(self) -> float:
        """The tap into nothing: seconds on the wall."""
        return spent(self.tap_command(), stdout=Path(os.devnull)).wall

    def counted(self) -> tuple[int, int]:
        """Reads and writes that ChartMogul saw since the log was cleared."""
        entries = self.sandbox.requests("chartmogul")
        writes = sum(entry["write"] for entry in entries)
        return len(entries) - writes, writes

    def objects(self) -> dict[str, int]:
        """How many of each section ChartMogul holds."""
        return {name: len(found) for name, found in self.sandbox.content("Keap").items() if isinstance(found, dict)}

    def _go_on(self, states: Path) -> None:
        lines = states.read_text().splitlines()
        if lines:
            self.state = json.loads(lines[-1])
