"""SIGTERM and SIGINT: a safe point at the first one, at once at the second; the code says it, and nothing is lost."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipeline import Pipeline
from tests.support.sandbox_process import Sandbox
from tests.support.singer_rows import club_account

NOW = "2026-03-20T08:00:00Z"
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


@pytest.fixture
def pipeline(sandbox: Sandbox, tmp_path: Path) -> Pipeline:
    sandbox.no_limits()
    sandbox.clock(NOW)
    sandbox.load(club_account(40))
    return Pipeline(sandbox, tmp_path, tap={"now": NOW, "page_size": 20}, target={"now": NOW}, fresh=True)


@pytest.mark.parametrize("signum", CODES)
def test_a_second_signal_ends_the_target_at_once(pipeline: Pipeline, signum: signal.Signals) -> None:
    """While an answer is waited for that does not come; the first signal lets it come."""
    never = [{"match": {"method": "POST", "path_regex": "/customers$"}, "kind": "never", "times": 1000}]
    pipeline.sandbox.faults("chartmogul", script=never)
    running = pipeline.start()
    assert running.wait_until(lambda: any(_creates_customer(each) for each in pipeline.sandbox.requests("chartmogul")))
    running.target.send_signal(signum)
    time.sleep(0.5)
    assert running.target.poll() is None, "a request is under way"
    running.target.send_signal(signum)
    begun = time.monotonic()
    done = running.finish()
    assert time.monotonic() - begun < 2
    assert done.target_code == CODES[signum], done
    pipeline.sandbox.faults("chartmogul")
    pipeline.run().assert_fine()
    assert len(pipeline.content()["invoices"]) == 80


def _creates_customer(entry: dict[str, Any]) -> bool:
    return entry["method"] == "POST" and str(entry["path"]).endswith("/customers")


@pytest.mark.parametrize("signum", CODES)
def test_the_tap_stops_between_two_pages(pipeline: Pipeline, signum: signal.Signals) -> None:
    """The target deals with what came, and the next run goes on from its STATE."""
    pipeline.sandbox.faults("keap", latency_ms=250)
    running = pipeline.start()
    assert running.tap is not None
    asked = pipeline.sandbox.summary
    assert running.wait_until(lambda: asked("keap")["requests"] >= 8)
    running.tap.send_signal(signum)
    done = running.finish()
    assert done.codes == (CODES[signum], 0), done
    assert done.state is not None
    pipeline.sandbox.faults("keap")
    pipeline.run().assert_fine()
    assert len(pipeline.content()["invoices"]) == 80


def test_a_signal_before_the_first_write_writes_nothing(pipeline: Pipeline) -> None:
    pipeline.sandbox.faults("keap", latency_ms=400)
    running = pipeline.start()
    assert running.wait_until(lambda: pipeline.sandbox.summary("chartmogul")["requests"] >= 2)
    running.target.send_signal(signal.SIGTERM)
    done = running.finish()
    assert done.target_code == 143, done
    assert (pipeline.sandbox.writes(), done.state) == ([], None)
