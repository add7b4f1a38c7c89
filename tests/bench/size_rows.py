"""What grows with the account: memory, and the time of every step for ten times as much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.accounts import Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import account_file, spent
from tests.bench.target_rows import told
from tests.tap_process import COMMAND as TAP
from tests.target_process import COMMAND as TARGET

SMALL, LARGE = 2_000, 20_000
TIMES = 5
MOST_MEGABYTES = 300
MOST_GROWTH = 12


def memory_rows(folder: Path, contacts: int = 20_000, orders: int = 100_000) -> list[Row]:
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


def growth_rows(folder: Path, small: int = SMALL, large: int = LARGE) -> list[Row]:
    """CPU seconds of each step at ten times the account, in times of the small one; start-up is subtracted."""
    took: dict[str, list[list[float]]] = {}
    for place, orders in enumerate((small, large)):
        source = account_file(folder, orders // 10, orders)
        for step, seconds in _steps(folder, source, orders):
            took.setdefault(step, [[], []])[place].append(seconds)
    rows = []
    for step, (few, many) in took.items():
        one, other = median(few), median(many)
        rows.append(
            Row(
                what=f"{large // small} × the account, times the CPU seconds: {step}",
                ours=other / one,
                required=f"≤ {MOST_GROWTH}",
                floor=str(large // small),
                detail=f"{one:.2f} s → {other:.2f} s, {small:,} → {large:,} orders; median of {len(many)}",
            )
        )
    return rows


def _steps(folder: Path, source: Path, orders: int) -> Iterator[tuple[str, float]]:
    for _ in range(TIMES):
        found = told("tests.bench.target_planning", source)
        yield "inbox", found["intake"]
        yield "grouping", found["grouping"]
        yield "mapping and plan", found["planning"]
    tap_start, target_start = (
        median(spent([*command, "--version"]).cpu for _ in range(TIMES)) for command in (TAP, TARGET)
    )
    with serving(source) as sandbox:
        bridge = Bridge(sandbox, folder / f"growth-{orders}", load_method="bulk")
        messages = folder / f"growth-{orders}.jsonl"
        for _ in range(TIMES):
            yield "tap, everything", bridge.read(messages).cpu - tap_start
        yield "first load in bulk", bridge.write(messages).cpu - target_start
        for _ in range(TIMES):
            yield "everything again, nothing new", bridge.write(messages).cpu - target_start
