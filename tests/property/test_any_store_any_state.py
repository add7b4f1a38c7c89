"""Rules 1.1, 1.2, 1.6, 1.8: any copy of the store, with any STATE of the same history, ends like a fresh full run.

An account of Keap lives through a few moments. One data source follows it by runs that are whole, cut off, killed,
faulty or without any store, whose settings change; between them its store and its STATE are replaced by others of the
same history. Two runs at the end make it equal to a new data source that is filled once, by reading Keap whole, except
for what Keap has forgotten; a third run writes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.histories import History
from tests.support.meltano_pipeline import MeltanoPipeline, install_plugins
from tests.support.pipeline import Pipeline, remove
from tests.support.s3_store import s3_store
from tests.support.same_end import Past, unlike
from tests.support.sandbox_process import Sandbox
from tests.support.store_copies import BucketCopies, LocalCopies, UploadKiller
from tests.support.wandering import Wandering

KEY = "keap/store.sqlite"


@contextmanager
def wandering(
    sandbox: Sandbox,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    chance: random.Random,
    *,
    remote: bool,
    kind: Callable[..., Pipeline],
) -> Iterator[Wandering]:
    """A data source whose store is a file, or lies in a bucket."""
    # Small accounts: one deleted order is a large share of them, and is not what is tested here.
    pipeline = kind(
        sandbox,
        folder / "wandering",
        tap={"page_size": chance.choice([3, 7, 1000]), "lookback_days": 3650, "full_reread_days": 1},
        target={"force": True, "load_method": chance.choice(["auto", "single", "bulk"])},
    )
    if not remote:
        yield Wandering(sandbox, pipeline, LocalCopies(pipeline.folder), chance)
        return
    killers: list[UploadKiller] = []

    def wrap(service: object) -> UploadKiller:
        killers.append(UploadKiller(service, KEY))
        return killers[0]

    with s3_store(monkeypatch, "stores", wrap) as client:
        yield Wandering(sandbox, pipeline, BucketCopies(client, "stores", KEY), chance, killers[0])


def check_history(
    sandbox: Sandbox,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    *,
    kind: Callable[..., Pipeline] = Pipeline,
) -> None:
    """One history, which ends like a fresh full run."""
    sandbox.reset()
    sandbox.no_limits()
    chance = random.Random(seed)
    history, past = History(seed, forgets=seed % 4 == 3), Past()
    with wandering(sandbox, folder, monkeypatch, chance, remote=seed % 3 == 2, kind=kind) as runs:
        for moment in history.moments:
            runs.at(moment)
            for _ in range(chance.choice([0, 1, 1, 2])):
                if chance.random() < 0.3:
                    runs.change_settings()
                if chance.random() < 0.35:
                    runs.swap()
                runs.go()
                past.saw(runs.content())
        runs.swap()
        runs.finish()
        now = history.last.now.isoformat()
        found = runs.content()
        new = Pipeline(
            sandbox,
            folder / "fresh",
            tap={"now": now},
            target={**runs.pipeline.target, "data_source_name": "Fresh", "store_path": None, "load_method": "bulk"},
        )
        sandbox.load(past.told_to(history.last.rows, found))
        done = new.run()
        assert done.codes in {(0, 0), (0, 7)}, str(done)
        sandbox.load(history.last.rows)
        told = unlike(found, new.content(now), history, past)
        assert not told, f"seed {seed}\n{runs}\n" + "\n".join(told)
        sandbox.clear_requests()
        runs.pipeline.run()
        writes = [each for each in sandbox.requests("chartmogul") if each["write"]]
        assert not writes, f"seed {seed}: a run with nothing new wrote\n{runs}\n{writes}"


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.long if seed >= 3 else []) for seed in range(12)]
)
def test_any_store_with_any_state(
    sandbox_process: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    kind = partial(Pipeline, fresh=True) if seed == 0 else Pipeline
    check_history(sandbox_process, tmp_path, monkeypatch, seed, kind=kind)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_any_store_with_any_state_of_many_histories(
    sandbox_process: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    check_history(sandbox_process, tmp_path, monkeypatch, seed)
    remove(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(300, 306))
def test_any_store_with_any_state_by_meltano_run(
    sandbox_process: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    install_plugins()
    check_history(sandbox_process, tmp_path, monkeypatch, seed, kind=MeltanoPipeline)
