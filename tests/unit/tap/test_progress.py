"""A progress line, only where someone looks."""

from __future__ import annotations

import io
import logging

from tap_keap.progress import CLEAR, ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_on_a_terminal() -> None:
    terminal, clock = Terminal(), Clock()
    line = ProgressLine(lambda: 29_500, terminal, clock)
    line.advance("contacts", 1000)
    clock.now = 2.0
    line.advance("contacts", 5000)
    assert terminal.getvalue() == f"{CLEAR}contacts: 6,000 rows, 3,000 a second, 29,500 requests left today"
    line.end()
    assert terminal.getvalue().endswith(CLEAR)


def test_log_lines_push_the_progress_aside() -> None:
    terminal, clock = Terminal(), Clock()
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        line = ProgressLine(lambda: None, terminal, clock)
        clock.now = 1.0
        line.advance("orders", 10)
        logging.getLogger("tap-keap").warning("something")
        assert terminal.getvalue().endswith(f"{CLEAR}something\n")
    finally:
        logging.getLogger().removeHandler(handler)
        for other in logging.getLogger().handlers:
            other.filters = [found for found in other.filters if "push_aside" not in str(found)]


def test_no_progress_in_a_file() -> None:
    output, clock = io.StringIO(), Clock()
    line = ProgressLine(lambda: None, output, clock)
    clock.now = 5.0
    line.advance("orders", 10)
    line.end()
    assert not line.enabled
    assert output.getvalue() == ""
