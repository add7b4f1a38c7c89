"""Exit codes of `tap-keap`, with what they mean: the README's table is made from this file.

A scheduler may act on them. With 3 to 6, 130 and 143 the STATE that was emitted is good, and the next run continues.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """How a run ended; `meaning` is its line in the README."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """A code with its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "Everything asked for was read."
    UNEXPECTED = 1, "A defect of this tap: please report the last line of the log."
    CONFIGURATION = 2, "Wrong settings, catalog, state or command line: correct what the message names."
    CREDENTIALS = (
        3,
        "Keap refuses the key or the token, or its user lacks the right to see a billing stream: a person must act.",
    )
    SERVICE = (
        4,
        "Keap could not be reached or kept failing, or the output or this machine refuses something: run again.",
    )
    QUOTA = 5, "The day's quota is spent, or down to `daily_quota_reserve`: run again after the time in the message."
    UNFINISHED = 6, "`max_run_minutes` is over and the read is unfinished: the next run continues."
    REJECTS = 7, "Everything was read, but rows that do not fit their schema were left out: the log names them."
    INTERRUPTED = 130, "Stopped by SIGINT."
    TERMINATED = 143, "Stopped by SIGTERM."
