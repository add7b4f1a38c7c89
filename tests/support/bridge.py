"""The target alone, run after run on one store, fed with messages that a test has made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.sandbox_process import Sandbox
from tests.support.target_process import SOURCE, RunningTarget, TargetRun, run_target, start_target, target_config

NOW = "2026-03-20T08:00:00Z"


class Bridge:
    """The target with a store of its own in a test's folder."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.store = folder / "store.sqlite"
        self.now = NOW
        self.settings: dict[str, Any] = {"store_path": str(self.store)}
        sandbox.no_limits()
        sandbox.clock(NOW)

    def config(self, **settings: Any) -> dict[str, Any]:
        return target_config(self.sandbox, **{"now": self.now, **self.settings, **settings})

    def run(self, messages: str | bytes, *, environment: Mapping[str, str] | None = None, **settings: Any) -> TargetRun:
        return run_target(self.folder, self.config(**settings), messages, environment=environment)

    def good(self, messages: str | bytes, **settings: Any) -> TargetRun:
        """A run that must end with 0."""
        done = self.run(messages, **settings)
        assert done.code == 0, done.stderr
        return done

    def start(self, messages: str | bytes, **settings: Any) -> RunningTarget:
        """Start it with all its input, and do not wait."""
        return start_target(self.folder, self.config(**settings), messages)

    def clock(self, now: str) -> None:
        """Both sides' clock."""
        self.now = now
        self.sandbox.clock(now)

    def content(self) -> dict[str, Any]:
        return self.sandbox.content(SOURCE, self.now)

    def writes(self) -> int:
        return len(self.sandbox.writes())

    def wait_for_writes(self, number: int) -> None:
        deadline = time.monotonic() + 180
        while self.writes() < number:
            assert time.monotonic() < deadline
            time.sleep(0.02)
