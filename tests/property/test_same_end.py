"""Rules 1.1 and 1.2: whatever the order, the split into runs and the copy of the store, ChartMogul ends up the same.

Accounts and their histories are generated. One data source follows a history in incremental runs, each of which begins
with any copy of the store (the latest, an older one, none) and any STATE of that history (the latest, an older one,
none), with the records shuffled. Another one has its store kept and reads Keap whole each time; a third one is filled
at the end only. The first two must be equal after each moment, at the latest after its second run. The third may differ
by what Keap has forgotten.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.sample.evolve import evolve
from sandbox.sample.generate import generate_account
from tests.support.pipeline import Pipeline, differences, remove, shuffled
from tests.support.sandbox_process import Sandbox

Account = dict[str, list[dict[str, Any]]]

BEGIN = datetime.fromisoformat("2026-06-01T08:00:00Z")
SECTIONS = ("customers", "plans", "invoices", "cancellations", "scheduled")
ALTERNATIVES: list[dict[str, Any]] = [
    {},
    {"trial_source": "subscription", "interval_source": "subscription", "churn_fallback": "paid_through"},
    {"late_payment": "ignore", "plan_change": "switch", "credits": "ignore"},
    {"subscription_owner": "order", "customer_scope": "all"},
    {"date_timezone": "America/New_York", "unpaid_orders": "skip", "full_refund": "remove_mrr"},
]


class Moments:
    """An account at several moments, from a seed."""

    def __init__(self, seed: int, most: int) -> None:
        self._steps = most
        self.chance = random.Random(seed)
        self.now = BEGIN
        self.keap: Account = generate_account(
            seed, contacts=self.chance.randint(2, 6), months=self.chance.randint(3, 10), now=BEGIN
        )
        self.past: list[Account] = []
        self._seed = seed

    def __iter__(self) -> Iterator[str]:
        yield self.now.isoformat()
        for _ in range(self.chance.randint(1, self._steps)):
            self._seed += 1_000_003
            later = self.now + timedelta(days=self.chance.choice([1, 3, 9, 20, 45]))
            self.past.append(self.keap)
            self.keap = evolve(self.keap, self._seed, before=self.now, now=later)
            self.now = later
            yield self.now.isoformat()


class Copies:
    """The stores and STATEs of a history's past runs, any of which the next run may begin with."""

    def __init__(self, pipeline: Pipeline, chance: random.Random) -> None:
        self._pipeline = pipeline
        self._chance = chance
        self._stores: list[bytes | None] = [None]
        self._states: list[dict[str, Any] | None] = [None]
        self.lost = False
        """Some run began with another store than the last one's: what only that one knew is gone (rule 1.2)."""

    def keep(self) -> None:
        """After a run."""
        self._stores.append(self._pipeline.store.read_bytes())
        self._states.append(self._pipeline.state)

    def choose(self) -> str:
        """Put some of them in place of the latest; which."""
        store = self._one_of(self._stores)
        state = self._one_of(self._states)
        if store != len(self._stores) - 1:
            self.lost = True
            self._pipeline.lose_store()
            content = self._stores[store]
            if content is not None:
                self._pipeline.store.write_bytes(content)
        self._pipeline.state = self._states[state]
        return f"store {store} of {len(self._stores) - 1}, state {state} of {len(self._states) - 1}"

    def _one_of(self, past: list[Any]) -> int:
        """The latest more often than the others."""
        latest = len(past) - 1
        return latest if self._chance.random() < 0.5 else self._chance.randint(0, latest)


