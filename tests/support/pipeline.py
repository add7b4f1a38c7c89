"""`tap-keap | target-chartmogul` against a sandbox, as a scheduler runs it: run after run, each from the last STATE.

Every run ends in files, so that all that both commands said can be read, and searched, afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.preloaded import PreloadedProcess
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import catalog, key_config
from tests.support.target_process import SOURCE, target_config

BILLING = (
    "products",
    "subscription_plans",
    "free_trial_discounts",
    "contacts",
    "subscriptions",
    "orders",
    "payments",
    "order_payments",
    "transactions",
)
"""The streams that ChartMogul is fed from."""

Running = PreloadedProcess | subprocess.Popen[bytes]


@dataclass
class PipelineRun:
    """One run: exit codes, and the files of all that it said."""

    tap_code: int
    target_code: int
    folder: Path
    state: dict[str, Any] | None
    """The last STATE that the target emitted, None if it emitted none."""

    @property
    def codes(self) -> tuple[int, int]:
        return self.tap_code, self.target_code

    @property
    def tap_stderr(self) -> str:
        """Empty where no tap ran."""
        path = self.folder / "tap.err"
        return path.read_text() if path.exists() else ""

    @property
    def target_stderr(self) -> str:
        return (self.folder / "target.err").read_text()

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found

    def assert_fine(self) -> None:
        assert self.codes == (0, 0), str(self)

    def __str__(self) -> str:
        return f"codes {self.codes}\n--- tap\n{self.tap_stderr[-3000:]}\n--- target\n{self.target_stderr[-3000:]}"


@dataclass
class Pipeline:
    """Both commands with their settings, and the STATE between runs.

    Args:
        sandbox: both APIs.
        folder: for configurations, store, and what each run said.
        tap: settings of the tap beside those of the sandbox.
        target: settings of the target beside those of the sandbox.
        fresh: start the real command line each time; else processes that have imported the commands already.
    """

    sandbox: Sandbox
    folder: Path
    tap: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    fresh: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] | None = None
    runs: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def source(self) -> str:
        name: str = self.target.get("data_source_name", SOURCE)
        return name

    @property
    def store(self) -> Path:
        return self.folder / "store.sqlite"

    def lose_store(self) -> None:
        for path in self.folder.glob("store.sqlite*"):
            path.unlink()

    def content(self, now: str | None = None) -> dict[str, Any]:
        """What ChartMogul holds, without what an edited line keeps but says nothing: a fee of 0, the period of a line
        that is one-time now.
        """
        found = self.sandbox.content(self.source, now)
        for invoice in found["invoices"].values():
            for part in (*invoice["line_items"].values(), *invoice["transactions"].values()):
                if not part.get("transaction_fees_in_cents", 1):
                    del part["transaction_fees_in_cents"]
                if part["type"] == "one_time":
                    part.pop("service_period_start", None)
                    part.pop("service_period_end", None)
        return found

    def start(self, *, full: bool = False, messages: str | None = None, **target: Any) -> RunningPipeline:
        """Start both, the tap's output going into the target; do not wait.

        Args:
            full: leave out the STATE, as `--full-refresh` does.
            messages: feed the target with these, and run no tap.
            target: settings of the target for this run only.
        """
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        state = None if full else self.state
        config = target_config(
            self.sandbox,
            **{
                "store_path": str(self.store),
                "report_path": str(folder / "report.json"),
                **self.target,
                **target,
            },
        )
        (folder / "target.json").write_text(json.dumps(config))
        source: Path = folder / "input.jsonl"
        running: list[Running | None] = [None]
        if messages is None:
            os.mkfifo(source)
            running[0] = self._start("tap_keap", self._tap_arguments(folder, state), folder, "tap", None, source)
        else:
            source.write_text(messages)
        arguments = ["--config", str(folder / "target.json")]
        running.append(self._start("target_chartmogul", arguments, folder, "target", source, folder / "states.jsonl"))
        target_process = running[1]
        assert target_process is not None
        return RunningPipeline(self, folder, running[0], target_process)

    def run(self, *, timeout: float = 120, **more: Any) -> PipelineRun:
        """Run both to their end."""
        return self.start(**more).finish(timeout)

    def read(self, *, full: bool = False) -> str:
        """What the tap alone says from the current STATE on, as Singer messages; it must succeed."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        out = folder / "tap.jsonl"
        arguments = self._tap_arguments(folder, None if full else self.state)
        process = self._start("tap_keap", arguments, folder, "tap", None, out)
        code = process.wait(timeout=120)
        assert code == 0, (folder / "tap.err").read_text()[-3000:]
        return out.read_text()

    def _tap_arguments(self, folder: Path, state: Mapping[str, Any] | None) -> list[str]:
        config = key_config(self.sandbox, **self.tap)
        (folder / "tap.json").write_text(json.dumps(config))
        shared = self.folder / "catalog.json"
        if not shared.exists():
            shared.write_text(json.dumps(catalog(*BILLING)))
        arguments = ["--config", str(folder / "tap.json"), "--catalog", str(shared)]
        if state is not None:
            (folder / "state.json").write_text(json.dumps(state))
            arguments += ["--state", str(folder / "state.json")]
        return arguments

    def _start(
        self, module: str, arguments: list[str], folder: Path, name: str, stdin: Path | None, stdout: Path
    ) -> Running:
        if not self.fresh:
            return PreloadedProcess(
                module,
                arguments,
                stdin=stdin,
                stdout=stdout,
                stderr=folder / f"{name}.err",
                environment=self.environment,
            )
        # The shell opens the FIFO in the child, where it may wait for the other side.
        redirected = 'exec "$0" "$@" <"$STDIN" >>"$STDOUT" 2>>"$STDERR"'
        command = [sys.executable, "-W", "error", "-m", module, *arguments]
        streams = {"STDIN": str(stdin or os.devnull), "STDOUT": str(stdout), "STDERR": str(folder / f"{name}.err")}
        return subprocess.Popen(
            ["/bin/sh", "-c", redirected, *command], cwd=ROOT, env={**os.environ, **self.environment, **streams}
        )


