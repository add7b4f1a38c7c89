"""Rule 1.2 through networks that fail: a tenth of all requests, of every kind, on both sides, and the same content.

The hardest kind is `reset_after`: the request is carried out, and its answer lost. A POST must then be looked for by
its external id. `never` is a request that nobody answers; both commands give up on it after `request_timeout`.

All that the commands say meanwhile, at the level DEBUG, is searched for what nobody may read.
"""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.sample.evolve import evolve
from sandbox.sample.generate import generate_account
from tests.support.pipeline import Pipeline, differences, remove
from tests.support.sandbox_process import Sandbox
from tests.support.secrets import assert_nothing_told

FIRST = datetime.fromisoformat("2026-06-01T08:00:00Z")
SECOND = datetime.fromisoformat("2026-06-13T08:00:00Z")
KINDS = ["500", "502", "503", "504_html", "429", "reset_before", "reset_after", "truncated", "html_200", "never"]
LOST = ["reset_after", "truncated", "never"]
SECTIONS = ("customers", "plans", "invoices", "cancellations", "scheduled", "mrr")


def check_faults(sandbox: Sandbox, folder: Path, seed: int, kinds: list[str], rate: float = 0.1) -> None:
    sandbox.reset()
    sandbox.no_limits()
    chance = random.Random(seed)
    target = {"force": True, "request_timeout": 3, "load_method": chance.choice(["single", "single", "bulk"])}
    shaky = Pipeline(
        sandbox,
        folder / "shaky",
        tap={"request_timeout": 3},
        target=target,
        environment={"LOGLEVEL": "DEBUG", "TAP_KEAP_LOGLEVEL": "DEBUG", "TARGET_CHARTMOGUL_LOGLEVEL": "DEBUG"},
    )
    steady = Pipeline(sandbox, folder / "steady", target={"force": True, "data_source_name": "Steady"})
    keap = generate_account(seed, contacts=10, months=8, now=FIRST)
    faults: set[str | None] = set()
    for now, each in ((FIRST, keap), (SECOND, evolve(keap, seed, before=FIRST, now=SECOND))):
        sandbox.clock(now.isoformat())
        sandbox.load(each)
        for pipeline in (shaky, steady):
            pipeline.tap["now"] = pipeline.target["now"] = now.isoformat()
        sandbox.faults("keap", seed=chance.random(), rate=rate, kinds=kinds)
        sandbox.faults("chartmogul", seed=chance.random(), rate=rate, kinds=kinds)
        sandbox.clear_requests()
        done = shaky.run(timeout=240)
        sandbox.faults("keap")
        sandbox.faults("chartmogul")
        faults |= {entry["fault"] for api in ("keap", "chartmogul") for entry in sandbox.requests(api)}
        done.assert_fine()
        assert_nothing_told(sandbox, shaky.folder, each)
        steady.run(full=True).assert_fine()
        found = differences(shaky.content(), steady.content(), SECTIONS)
        assert not found, f"seed {seed}, {target}, at {now}:\n" + "\n".join(found)
    assert len(faults) > 1, "something must have failed for this to say anything"


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [pytest.param(1, KINDS, marks=pytest.mark.long), (2, KINDS), pytest.param(3, LOST, marks=pytest.mark.long)],
)
def test_a_tenth_of_all_requests_fails(sandbox_process: Sandbox, tmp_path: Path, seed: int, kinds: list[str]) -> None:
    check_faults(sandbox_process, tmp_path, seed, kinds)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_a_tenth_of_all_requests_fails_many_times(sandbox_process: Sandbox, tmp_path: Path, seed: int) -> None:
    check_faults(sandbox_process, tmp_path, seed, KINDS if seed % 2 else LOST)
    remove(tmp_path)