def check_history(sandbox: Sandbox, folder: Path, seed: int, *, steps: int, fresh: bool = False) -> None:
    """One history; asserts that all ways came to the same."""
    moments = Moments(seed, steps)
    chance = moments.chance
    settings = chance.choice(ALTERNATIVES)
    # Small accounts: one deleted contact is a large share of them, and is not what is tested here.
    common = {**settings, "force": True}
    changes = Pipeline(sandbox, folder / "changes", target=common, fresh=fresh)
    whole = Pipeline(sandbox, folder / "whole", target={**common, "data_source_name": "Whole"})
    copies = Copies(changes, chance)
    story = []
    for now in moments:
        sandbox.clock(now)
        sandbox.load(moments.keap)
        for each in (changes, whole):
            each.tap["now"] = each.target["now"] = now
        story.append(copies.choose())
        more: dict[str, Any] = {}
        if chance.random() < 0.7 and not fresh:
            more["messages"] = shuffled(changes.read(), chance)
        done = changes.run(**more)
        if done.target_code == 10:
            story.append("read again")
            done = changes.run()
        done.assert_fine()
        copies.keep()
        messages = whole.read(full=True)
        whole.run(messages=messages).assert_fine()
        held, expected = changes.content(now), whole.content(now)
        if copies.lost:
            held, expected = still_shown(held, moments), still_shown(expected, moments)
        found = differences(held, expected, SECTIONS if copies.lost else [*SECTIONS, "mrr"])
        assert not found, f"seed {seed}, {story}, {settings}, at {now}:\n" + "\n".join(found)
    last = Pipeline(sandbox, folder / "last", target={**common, "data_source_name": "Last", "now": now})
    last.run(messages=messages).assert_fine()
    found = differences(still_shown(changes.content(now), moments), still_shown(last.content(now), moments), SECTIONS)
    assert not found, f"seed {seed}, {story}, {settings}, whole at the end:\n" + "\n".join(found)


def still_shown(content: dict[str, Any], moments: Moments) -> dict[str, Any]:
    """The content without what rule 1.2 lets differ, because Keap has forgotten it.

    That is: orders and contacts that are gone, customers who were billed by nothing else, and cancellations of
    subscriptions that were shown with other dates once. Plans that no line uses any more stay where they were.
    """
    last = {stream: {row["id"]: row for row in moments.keap[stream]} for stream in ("orders", "contacts")}
    gone: dict[str, set[str]] = {"orders": set(), "contacts": set()}
    for past in moments.past:
        for stream, rows in last.items():
            gone[stream] |= {row["id"] for row in past[stream]} - rows.keys()
        gone["contacts"] |= {row["contact"]["id"] for row in past["orders"] if row["id"] in gone["orders"]}
    altered = altered_subscriptions(moments)
    invoices = {
        name: each for name, each in content["invoices"].items() if name.partition("-")[0] not in gone["orders"]
    }
    used = {line.get("plan") for each in invoices.values() for line in each["line_items"].values()}
    return {
        "customers": {name: each for name, each in content["customers"].items() if name not in gone["contacts"]},
        "invoices": invoices,
        "plans": {name: each for name, each in content["plans"].items() if name in used},
        **{
            section: {name: each for name, each in content[section].items() if each["subscription"] not in altered}
            for section in ("cancellations", "scheduled")
        },
    }


def altered_subscriptions(moments: Moments) -> set[str]:
    """Subscriptions whose end Keap showed otherwise at an earlier moment."""
    found: set[str] = set()
    now = {row["id"]: row for row in moments.keap["subscriptions"]}
    for past in moments.past:
        for row in past["subscriptions"]:
            ended = not row["active"] or row["end_date"]
            if ended and (row["id"] not in now or _end(row) != _end(now[row["id"]])):
                found.add(row["id"])
    return found


def _end(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("active", "end_date", "next_bill_date", "last_bill_date"))


@pytest.fixture(scope="module")
def quick(sandbox_process: Sandbox) -> Sandbox:
    return sandbox_process


def prepare(sandbox: Sandbox) -> None:
    sandbox.reset()
    sandbox.no_limits()


def test_same_end_by_the_real_command_line(quick: Sandbox, tmp_path: Path) -> None:
    prepare(quick)
    check_history(quick, tmp_path, 99, steps=1, fresh=True)


@pytest.mark.parametrize("seed", range(12))
def test_same_end(quick: Sandbox, tmp_path: Path, seed: int) -> None:
    prepare(quick)
    check_history(quick, tmp_path, seed, steps=2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_same_end_of_many(quick: Sandbox, tmp_path: Path, seed: int) -> None:
    prepare(quick)
    check_history(quick, tmp_path, seed, steps=4)
    remove(tmp_path)
