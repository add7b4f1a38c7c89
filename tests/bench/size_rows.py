"""What grows with the account: memory, and the time of every step for ten times as much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.accounts import Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import account_file, spent
from tests.bench.target_rows import told
from tests.support.tap_process import COMMAND as TAP
from tests.support.target_process import COMMAND as TARGET

TIMES = 5
MOST_MEGABYTES = 300
MOST_GROWTH = 12


def memory_rows(folder: Path, contacts: int = 10_000, orders: int = 50_000) -> list[Row]:
    """Largest RSS of both commands at a first load of an account, by bulk imports."""
    with serving(account_file(folder, contacts, orders)) as sandbox:
        bridge = Bridge(sandbox, folder / "memory")
        messages = folder / "memory.jsonl"
        tap = bridge.read(messages)
        target = bridge.write(messages)
        again = bridge.write(messages)
        messages.unlink()
    size = f"{contacts:,} contacts, {orders:,} orders"
    most = f"≤ {MOST_MEGABYTES}"
    return [
        Row(what=f"memory of the tap, MB RSS, {size}", ours=tap.megabytes, required=most, detail=f"{tap.wall:.0f} s"),
        Row(
            what="  of the target, first load",
            ours=target.megabytes,
            required=most,
            detail=f"{target.wall:.0f} s, {target.cpu:.0f} s of CPU",
        ),
        Row(
            what="  of the target, the same again",
            ours=again.megabytes,
            required=most,
            detail=f"{again.wall:.0f} s, {again.cpu:.0f} s of CPU",
        ),
    ]


Sizes = tuple[int, int]
"""Orders of the small account and of the large one."""
Timed = tuple[str, float]
"""A step and its CPU seconds."""


def growth_rows(
    folder: Path, planning: Sizes = (5_000, 50_000), commands: Sizes = (2_000, 20_000), loads: int = TIMES
) -> list[Row]:
    """CPU seconds of each step at ten times the account, in times of the small one; start-up is subtracted.

    Small and large take turns, so that a machine that is slower for a while is so for both.
    """
    return [
        *_compared(planning, *(_planning(account_file(folder, orders // 10, orders)) for orders in planning)),
        *_compared(commands, *(_commands(folder, orders, loads) for orders in commands)),
    ]


def _compared(sizes: Sizes, small: Iterator[Timed], large: Iterator[Timed]) -> list[Row]:
    took: dict[str, list[tuple[float, float]]] = {}
    for (step, few), (_, many) in zip(small, large, strict=True):
        took.setdefault(step, []).append((few, many))
    rows = []
    for step, pairs in took.items():
        one, other = (median(each) for each in zip(*pairs, strict=True))
        rows.append(
            Row(
                what=f"{sizes[1] // sizes[0]} × the account, times the CPU seconds: {step}",
                ours=other / one,
                required=f"≤ {MOST_GROWTH}",
                floor=str(sizes[1] // sizes[0]),
                detail=f"{one:.2f} s → {other:.2f} s, {sizes[0]:,} → {sizes[1]:,} orders; median of {len(pairs)}",
            )
        )
    return rows


def _planning(source: Path) -> Iterator[Timed]:
    for _ in range(TIMES):
        found = told("tests.bench.target_planning", source)
        yield "intake", found["intake"]
        yield "mapping and plan", found["planning"]


def _commands(folder: Path, orders: int, loads: int) -> Iterator[Timed]:
    tap_start, target_start = (
        median(spent([*command, "--version"]).cpu for _ in range(TIMES)) for command in (TAP, TARGET)
    )
    with serving(account_file(folder, orders // 10, orders)) as sandbox:
        bridge = Bridge(sandbox, folder / f"growth-{orders}", load_method="bulk")
        messages = folder / f"growth-{orders}.jsonl"
        for _ in range(TIMES):
            yield "tap, everything", bridge.read(messages).cpu - tap_start
        for number in range(loads):
            anew = {"data_source_name": f"Load {number}", "store_path": str(bridge.folder / f"{number}.sqlite")}
            yield "first load in bulk", bridge.write(messages, **anew).cpu - target_start
        for _ in range(TIMES):
            yield "everything again, nothing new", bridge.write(messages, **anew).cpu - target_start
