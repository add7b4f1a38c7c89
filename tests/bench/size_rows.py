"""What grows with the account: memory, and the time of every step for ten times as much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.accounts import Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import Spent, account_file, arrived, spent
from tests.bench.target_rows import told
from tests.support.tap_process import COMMAND as TAP

TIMES = 5
MOST_MEGABYTES = 300
MOST_SECONDS_PER_MILLION = 900
MOST_GROWTH = 12


def load_rows(folder: Path, contacts: int = 10_000, orders: int = 50_000) -> list[Row]:
    """A first load of an account by bulk imports, and the same records again: memory, CPU, and what the store takes."""
    with serving(account_file(folder, contacts, orders)) as sandbox:
        bridge = Bridge(sandbox, folder / "load")
        start = bridge.start()
        messages = folder / "load.jsonl"
        tap = bridge.read(messages)
        target = bridge.write(messages)
        taken = bridge.store.stat().st_size
        again = bridge.write(messages)
        records = arrived(messages).total()
        messages.unlink()
    size = f"{contacts:,} contacts, {orders:,} orders"
    memory = f"≤ {MOST_MEGABYTES}"
    return [
        Row(
            what=f"first load of {size}: memory of the tap, MB", ours=tap.megabytes, required=memory, detail=_took(tap)
        ),
        Row(what="  memory of the target, MB", ours=target.megabytes, required=memory, detail=_took(target)),
        Row(
            what="  CPU seconds of the target, start subtracted",
            ours=target.cpu - start,
            required=f"≤ {MOST_SECONDS_PER_MILLION * orders / 1_000_000:g}",
        ),
        Row(
            what="  bytes of the store per record",
            ours=taken / records,
            required="≤ 1,000",
            detail=f"{records:,} records, {taken / 1_000_000:,.0f} MB",
        ),
        Row(
            what="the same again: memory of the target, MB", ours=again.megabytes, required=memory, detail=_took(again)
        ),
    ]


def _took(found: Spent) -> str:
    return f"{found.wall:.0f} s, {found.cpu:.0f} s of CPU"


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
        found = told("tests.bench.target_rate", source)
        yield "records into the store", found["intake"]
        yield "accounts decided and planned", found["planning"]


def _commands(folder: Path, orders: int, loads: int) -> Iterator[Timed]:
    tap_start = median(spent([*TAP, "--discover"]).cpu for _ in range(TIMES))
    with serving(account_file(folder, orders // 10, orders)) as sandbox:
        bridge = Bridge(sandbox, folder / f"growth-{orders}", load_method="bulk")
        messages = folder / f"growth-{orders}.jsonl"
        target_start = bridge.start()
        for _ in range(TIMES):
            yield "tap, everything", bridge.read(messages).cpu - tap_start
        for number in range(loads):
            anew = {"data_source_name": f"Load {number}", "store_path": str(bridge.folder / f"{number}.sqlite")}
            yield "first load in bulk", bridge.write(messages, **anew).cpu - target_start
        for _ in range(TIMES):
            yield "everything again, nothing new", bridge.write(messages, **anew).cpu - target_start
