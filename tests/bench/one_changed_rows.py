"""One order changes in a small and in a large account: what a run costs must not grow with the account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.accounts import Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import account_file, arrived
from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import Sandbox

TIMES = 3
ORDERS_PER_CONTACT = 10
ROWS_PER_SECOND = 20_000
"""How fast what arrives has to be taken: see `target_rows`."""
MOST_SECONDS = 2
MOST_GROWTH = 1.5
MOST_WRITES = 10


class _Found(NamedTuple):
    orders: int
    seconds: float
    """Of CPU, start subtracted; the median."""
    rows: int
    """That arrived with the changed order: Keap cannot tell what is new of most streams."""

    @property
    def own(self) -> float:
        """Without taking what arrived at the pace that is required."""
        return self.seconds - self.rows / ROWS_PER_SECOND


def one_changed_rows(folder: Path, orders: tuple[int, ...] = (20_000, 80_000)) -> list[Row]:
    """Load once; then three runs of the target, each with one changed order, from the file that the tap wrote."""
    found = [_measured(folder, each) for each in orders]
    rows = [
        Row(
            what=f"one order of {each.orders:,} changed: CPU seconds of the target, start subtracted",
            ours=each.seconds,
            required=f"≤ {MOST_SECONDS + each.rows / ROWS_PER_SECOND:.2f}",
            floor=f"{each.rows:,} rows arrive",
            detail=f"median of {TIMES}; its new date is written",
        )
        for each in found
    ]
    small, large = found[0], found[-1]
    return [
        *rows,
        Row(
            what=f"  {large.orders:,} orders beside {small.orders:,}, times the CPU seconds",
            ours=large.seconds / small.seconds,
            required=f"≤ {MOST_GROWTH}",
        ),
    ]


def _measured(folder: Path, orders: int) -> _Found:
    with serving(account_file(folder, orders // ORDERS_PER_CONTACT, orders)) as sandbox:
        bridge = Bridge(sandbox, folder / f"one-{orders}")
        bridge.run()
        start = bridge.start()
        return _Found(orders, *_runs(sandbox, bridge, start))


def _runs(sandbox: Sandbox, bridge: Bridge, start: float) -> tuple[float, int]:
    took, rows = zip(*_each_run(sandbox, bridge), strict=True)
    return median(took) - start, max(rows)


def _each_run(sandbox: Sandbox, bridge: Bridge) -> Iterator[tuple[float, int]]:
    messages = bridge.folder / "changed.jsonl"
    orders = KeapCalls(sandbox).get("orders", page_size=1_000).json()["orders"]
    order = next(each for each in orders if each["status"] == "PAID" and each["total"]["amount"])
    bridge.run()
    for number in range(1, TIMES + 1):
        moment = f"2026-11-{18 + number}T10:00:00Z"
        sandbox.put("orders", order | {"order_time": moment, "modification_time": moment})
        bridge.read(messages)
        sandbox.clear_requests("chartmogul")
        took = bridge.write(messages).cpu
        _, writes = bridge.counted()
        assert 0 < writes < MOST_WRITES, "the changed order was not sent alone"
        yield took, arrived(messages).total()
