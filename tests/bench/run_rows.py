"""Whole runs over an account that ChartMogul has already: nothing new, and one in a hundred changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench import changed_rows
from tests.bench.accounts import Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import account_file
from tests.support.sandbox_process import Sandbox

CONTACTS, ORDERS = 2_000, 20_000
TIMES = 3
LATENCY_MS = 150


def run_rows(folder: Path) -> list[Row]:
    """Load once; then a run with nothing new, with and without a store, and runs of one kind of change each."""
    with serving(account_file(folder, CONTACTS, ORDERS)) as sandbox:
        bridge = Bridge(sandbox, folder / "runs")
        bridge.run()
        sandbox.faults("keap", latency_ms=LATENCY_MS)
        sandbox.faults("chartmogul", latency_ms=LATENCY_MS)
        return [*_nothing_new(sandbox, bridge), *_without_store(sandbox, bridge), *_changed(sandbox, bridge)]


def _nothing_new(sandbox: Sandbox, bridge: Bridge) -> list[Row]:
    bridge.run()
    alone, both = [], []
    sandbox.clear_requests()
    for _ in range(TIMES):
        alone.append(bridge.tap_alone())
        both.append(bridge.run())
    reads, writes = bridge.counted()
    ratio = median(both) / median(alone)
    return [
        Row(what=f"nothing new in {ORDERS:,} orders: writes", ours=writes, required="= 0"),
        Row(what="  reads of ChartMogul, with a store", ours=reads / TIMES, required="≤ 5"),
        Row(
            what="  wall of both beside the tap alone into /dev/null, times, at 150 ms",
            ours=ratio,
            required="≤ 1.3",
            peer=f"{median(alone):.2f} s tap alone",
            detail=f"both {median(both):.2f} s, with report; median of {TIMES}",
        ),
    ]


def _without_store(sandbox: Sandbox, bridge: Bridge) -> list[Row]:
    held = bridge.objects()
    most = (held["invoices"] + held["customers"] + held.get("events", 0)) // 200 + 20
    sandbox.clear_requests()
    seconds = bridge.run(store_path=None)
    reads, writes = bridge.counted()
    return [
        Row(what="  writes without a store", ours=writes, required="= 0"),
        Row(what="  reads without a store", ours=reads, required=f"≤ {most}", detail=f"{seconds:.1f} s"),
    ]


def _changed(sandbox: Sandbox, bridge: Bridge) -> list[Row]:
    rows = []
    share = ORDERS // 100
    kinds: list[tuple[str, Callable[[Sandbox, int], int], int]] = [
        ("new order", changed_rows.new_orders, 1),
        ("late payment", changed_rows.late_payments, 3),
        ("new customer", changed_rows.new_customers, 3),
        ("moved subscription, per invoice and event", changed_rows.moved_subscriptions, 2),
    ]
    for name, change, each in kinds:
        count = change(sandbox, share)
        sandbox.clear_requests()
        seconds = bridge.run()
        reads, writes = bridge.counted()
        rows.append(
            Row(
                what=f"1 % changed: {name}, requests",
                ours=reads + writes,
                required=f"≤ {each * count + 20}",
                floor=f"{(reads + writes) / 40:.1f} s at 40/s",
                detail=f"{count} times; {writes} writes, {seconds:.1f} s",
                also=writes > 0,
            )
        )
    return rows
