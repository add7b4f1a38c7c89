"""The target without any API: records into the store, and from there to the plan."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench import decisions
from tests.bench.row import Row
from tests.bench.spent import account_file, spent
from tests.support.sandbox_process import ROOT

CONTACTS, ORDERS = 2_000, 20_000
PEER_LINES = 10_000
TIMES = 3
PLANS = 5


def told(module: str, source: Path) -> dict[str, Any]:
    """What a measuring module prints of a file."""
    command = [sys.executable, "-m", module, str(source)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def intake_rows(folder: Path) -> list[Row]:
    """Records a CPU second, validated and on disk, beside the SDK's default sink and target-jsonl on the same records.

    target-jsonl has an environment of its own, which `make bench` makes and names in `TARGET_JSONL`.
    """
    source = account_file(folder, CONTACTS, ORDERS)
    short = folder / "first.jsonl"
    with source.open() as whole:
        short.write_text("".join(line for number, line in enumerate(whole) if number < PEER_LINES))
    pairs = [
        (told("tests.bench.target_intake", source), told("tests.bench.sdk_default_target", short)) for _ in range(TIMES)
    ]
    ours = max(one["records"] / one["cpu"] for one, _ in pairs)
    peers = {"SDK's default sink": max(other["records"] / other["cpu"] for _, other in pairs)}
    if program := os.environ.get("TARGET_JSONL"):
        peers["target-jsonl"] = max(_target_jsonl(program, short, folder) for _ in range(TIMES))
    return [
        Row(
            what=f"target: records into the store, per CPU second, beside {name}",
            ours=ours,
            required="≥ 20,000",
            peer=f"{peer:,.0f} {name}",
            ratio=ours / peer,
            also=ours >= 8 * peer,
            detail=f"{pairs[0][0]['records']:,} records; best of {TIMES}",
        )
        for name, peer in peers.items()
    ]


def _target_jsonl(program: str, source: Path, folder: Path) -> float:
    """Records a CPU second of target-jsonl, start-up subtracted."""
    own = folder / "target-jsonl"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    config, nothing = own / "config.json", own / "nothing.jsonl"
    config.write_text(json.dumps({"destination_path": str(own)}))
    nothing.touch()
    start, whole = (spent([program, "-c", str(config)], stdin=each).cpu for each in (nothing, source))
    return sum(line.startswith('{"type":"RECORD"') for line in source.open()) / (whole - start)


def planning_rows(folder: Path) -> list[Row]:
    """Orders a CPU second: through the mapping alone, and from the store to the plan on disk."""
    rates = [decisions.measure(contacts=400) for _ in range(TIMES)]
    names = ("new", "again", "one_account")
    best = {name: max(each[name] for each in rates) for name in names}
    source = account_file(folder, CONTACTS, ORDERS)
    found = min(
        (told("tests.bench.target_planning", source) for _ in range(PLANS)),
        key=lambda each: float(each["planning"]),
    )
    return [
        Row(
            what="mapping alone, orders per CPU second",
            ours=min(best.values()),
            required="≥ 5,000",
            detail=", ".join(f"{name} {rate:,}" for name, rate in best.items()),
        ),
        Row(
            what="store to plan: accounts found, decided and compared, plan on disk, orders per CPU second",
            ours=found["orders"] / found["planning"],
            required="≥ 5,000",
            detail=f"{found['orders']:,} orders: {found['planning']:.1f} s; best of {PLANS}",
        ),
    ]
