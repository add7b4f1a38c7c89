"""How far a run has come: on a terminal, and in a log."""

from __future__ import annotations

import io
import logging

import pytest

from target_chartmogul.progress import CLEAR, IN_LOG, ON_TERMINAL, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_terminal_shows_pace_and_time_left() -> None:
    clock, terminal = Clock(), Terminal()
    progress = Progress(terminal, clock)
    progress.begin("sent", "changes", 4000)
    clock.now += 30
    progress.advance(1200)
    assert terminal.getvalue() == f"{CLEAR}sent: 1,200 of 4,000 changes, 40 a second, 1:10 left"
    progress.end()
    assert terminal.getvalue().endswith(CLEAR)


def test_a_terminal_is_not_flooded() -> None:
    clock, terminal = Clock(), Terminal()
    progress = Progress(terminal, clock)
    progress.begin("staged", "records")
    for _ in range(1000):
        clock.now += ON_TERMINAL / 100
        progress.advance()
    assert terminal.getvalue().count(CLEAR) == pytest.approx(10, abs=1)


def test_a_pipe_gets_log_lines_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    clock, pipe = Clock(), io.StringIO()
    progress = Progress(pipe, clock)
    with caplog.at_level(logging.INFO):
        progress.begin("planned", "groups", 10)
        progress.advance(3)
        assert not caplog.messages
        clock.now += IN_LOG
        progress.advance(2)
    assert caplog.messages == ["progress phase=planned done=5 total=10 per_second=0.2 seconds_left=30"]
    assert not pipe.getvalue()
