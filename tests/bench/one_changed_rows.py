"""One order changes in a small and in a large account: what a run costs must not grow with the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

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
    alone: float
    """The same where nothing arrives but the changed order."""


def one_changed_rows(folder: Path, orders: tuple[int, ...] = (20_000, 80_000)) -> list[Row]:
    """Load once; then runs of the target, each with one changed order, from the file that the tap wrote."""
    found = [_measured(folder, each) for each in orders]
    small, large = found[0], found[-1]
    return [
        *(
            Row(
                what=f"one order of {each.orders:,} changed: CPU seconds of the target, start subtracted",
                ours=each.seconds,
                required=f"≤ {MOST_SECONDS + each.rows / ROWS_PER_SECOND:.2f}",
                detail=f"{each.rows:,} rows arrive; median of {TIMES}",
            )
            for each in found
        ),
        Row(
            what=f"  {large.orders:,} orders beside {small.orders:,}, nothing but the order arrives, times the CPU",
            ours=large.alone / small.alone,
            required=f"≤ {MOST_GROWTH}",
            detail=f"{small.alone:.2f} s → {large.alone:.2f} s; with all that arrives"
            f" {large.seconds / small.seconds:.1f} times for {large.rows / small.rows:.1f} times the rows",
        ),
    ]


def _measured(folder: Path, orders: int) -> _Found:
    with serving(account_file(folder, orders // ORDERS_PER_CONTACT, orders)) as sandbox:
        bridge = Bridge(sandbox, folder / f"one-{orders}")
        bridge.run()
        start = bridge.start()
        together, rows, alone = zip(*_runs(sandbox, bridge), strict=True)
        return _Found(orders, median(together) - start, max(rows), median(alone) - start)


def _runs(sandbox: Sandbox, bridge: Bridge) -> Iterator[tuple[float, int, float]]:
    """CPU seconds, rows, and CPU seconds with the order alone."""
    listed = KeapCalls(sandbox).get("orders", page_size=1_000).json()["orders"]
    order = next(each for each in listed if each["status"] == "PAID" and each["total"]["amount"])
    bridge.run()
    messages, alone = bridge.folder / "changed.jsonl", bridge.folder / "alone.jsonl"
    for number in range(1, TIMES + 1):
        _change(sandbox, order, f"2026-11-{15 + 2 * number}T10:00:00Z")
        bridge.read(messages)
        together = _written(sandbox, bridge, messages)
        rows = arrived(messages).total()
        _change(sandbox, order, f"2026-11-{16 + 2 * number}T07:00:00Z")
        bridge.read(messages)
        alone.write_bytes(b"".join(_only(messages, str(order["id"]))))
        yield together, rows, _written(sandbox, bridge, alone)


def _change(sandbox: Sandbox, order: dict[str, Any], moment: str) -> None:
    sandbox.put("orders", order | {"order_time": moment, "modification_time": moment})


def _written(sandbox: Sandbox, bridge: Bridge, messages: Path) -> float:
    sandbox.clear_requests("chartmogul")
    took = bridge.write(messages).cpu
    _, writes = bridge.counted()
    assert 0 < writes < MOST_WRITES, "the changed order was not sent alone"
    return took


def _only(messages: Path, order_id: str) -> Iterator[bytes]:
    """Schemas, one order, and the last STATE: no read of other streams came to its end."""
    state = b""
    with messages.open("rb") as lines:
        for line in lines:
            message = json.loads(line)
            match message["type"]:
                case "SCHEMA":
                    yield line
                case "RECORD" if message["stream"] == "orders" and message["record"]["id"] == order_id:
                    yield line
                case "STATE":
                    state = line
    yield state
