"""The pipe between the tap and this target."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

from target_chartmogul.failures import ServiceError
from target_chartmogul.machine import OutputError

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


def check_standard_streams(*, reads_input: bool) -> None:
    """See that there are a pipe to read from and one for STATE, before anything is done.

    Raises:
        ServiceError: one is closed.
    """
    if reads_input and sys.stdin is None:
        raise ServiceError("the input of this target is closed: run it behind a tap, or give it a file with `--input`")
    if sys.stdout is None:
        raise OutputError("the output of this target is closed, so that its STATE could not be passed on")
