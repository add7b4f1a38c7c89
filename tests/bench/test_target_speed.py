"""The target from its input to its plan: records into the store, orders planned, memory, growth, start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.target_process import target_command, target_config

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1500)]
NOW = "2026-11-22T08:00:00Z"
SMALL, LARGE = 20_000, 200_000


def singer(directory: Path, orders: int) -> Path:
    """An account with ten orders a contact as Singer messages."""
    path = directory / f"{orders}.jsonl"
    if not path.exists():
        command = [sys.executable, "-m", "sandbox.sample", "--contacts", str(orders // 10), "--orders", str(orders)]
        with path.open("wb") as output:
            subprocess.run([*command, "--singer"], cwd=ROOT, stdout=output, check=True)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speed")


@pytest.fixture(scope="module")
def empty() -> Iterator[Sandbox]:
    running = Sandbox.start("--account", "empty")
    running.no_limits()
    yield running
    running.stop()


def told(module: str, source: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, str(source)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rehearsed(sandbox: Sandbox, folder: Path, source: Path) -> tuple[float, int]:
    """CPU seconds and largest RSS in MB of a dry run over a whole account."""
    command = target_command(folder, target_config(sandbox, dry_run=True, now=NOW))
    with source.open("rb") as stdin:
        process = subprocess.Popen(command, cwd=ROOT, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in {0, 7}
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def test_records_into_the_store_beside_the_sdks_default(folder: Path) -> None:
    source = singer(folder, SMALL)
    ours = max((told("tests.bench.target_intake", source) for _ in range(3)), key=lambda each: -each["cpu"])
    short = folder / "short.jsonl"
    with source.open() as whole:
        short.write_text("".join(line for number, line in enumerate(whole) if number < 10_000))
    default = told("tests.bench.sdk_default_target", short)
    rate, peer = ours["records"] / ours["cpu"], default["records"] / default["cpu"]
    print(f"\n{rate:,.0f} records per CPU second, the SDK's default sink {peer:,.0f}: {rate / peer:.1f} times")
    assert rate >= 20_000
    assert rate >= 8 * peer


def test_plans_grow_no_faster_than_accounts_and_stay_small(empty: Sandbox, folder: Path) -> None:
    small = min(rehearsed(empty, folder, singer(folder, SMALL))[0] for _ in range(2))
    large, megabytes = rehearsed(empty, folder, singer(folder, LARGE))
    print(
        f"\n{SMALL:,} orders {small:.1f} s, {LARGE:,} orders {large:.1f} s of CPU: {large / small:.1f} times;"
        f" {megabytes} MB"
    )
    assert large <= 12 * small
    assert megabytes <= 300


def test_it_starts_fast() -> None:
    best = 9.0
    for _ in range(5):
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "target_chartmogul", "--version"], cwd=ROOT, check=True, capture_output=True
        )
        best = min(best, time.monotonic() - started)
    print(f"\n--version: {best:.2f} s")
    assert best <= 0.6
