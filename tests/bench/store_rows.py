"""The store alone: records put, accounts found and loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.row import Row
from tests.support.sandbox_process import ROOT


def store_rows(_folder: Path, orders: int = 20_000) -> list[Row]:
    """Per CPU second, with links and indexes written; decoding and validation are the source's."""
    command = [sys.executable, "-m", "tests.bench.store_put", str(orders)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    put, again = found["put"], found["put_again"]
    return [
        Row(
            what="store: records put, per CPU second",
            ours=1 / put["mean"],
            required="≥ 20,000",
            detail=f"{found['records']:,} records of {orders:,} orders; {1 / put['first']:,.0f} at the start,"
            f" {1 / put['last']:,.0f} at the end, {1 / put['slowest']:,.0f} at worst",
        ),
        Row(
            what="  the same again, nothing written",
            ours=1 / again["mean"],
            required="≥ 20,000",
            also=not again["written"],
        ),
        Row(
            what="store: an account of five orders found and loaded, µs of CPU",
            ours=found["account_at_random"] * 1e6,
            detail=f"{found['records_per_account']:.0f} records; {found['account'] * 1e6:.0f} in order",
        ),
        Row(
            what="store: bytes per record",
            ours=found["bytes_per_record"],
            required="≤ 1,000",
            detail=f"{found['megabytes']} MB RSS of the measuring process",
        ),
    ]
