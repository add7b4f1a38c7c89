"""Exit codes of `target-chartmogul`; numbers that both programs use mean the same as in `tap-keap`.

The README lists them; a scheduler may act on them.
"""

from __future__ import annotations

from typing import Final

OK: Final = 0
"""ChartMogul holds what the records ask for; what waits for its day is kept."""

UNEXPECTED: Final = 1
"""A defect, or input that is no Singer stream: look at the log."""

CONFIGURATION: Final = 2
"""Wrong settings or command line: nothing was read or written."""

CREDENTIALS: Final = 3
"""ChartMogul refuses the key, or the key may not write: a person must act."""

SERVICE: Final = 4
"""ChartMogul, or the ledger's store, could not be reached, or went on failing after all retries: run again later."""

TIME_UP: Final = 6
"""`max_run_minutes` is over: run again, it goes on where it stopped."""

REJECTS: Final = 7
"""The run is complete, but records were rejected or refused: the log and the report name them."""

REFUSED: Final = 8
"""A guard (rule 1.7) or the preflight stopped the run before its first write: look, then perhaps `force: true`."""

LEDGER_IN_USE: Final = 9
"""Another run holds the ledger."""

INTERRUPTED: Final = 130
"""SIGINT."""

TERMINATED: Final = 143
"""SIGTERM."""
