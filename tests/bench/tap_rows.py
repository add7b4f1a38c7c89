"""How fast the tap is, and how small it stays, over pages that cost their server next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.row import Row
from tests.bench.spent import spent
from tests.support.tap_process import arguments

ROWS, PEER_ROWS, MANY = 100_000, 20_000, 1_000_000
TIMES = 3
PER_MINUTE, PAGES, LATENCY = 240, 300, 0.15


def tap_rows(folder: Path) -> list[Row]:
    """Rows a CPU second beside a tap as the SDK's template makes it; memory; and the pace under Keap's limit."""
    return [*_rate(folder / "tap"), _memory(folder / "tap"), _pace(folder / "tap")]


def _rate(folder: Path) -> Iterator[Row]:
    with _pages(ROWS) as url:
        start = min(spent([*_command(folder, url), "--about"]).cpu for _ in range(2))
        ours = min(spent(_command(folder, url)).cpu for _ in range(TIMES)) - start
    with _pages(PEER_ROWS) as url:
        peer = spent([sys.executable, "-m", "tests.bench.sdk_default_tap", json.dumps(url)]).cpu - start
    ratio = peer / PEER_ROWS / (ours / ROWS)
    yield Row(
        what="tap: rows per CPU second",
        ours=ROWS / ours,
        required="≥ 25,000",
        peer=f"{PEER_ROWS / peer:,.0f} SDK's default tap",
        ratio=ratio,
        also=ratio >= 2,
        detail=f"{ROWS:,} contacts; best of {TIMES}",
    )


def _memory(folder: Path) -> Row:
    with _pages(MANY) as url:
        found = spent(_command(folder, url))
    return Row(
        what=f"tap: MB RSS at {MANY:,} rows", ours=found.megabytes, required="≤ 300", detail=f"{found.wall:.0f} s"
    )


def _pace(folder: Path) -> Row:
    with _pages(PAGES * 1000, LATENCY) as url:
        wall = spent(_command(folder, url, requests_per_minute=PER_MINUTE)).wall
    minutes, rest = divmod(PAGES - 1, PER_MINUTE)  # the 241st request may go a minute after the first
    floor = 60 * minutes + (rest + 1) * LATENCY
    return Row(
        what=f"tap: {PAGES} pages at {PER_MINUTE} requests a minute, seconds",
        ours=wall,
        required=f"≤ {1.1 * floor:.1f}",
        floor=f"{floor:.1f} s",
    )


@contextmanager
def _pages(rows: int, latency: float = 0.0) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.keap_pages", "--rows", str(rows), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def _command(folder: Path, url: str, **settings: Any) -> list[str]:
    config = {"api_key": "k", "api_url": url, "requests_per_minute": 1_000_000, **settings}
    return arguments(folder, config, streams=("contacts",))
