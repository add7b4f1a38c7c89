"""`target-chartmogul` as a process of its own, alone or behind `tap-keap`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.sandbox_process import ROOT, Sandbox

COMMAND = [sys.executable, "-W", "error", "-m", "target_chartmogul"]
SOURCE = "Keap"


@dataclass
class TargetRun:
    """One run: exit code, STATE lines and stderr."""

    code: int
    stdout: str
    stderr: str

    @property
    def states(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def state(self) -> dict[str, Any] | None:
        return self.states[-1] if self.states else None

    @property
    def last_line(self) -> str:
        return self.stderr.strip().splitlines()[-1] if self.stderr.strip() else ""


def target_config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Settings for the sandbox; None leaves a setting out."""
    config = {"api_key": sandbox.chartmogul_api_key, "api_url": sandbox.chartmogul_url, **settings}
    return {name: value for name, value in config.items() if value is not None}


def target_command(directory: Path, config: Mapping[str, Any], *more: str) -> list[str]:
    """Command line with its config file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "target.json"
    path.write_text(json.dumps(config))
    return [*COMMAND, "--config", str(path), *more]


def run_target(
    directory: Path,
    config: Mapping[str, Any],
    messages: str | bytes,
    *more: str,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> TargetRun:
    """Run the command on these Singer messages to its end."""
    done = subprocess.run(
        target_command(directory, config, *more),
        cwd=ROOT,
        input=messages.encode() if isinstance(messages, str) else messages,
        capture_output=True,
        check=False,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
    return TargetRun(done.returncode, done.stdout.decode(), done.stderr.decode())
