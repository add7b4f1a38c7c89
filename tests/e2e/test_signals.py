"""SIGTERM and SIGINT: a safe point at the first one, at once at a later second; the code says it, nothing is lost."""

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
EITHER = [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]


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
    time.sleep(1.3)
    assert running.target.poll() is None, "a request is under way"
    running.target.send_signal(signum)
    begun = time.monotonic()
    done = running.finish()
    assert time.monotonic() - begun < 20, "not after `request_timeout`, a minute"
    assert done.target_code == CODES[signum], done
    pipeline.sandbox.faults("chartmogul")
    pipeline.run().assert_fine()
    assert len(pipeline.content()["invoices"]) == 80


def _creates_customer(entry: dict[str, Any]) -> bool:
    return entry["method"] == "POST" and str(entry["path"]).endswith("/customers")


@pytest.mark.parametrize("signum", EITHER)
def test_the_tap_stops_between_two_pages(pipeline: Pipeline, signum: signal.Signals) -> None:
    """The target keeps what came and decides nothing of a first read that has not ended; the next run continues."""
    pipeline.sandbox.faults("keap", latency_ms=250)
    running = pipeline.start()
    assert running.tap is not None
    asked = pipeline.sandbox.summary
    assert running.wait_until(lambda: asked("keap")["requests"] >= 5)
    running.tap.send_signal(signum)
    done = running.finish()
    assert done.codes == (CODES[signum], 6), done
    assert done.state is not None
    assert pipeline.sandbox.writes() == []
    pipeline.sandbox.faults("keap")
    pipeline.run().assert_fine()
    assert len(pipeline.content()["invoices"]) == 80
    assert all(len(each["transactions"]) == 1 for each in pipeline.content()["invoices"].values())


@pytest.mark.parametrize("signum", EITHER)
def test_the_target_stops_between_two_writes(pipeline: Pipeline, signum: signal.Signals) -> None:
    """What was not sent is marked: the next run, to which Keap brings nothing new, sends it."""
    pipeline.sandbox.faults("chartmogul", latency_ms=60)
    running = pipeline.start(load_method="single")
    assert running.wait_until(lambda: len(pipeline.sandbox.writes()) >= 15)
    running.target.send_signal(signum)
    done = running.finish()
    assert done.target_code == CODES[signum], done
    assert done.state is not None
    assert 0 < len(pipeline.content()["invoices"]) < 80
    assert "Traceback" not in done.target_stderr
    pipeline.sandbox.faults("chartmogul")
    pipeline.run().assert_fine()
    assert len(pipeline.content()["invoices"]) == 80


@pytest.mark.parametrize("after", [7, *(pytest.param(after, marks=pytest.mark.long) for after in (1, 23))])
def test_killed_and_run_again(pipeline: Pipeline, after: int) -> None:
    """1.2: the same content, nothing doubled."""
    pipeline.fresh = False
    pipeline.sandbox.faults("chartmogul", latency_ms=60)
    running = pipeline.start(load_method="single")
    assert running.wait_until(lambda: len(pipeline.sandbox.writes()) >= after)
    running.target.send_signal(signal.SIGKILL)
    assert running.finish().target_code == -signal.SIGKILL
    pipeline.sandbox.faults("chartmogul")
    pipeline.run().assert_fine()
    content = pipeline.content()
    assert (len(content["customers"]), len(content["invoices"])) == (40, 80)
    assert all(len(each["transactions"]) == 1 for each in content["invoices"].values())
    pipeline.sandbox.clear_requests()
    pipeline.lose_store()
    pipeline.run(full=True).assert_fine()
    assert pipeline.sandbox.writes() == []


def test_a_signal_before_the_first_write_writes_nothing(pipeline: Pipeline) -> None:
    pipeline.sandbox.faults("keap", latency_ms=400)
    running = pipeline.start()
    assert running.wait_until(lambda: pipeline.sandbox.summary("chartmogul")["requests"] >= 2)
    running.target.send_signal(signal.SIGTERM)
    done = running.finish()
    assert done.target_code == 143, done
    assert (pipeline.sandbox.writes(), done.state) == ([], None)
