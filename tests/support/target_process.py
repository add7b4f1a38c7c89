"""`target-chartmogul` as a process of its own, alone or behind `tap-keap`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.preloaded import PreloadedProcess
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
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> TargetRun:
    """Run the command on these Singer messages to its end; it has been imported already."""
    running = start_target(directory, config, messages, environment=environment)
    try:
        return running.finish(timeout)
    except TimeoutError:
        running.process.kill()
        raise


@dataclass
class RunningTarget:
    """The command under way, with all its input."""

    process: PreloadedProcess
    folder: Path

    def finish(self, timeout: float = 120) -> TargetRun:
        """Wait for its end.

        Raises:
            TimeoutError: it did not end.
        """
        code = self.process.wait(timeout)
        return TargetRun(code, (self.folder / "out").read_text(), (self.folder / "err").read_text())


def start_target(
    directory: Path,
    config: Mapping[str, Any],
    messages: str | bytes,
    *,
    environment: Mapping[str, str] | None = None,
) -> RunningTarget:
    """Start the command with all its input, and do not wait."""
    directory.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="target-", dir=directory))
    (folder / "in").write_bytes(messages.encode() if isinstance(messages, str) else messages)
    (folder / "target.json").write_text(json.dumps(config))
    for name in ("out", "err"):
        (folder / name).touch()
    process = PreloadedProcess(
        "target_chartmogul",
        ["--config", str(folder / "target.json")],
        stdin=folder / "in",
        stdout=folder / "out",
        stderr=folder / "err",
        environment=environment or {},
    )
    return RunningTarget(process, folder)


def run_fresh(
    directory: Path,
    config: Mapping[str, Any],
    messages: str | bytes,
    *,
    environment: Mapping[str, str] | None = None,
    limit: Callable[[], None] | None = None,
    timeout: float = 120,
) -> TargetRun:
    """The same by a new Python, as a user starts it; `limit` is called in it before it begins."""
    done = subprocess.run(
        target_command(directory, config),
        cwd=ROOT,
        input=messages.encode() if isinstance(messages, str) else messages,
        capture_output=True,
        check=False,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
        preexec_fn=limit,
    )
    return TargetRun(done.returncode, done.stdout.decode(), done.stderr.decode())