@dataclass
class RunningPipeline:
    """Both commands under way."""

    pipeline: Pipeline
    folder: Path
    tap: Running | None
    target: Running

    def finish(self, timeout: float = 120) -> PipelineRun:
        """Wait for both; the pipeline goes on from the STATE that the target emitted, if it did.

        Raises:
            TimeoutError, subprocess.TimeoutExpired: they did not end; both are killed.
        """
        deadline = time.monotonic() + timeout
        try:
            while self.tap is not None and None in {self.tap.poll(), self.target.poll()}:
                self._let_go()
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            target_code = self.target.wait(timeout=max(0.1, deadline - time.monotonic()))
            tap_code = self.tap.wait(timeout=10) if self.tap is not None else 0
        except BaseException:
            self.kill()
            raise
        if self.tap is not None:
            (self.folder / "input.jsonl").unlink()
        run = PipelineRun(tap_code, target_code, self.folder, _last_state(self.folder / "states.jsonl"))
        if run.state is not None:
            self.pipeline.state = run.state
        return run

    def _let_go(self) -> None:
        """One was killed before it opened its end of the pipe: the other would wait for ever for it to do so."""
        assert self.tap is not None
        ends = [(self.tap, os.O_WRONLY), (self.target, os.O_RDONLY)]
        for process, end in ends:
            if process.poll() is not None:
                with contextlib.suppress(OSError):
                    os.close(os.open(self.folder / "input.jsonl", end | os.O_NONBLOCK))

    def kill(self) -> None:
        """End both at once."""
        for process in (self.target, self.tap):
            if process is not None and process.poll() is None:
                process.kill()

    def wait_until(self, happened: Callable[[], bool], timeout: float = 60) -> bool:
        """Wait for something; False if the target ended before."""
        deadline = time.monotonic() + timeout
        while not happened():
            if self.target.poll() is not None:
                return False
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError("what was waited for did not happen")
            time.sleep(0.005)
        return True


def _last_state(path: Path) -> dict[str, Any] | None:
    """Of complete lines: a process that was killed may leave half a line."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    state: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
    return state


def shuffled(messages: str, chance: random.Random) -> str:
    """The same messages in an order as Singer allows it: SCHEMA before its RECORDs, ACTIVATE_VERSION after them.

    STATE messages say what came before them: only the one that a run begins with and the last one are kept.
    """
    lines = [(json.loads(line)["type"], line) for line in messages.splitlines()]
    first = [line for kind, line in lines[:1] if kind == "STATE"]
    schemas = [line for kind, line in lines if kind == "SCHEMA"]
    records = [line for kind, line in lines if kind == "RECORD"]
    versions = [line for kind, line in lines if kind == "ACTIVATE_VERSION"]
    states = [line for kind, line in lines if kind == "STATE"][-1:]
    for some in (schemas, records, versions):
        chance.shuffle(some)
    return "".join(f"{line}\n" for line in [*first, *schemas, *records, *versions, *states])


def differences(found: Mapping[str, Any], expected: Mapping[str, Any], sections: Iterable[str]) -> list[str]:
    """Section and external id of each object that differs, with both of its forms."""
    told = []
    for section in sections:
        one, other = found.get(section, {}), expected.get(section, {})
        told += [
            f"{section} {name}:\n  found    {one.get(name)}\n  expected {other.get(name)}"
            for name in sorted(one.keys() | other.keys())
            if one.get(name) != other.get(name)
        ]
    return told


def remove(folder: Path) -> None:
    """A run's files, where hundreds of runs are made."""
    shutil.rmtree(folder, ignore_errors=True)
