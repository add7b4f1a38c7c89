"""How fast the tap is, and how small it stays. CPU is the process's own; wall is beside the limiter's floor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT
from tests.support.tap_process import arguments

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
HERE = Path(__file__).parent


@contextmanager
def pages(rows: int, latency: float = 0.0) -> Iterator[str]:
    command = [sys.executable, str(HERE / "keap_pages.py"), "--rows", str(rows), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def measured(command: list[str]) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds and largest RSS in MB of a command whose output goes nowhere."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def contacts_command(directory: Path, url: str, **settings: Any) -> list[str]:
    config = {"api_key": "k", "api_url": url, "requests_per_minute": 1_000_000, **settings}
    return arguments(directory, config, streams=("contacts",))


def test_rows_per_cpu_second_beside_the_sdks_default(tmp_path: Path) -> None:
    with pages(100_000) as url:
        start_up = min(measured([*contacts_command(tmp_path, url), "--about"])[1] for _ in range(2))
        ours = min(measured(contacts_command(tmp_path, url))[1] for _ in range(3)) - start_up
    with pages(20_000) as url:
        default = measured([sys.executable, "-m", "tests.bench.sdk_default_tap", json.dumps(url)])[1] - start_up
    print(f"\ntap-keap {100_000 / ours:,.0f} rows per CPU second, the SDK's default {20_000 / default:,.0f}")
    assert 100_000 / ours >= 25_000
    assert ours / 100_000 < default / 20_000 / 2


def test_a_million_rows_stay_small(tmp_path: Path) -> None:
    with pages(1_000_000) as url:
        wall, _, megabytes = measured(contacts_command(tmp_path, url))
    print(f"\n1,000,000 rows: {wall:.0f} s, {megabytes} MB")
    assert megabytes <= 300


def test_the_limit_is_the_floor(tmp_path: Path) -> None:
    """300 pages at 240 requests a minute and 150 ms: the 241st request may go a minute after the first."""
    latency, per_minute, requests = 0.15, 240, 300
    with pages(requests * 1000, latency) as url:
        wall, _, _ = measured(contacts_command(tmp_path, url, requests_per_minute=per_minute))
    whole_minutes, rest = divmod(requests - 1, per_minute)
    floor = 60 * whole_minutes + (rest + 1) * latency
    print(f"\n{requests} pages: {wall:.1f} s, floor {floor:.1f} s")
    assert wall <= 1.1 * floor
