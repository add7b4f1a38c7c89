"""Whole runs over an account that ChartMogul has already: nothing new, other settings, and one in a hundred changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tap_keap.stream_specs import BILLING, STREAM_SPECS
from tests.bench import changed_rows
from tests.bench.accounts import Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import account_file, arrived, spent
from tests.support.sandbox_process import Sandbox
from tests.support.target_process import COMMAND as TARGET

CONTACTS, ORDERS = 2_000, 20_000
TIMES = 3
LATENCY_MS = 150
LISTINGS = {
    f"/keap/crm/rest/v2/{spec.path}": spec
    for spec in STREAM_SPECS
    if spec.name in BILLING and spec.name != "order_payments"  # asked for by order, where a payment is for several
}


def run_rows(folder: Path) -> list[Row]:
    """Load once; then runs with nothing new, with a changed setting, and with one kind of change each."""
    with serving(account_file(folder, CONTACTS, ORDERS)) as sandbox:
        bridge = Bridge(sandbox, folder / "runs")
        bridge.run()
        rows = _other_settings(sandbox, bridge)
        sandbox.faults("keap", latency_ms=LATENCY_MS)
        sandbox.faults("chartmogul", latency_ms=LATENCY_MS)
        return [*_nothing_new(sandbox, bridge), *rows, *_without_store(sandbox, bridge), *_changed(sandbox, bridge)]


def _nothing_new(sandbox: Sandbox, bridge: Bridge) -> list[Row]:
    bridge.run()
    alone, both = [], []
    for _ in range(TIMES):
        alone.append(bridge.tap_alone())
        sandbox.clear_requests()
        both.append(bridge.run())
    reads, writes = bridge.counted()
    asked = Counter(str(entry["path"]) for entry in sandbox.requests("keap"))
    messages = bridge.folder / "nothing.jsonl"
    bridge.read(messages)
    rows = arrived(messages)
    pages = sum(max(1, math.ceil(rows[spec.name] / spec.largest_page)) for spec in LISTINGS.values())
    ratio = median(both) / median(alone)
    return [
        Row(what=f"nothing new in {ORDERS:,} orders: writes", ours=writes, required="= 0"),
        Row(what="  reads of ChartMogul", ours=reads, required="≤ 5"),
        Row(
            what="  requests to Keap that are not pages of the listings",
            ours=sum(number for path, number in asked.items() if path not in LISTINGS),
            required="= 0",
        ),
        Row(
            what="  requests to Keap",
            ours=sum(asked.values()),
            required=f"≤ {pages}",
            detail=f"the pages of {rows.total():,} rows in {len(LISTINGS)} listings",
        ),
        Row(
            what="  wall of both beside the tap alone into /dev/null, times, at 150 ms",
            ours=ratio,
            required="≤ 1.3",
            peer=f"{median(alone):.2f} s tap alone",
            detail=f"both {median(both):.2f} s, with report; median of {TIMES}",
        ),
    ]


def _other_settings(sandbox: Sandbox, bridge: Bridge) -> list[Row]:
    """Another fallback for cancellations, first as a run that ends with its plan, then as a preview."""
    messages = bridge.folder / "again.jsonl"
    start = bridge.start()
    sandbox.clear_requests("keap")
    bridge.read(messages)
    usual = len(sandbox.requests("keap"))
    sandbox.clear_requests("keap")
    planned = [bridge.write(messages, dry_run=True, churn_fallback="paid_through") for _ in range(TIMES)]
    assert not sandbox.requests("keap")
    command = [*TARGET, "preview", *bridge.target_command()[len(TARGET) :], "--set", "churn_fallback=paid_through"]
    shown = [spent(command) for _ in range(TIMES)]
    return [
        Row(
            what=f"changed setting, {ORDERS:,} orders: CPU seconds to the plan, start subtracted",
            ours=min(each.cpu for each in planned) - start,
            required="≤ 10",
            detail=f"a rehearsal with its report; start {start:.2f} s; best of {TIMES};"
            f" {usual} requests to Keap, as with nothing new",
        ),
        Row(
            what=f"preview, {ORDERS:,} orders: CPU seconds",
            ours=min(each.cpu for each in shown),
            required="≤ 10",
            detail=f"{min(each.wall for each in shown):.1f} s on the wall, {max(each.megabytes for each in shown)} MB",
        ),
    ]


def _without_store(sandbox: Sandbox, bridge: Bridge) -> list[Row]:
    """A run that keeps nothing: it reads everything of Keap and lists everything of ChartMogul."""
    held = bridge.objects()
    most = (held["invoices"] + held["customers"] + held.get("events", 0)) // 200 + 20
    state, bridge.state = bridge.state, None
    sandbox.clear_requests()
    seconds = bridge.run(store_path=None)
    bridge.state = state
    reads, writes = bridge.counted()
    return [
        Row(what="  writes without store and state", ours=writes, required="= 0"),
        Row(what="  reads without store and state", ours=reads, required=f"≤ {most}", detail=f"{seconds:.1f} s"),
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
