"""`make bench`: every figure of speed and size beside its peer, in one run, as one table.

    python -m tests.bench [--only NAME …] [--full]

Where a process's own work counts, CPU seconds are taken, so that a busy machine does not count; where an API's limits
are the floor, the clock on the wall. Ends with 1 if a figure misses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.api_rows import ceiling_rows, first_load_rows, writing_rows
from tests.bench.one_changed_rows import one_changed_rows
from tests.bench.row import Row, print_table
from tests.bench.run_rows import run_rows
from tests.bench.size_rows import growth_rows, load_rows
from tests.bench.start_rows import meltano_rows, start_rows
from tests.bench.store_rows import store_rows
from tests.bench.store_s3_rows import s3_rows
from tests.bench.tap_rows import tap_rows
from tests.bench.target_rows import target_rows

MEASURES: dict[str, Callable[[Path], list[Row]]] = {
    "ceiling": ceiling_rows,
    "tap": tap_rows,
    "store": store_rows,
    "target": target_rows,
    "writing": writing_rows,
    "bulk": first_load_rows,
    "runs": run_rows,
    "s3": s3_rows,
    "one-changed": one_changed_rows,
    "first-load": load_rows,
    "growth": growth_rows,
    "start": start_rows,
    "meltano": meltano_rows,
}
FULL: dict[str, Callable[[Path], list[Row]]] = {
    "store": lambda folder: store_rows(folder, orders=1_000_000),
    "target": lambda folder: target_rows(folder, contacts=200_000, orders=1_000_000, times=1),
    "first-load": lambda folder: load_rows(folder, contacts=200_000, orders=1_000_000),
    "growth": lambda folder: growth_rows(folder, planning=(20_000, 200_000), commands=(20_000, 200_000), loads=3),
}
"""With `--full`."""


def main() -> int:
    """Measure, print; 1 if something misses."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(MEASURES), metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--full", action="store_true", help="the million orders, growth from 20,000 to 200,000")
    options = parser.parse_args()
    measures = MEASURES | FULL if options.full else MEASURES
    rows: list[Row] = []
    try:
        with TemporaryDirectory() as folder:
            for name in options.only or measures:
                begun = time.monotonic()
                print(f"{name} …", end=" ", file=sys.stderr, flush=True)
                rows += measures[name](Path(folder))
                print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    finally:
        print_table(rows)  # what was measured, even if the rest could not be
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
