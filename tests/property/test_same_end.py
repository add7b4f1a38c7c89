"""Rules 1.1 and 1.2: whatever the order, the split into runs and the fate of the ledger, ChartMogul ends up the same.

Accounts and their histories are generated. One data source follows a history in incremental runs, whose records are
shuffled and whose ledger is kept, lost or never there; another one is filled by reading Keap whole at each moment; a
third one at the end only. The first two must be equal after each run. The third may differ by what Keap has forgotten.
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
from tests.pipeline import Pipeline, differences, remove, shuffled
from tests.sandbox_process import Sandbox

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

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = BEGIN
        self.keap: Account = generate_account(
            seed, contacts=self.chance.randint(2, 6), months=self.chance.randint(3, 10), now=BEGIN
        )
        self.past: list[Account] = []
        self._seed = seed

    def __iter__(self) -> Iterator[str]:
        yield self.now.isoformat()
        for _ in range(self.chance.randint(1, 3)):
            self._seed += 1_000_003
            later = self.now + timedelta(days=self.chance.choice([1, 3, 9, 20, 45]))
            self.past.append(self.keap)
            self.keap = evolve(self.keap, self._seed, before=self.now, now=later)
            self.now = later
            yield self.now.isoformat()


def check_history(sandbox: Sandbox, folder: Path, seed: int, *, fresh: bool = False) -> None:
    """One history; asserts that all ways came to the same."""
    moments = Moments(seed)
    chance = moments.chance
    settings = chance.choice(ALTERNATIVES)
    # Small accounts: one deleted contact is a large share of them, and is not what is tested here.
    common = {**settings, "force": True}
    changes = Pipeline(sandbox, folder / "changes", target=common, fresh=fresh)
    whole = Pipeline(sandbox, folder / "whole", target={**common, "data_source_name": "Whole", "ledger_path": None})
    messages = ""
    for now in moments:
        sandbox.clock(now)
        sandbox.load(moments.keap)
        for each in (changes, whole):
            each.tap["now"] = each.target["now"] = now
        fate = chance.choice(["kept", "kept", "lost", "none"])
        if fate != "kept":
            changes.lose_ledger()
        more: dict[str, Any] = {"ledger_path": None} if fate == "none" else {}
        if chance.random() < 0.7 and not fresh:
            more["messages"] = shuffled(changes.read(), chance)
        done = changes.run(**more)
        assert done.codes == (0, 0), done
        messages = whole.read(full=True)
        done = whole.run(messages=messages)
        assert done.codes == (0, 0), done
        found = differences(changes.content(now), whole.content(now), [*SECTIONS, "mrr"])
        assert not found, f"seed {seed}, ledger {fate}, {settings}, at {now}:\n" + "\n".join(found)
    last = Pipeline(sandbox, folder / "last", target={**common, "data_source_name": "Last", "now": now})
    done = last.run(messages=messages)
    assert done.codes == (0, 0), done
    found = differences(
        still_shown(changes.content(now), moments), still_shown(last.content(now), moments), SECTIONS
    )
    assert not found, f"seed {seed}, {settings}, whole at the end:\n" + "\n".join(found)


def still_shown(content: dict[str, Any], moments: Moments) -> dict[str, Any]:
    """The content without what rule 1.2 lets differ, because Keap has forgotten it."""
    return content


@pytest.fixture(scope="module")
def quick(sandbox_process: Sandbox) -> Sandbox:
    return sandbox_process


def prepare(sandbox: Sandbox) -> None:
    sandbox.reset()
    sandbox.no_limits()


@pytest.mark.parametrize("seed", range(20))
def test_same_end(quick: Sandbox, tmp_path: Path, seed: int) -> None:
    prepare(quick)
    check_history(quick, tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_same_end_of_many(quick: Sandbox, tmp_path: Path, seed: int) -> None:
    prepare(quick)
    check_history(quick, tmp_path, seed)
    remove(tmp_path)
