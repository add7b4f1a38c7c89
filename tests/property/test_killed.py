"""Rules 1.2 and 1.5: ended at any point, any number of times, then one finished run: the same content.

Points are drawn from a seed: which of both commands, by which signal (SIGKILL most often), and after how many requests
to which API, or after how long. Each run begins from the STATE that the last one emitted, if it did: were a STATE ever
ahead of what is done or safely kept, the content would lack it.
"""

from __future__ import annotations

import random
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.clock import format_instant
from sandbox.sample.evolve import evolve
from sandbox.sample.generate import generate_account
from tests.support.pipeline import Pipeline, RunningPipeline, differences, remove
from tests.support.s3_store import s3_store
from tests.support.sandbox_process import Sandbox

Account = dict[str, list[dict[str, Any]]]

BEGIN = datetime.fromisoformat("2026-06-01T08:00:00Z")
SECTIONS = ("customers", "plans", "invoices", "cancellations", "scheduled", "mrr")


def history(seed: int, chance: random.Random) -> list[tuple[str, Account]]:
    """An account, and how it looks later, when subscriptions have moved to other contacts."""
    keap = generate_account(seed, contacts=6, months=8, now=BEGIN)
    now = BEGIN + timedelta(days=chance.choice([2, 12, 40]))
    later = evolve(keap, seed, before=BEGIN, now=now)
    for held in chance.sample(later["subscriptions"], min(3, len(later["subscriptions"]))):
        held["contact_id"] = chance.choice(later["contacts"])["id"]
        held["modification_time"] = format_instant(now)
    return [(BEGIN.isoformat(), keap), (now.isoformat(), later)]


def end_somewhere(running: RunningPipeline, sandbox: Sandbox, chance: random.Random) -> tuple[str, int, str]:
    """End one of both; which, by which signal, and when."""
    who = chance.choice(["tap", "target", "target", "target"])
    signum = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    process = running.tap if who == "tap" else running.target
    assert process is not None
    where = chance.choice(["keap", "chartmogul", "chartmogul", "chartmogul", "time"])
    if where == "time":
        moment = chance.uniform(0.0, 1.5)
        time.sleep(moment)
        told = f"after {moment:.2f} s"
    else:
        number = chance.randint(1, 20 if where == "keap" else 60)
        running.wait_until(lambda: int(sandbox.summary(where)["requests"]) >= number)
        time.sleep(chance.uniform(0, 0.02))
        told = f"after {number} requests to {where}"
    process.send_signal(signum)
    return who, signum, told


def check_kills(
    sandbox: Sandbox, folder: Path, seed: int, kills: int, *, remote: str | None = None, unlock: Any = lambda: None
) -> None:
    """One history, each of its moments with kills before the run that finishes.

    Args:
        sandbox: both APIs.
        folder: for what the runs say.
        seed: of the history.
        kills: how many at each moment.
        remote: where the store lies, if not in the folder.
        unlock: ends the lock that a killed run left there.
    """
    sandbox.reset()
    sandbox.no_limits()
    chance = random.Random(seed)
    settings: dict[str, Any] = {"max_delete_share": 1.0, "load_method": chance.choice(["auto", "single", "bulk"])}
    settings |= {"store_path": remote} if remote else {}
    killed = Pipeline(sandbox, folder / "killed", target=settings)
    whole = Pipeline(sandbox, folder / "whole", target={"force": True, "data_source_name": "Whole"})
    for now, keap in history(seed, chance):
        sandbox.clock(now)
        sandbox.load(keap)
        for each in (killed, whole):
            each.tap["now"] = each.target["now"] = now
        points = []
        for _ in range(kills):
            sandbox.clear_requests()
            running = killed.start()
            who, signum, told = end_somewhere(running, sandbox, chance)
            ended = running.finish()
            points.append(f"{who} by {signum} {told}: {ended.codes}")
            code = ended.tap_code if who == "tap" else ended.target_code
            assert code in {0, -signum, 128 + signum}, f"{points}\n{ended}"
            unlock()
            assert who == "target" or ended.target_code in {0, 6}, f"{points}\n{ended}"
        killed.run().assert_fine()
        whole.run(full=True).assert_fine()
        found = differences(killed.content(now), whole.content(now), SECTIONS)
        assert not found, f"seed {seed}, {settings}, {points}, at {now}:\n" + "\n".join(found)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.long if seed else []) for seed in range(4)])
def test_killed_and_run_again(sandbox_process: Sandbox, tmp_path: Path, seed: int) -> None:
    check_kills(sandbox_process, tmp_path, seed, kills=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 150))
def test_killed_at_hundreds_of_points(sandbox_process: Sandbox, tmp_path: Path, seed: int) -> None:
    """Four points each, two before and two while subscriptions move."""
    check_kills(sandbox_process, tmp_path, seed, kills=2)
    remove(tmp_path)


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[] if seed == 50 else pytest.mark.long) for seed in range(50, 70)]
)
def test_killed_with_a_store_on_s3(
    sandbox_process: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Its records and STATE went up before ChartMogul was written to, what it acknowledged may not have."""
    with s3_store(monkeypatch, "stores") as client:

        def unlock() -> None:
            client.delete_object(Bucket="stores", Key="keap/store.sqlite.lock")

        check_kills(sandbox_process, tmp_path, seed, 2, remote="s3://stores/keap/store.sqlite", unlock=unlock)
