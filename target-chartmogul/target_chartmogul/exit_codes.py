"""Exit codes of `target-chartmogul`; numbers that both programs use mean the same as in `tap-keap`.

A scheduler may act on them. The table in the README is generated from `MEANINGS`.
"""

from __future__ import annotations

from typing import Final

OK: Final = 0
UNEXPECTED: Final = 1
CONFIGURATION: Final = 2
CREDENTIALS: Final = 3
SERVICE: Final = 4
UNFINISHED: Final = 6
REJECTS: Final = 7
REFUSED: Final = 8
STORE_IN_USE: Final = 9
READ_AGAIN: Final = 10
INTERRUPTED: Final = 130
TERMINATED: Final = 143

MEANINGS: Final[dict[int, tuple[str, str]]] = {
    OK: ("ChartMogul holds what the records ask for; what waits for its day is kept.", "Nothing."),
    UNEXPECTED: ("A defect in this program.", "Look at the log, and report it."),
    CONFIGURATION: (
        "Wrong settings, command line or input; nothing was written to ChartMogul.",
        "Correct what it names.",
    ),
    CREDENTIALS: ("ChartMogul refuses the key, or the key may not write.", "A person must give it another key."),
    SERVICE: (
        "ChartMogul, or the store, could not be reached, or kept failing after all retries.",
        "Run again later; nothing is lost.",
    ),
    UNFINISHED: (
        "Unfinished: the input was cut off, or `max_run_minutes` is over; the next run continues.",
        "Run again.",
    ),
    REJECTS: (
        "Complete, but records are rejected or refused, in this run or still from an earlier one.",
        "The log and the report name them.",
    ),
    REFUSED: (
        "A guard (rule 1.7) or the preflight stopped the run before its first write.",
        "Look at the plan, then perhaps set `force: true`.",
    ),
    STORE_IN_USE: ("Another run holds the store.", "Wait for its end."),
    READ_AGAIN: (
        "The store is new, damaged or older than the state that came: nothing was written, and the next run reads all.",
        "Run again once; `deploy/sync.sh` does.",
    ),
    INTERRUPTED: ("SIGINT: stopped cleanly.", "Run again; it continues."),
    TERMINATED: ("SIGTERM: stopped cleanly.", "Run again; it continues."),
}
"""Meaning, and what to do."""
