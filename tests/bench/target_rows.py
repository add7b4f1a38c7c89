"""The target without any API: records into the store, and from there to the plan."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from tests.bench.row import Row
from tests.bench.spent import account_file, spent
from tests.support.sandbox_process import ROOT

PEER_LINES = 10_000
TIMES = 3
LEAST_RATIOS = {"SDK's default sink": 8}


def told(module: str, source: Path) -> dict[str, Any]:
    """What a measuring module prints of a file."""
    command = [sys.executable, "-m", module, str(source)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def target_rows(folder: Path, contacts: int = 2_000, orders: int = 20_000, times: int = TIMES) -> list[Row]:
    """Records and orders a CPU second, beside the SDK's default sink and target-jsonl on the same records.

    target-jsonl has an environment of its own, which `make bench` makes and names in `TARGET_JSONL`.
    """
    source = account_file(folder, contacts, orders)
    short = folder / "first.jsonl"
    with source.open("rb") as whole:
        short.write_bytes(b"".join(islice(whole, PEER_LINES)))
    found, peers = [], []
    for _ in range(times):  # in turns, so that a machine that is slower for a while is so for all
        found.append(told("tests.bench.target_rate", source))
        peers.append(told("tests.bench.sdk_default_target", short))
    records, planned = found[0]["records"], found[0]["orders"]
    ours = max(records / each["intake"] for each in found)
    others = {"SDK's default sink": max(each["records"] / each["cpu"] for each in peers)}
    if program := os.environ.get("TARGET_JSONL"):
        others["target-jsonl"] = max(_target_jsonl(program, short, folder) for _ in range(times))
    return [
        *(
            Row(
                what=f"records into the store, validated, linked and indexed, per CPU second, beside {name}",
                ours=ours,
                required="≥ 20,000",
                peer=f"{other:,.0f} {name}",
                ratio=ours / other,
                also=ours >= LEAST_RATIOS.get(name, 1) * other,
                detail=f"{records:,} records; best of {times}",
            )
            for name, other in others.items()
        ),
        Row(
            what="accounts decided and planned, orders per CPU second",
            ours=max(planned / each["planning"] for each in found),
            required="≥ 5,000",
            detail=f"{planned:,} orders, {found[0]['changes']:,} changes; best of {times}",
        ),
        Row(
            what="  bytes of the store per record",
            ours=found[0]["bytes_per_record"],
            required="≤ 1,000",
            detail=f"before ChartMogul has any of it; {found[0]['megabytes']} MB RSS of the measuring process",
        ),
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
