"""The pipe between the tap and this target."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

WIDE: Final = 1024 * 1024
"""Bytes; as much as Linux gives to anyone (`/proc/sys/fs/pipe-max-size`)."""


def widen_input() -> None:
    """Let a tap write on while this target starts, asks ChartMogul and writes to disk, where the system can.

    A pipe holds 64 kB by default, less than one page of Keap's: the tap would wait instead of asking for the next.
    """
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415  other systems do not have it

        # Standard input may be a file, or closed; the system's limits may be narrower.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            fcntl.fcntl(sys.stdin.fileno(), fcntl.F_SETPIPE_SZ, WIDE)
