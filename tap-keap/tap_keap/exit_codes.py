"""Exit codes of `tap-keap`. The README lists them; a scheduler may act on them."""

from __future__ import annotations

from typing import Final

OK: Final = 0
"""Everything asked for was read."""

UNEXPECTED: Final = 1
"""A defect or a broken pipe: look at the log."""

CONFIGURATION: Final = 2
"""Wrong settings, catalog, state or command line: nothing was read."""

CREDENTIALS: Final = 3
"""Keap refuses the key or the token: a person must act."""

SERVICE: Final = 4
"""Keap could not be reached, or went on failing after all retries: run again later."""

QUOTA: Final = 5
"""The day's quota is spent, or down to `daily_quota_reserve`: run again after the time in the message."""

TIME_UP: Final = 6
"""`max_run_minutes` is over: run again, it goes on where it stopped."""

REJECTS: Final = 7
"""All was read, but rows that do not fit their schema were left out: the log names them."""

INTERRUPTED: Final = 130
"""SIGINT."""

TERMINATED: Final = 143
"""SIGTERM."""
