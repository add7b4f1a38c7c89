"""Signals: the first ends the run at a safe point, one within a second is ignored, a later one ends it at once."""

from __future__ import annotations

import signal
import time

import pytest

from tap_keap.errors import InterruptedRunError
from tap_keap.stopping import StopWatch


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    return moment


@pytest.mark.parametrize(("first", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_two_signals_within_a_second_are_one(now: list[float], first: signal.Signals, code: int) -> None:
    stop = StopWatch()
    stop.check()
    stop._on_signal(first, None)
    for later in (0.1, 0.5, 0.99):
        now[0] = 100 + later
        stop._on_signal(signal.SIGTERM if first == signal.SIGINT else signal.SIGINT, None)
    with pytest.raises(InterruptedRunError, match=f"Stopped by {first.name}") as caught:
        stop.check()
    assert caught.value.exit_code == code


def test_a_later_signal_ends_the_run_at_once(now: list[float]) -> None:
    stop = StopWatch()
    stop._on_signal(signal.SIGTERM, None)
    now[0] = 101.5
    with pytest.raises(InterruptedRunError) as caught:
        stop._on_signal(signal.SIGINT, None)
    assert caught.value.exit_code == 143
