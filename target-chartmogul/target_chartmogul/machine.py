"""What a machine has no more of: descriptors, threads, room on the disk, a reader of the output."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from target_chartmogul.failures import ServiceError, TargetChartMogulError

_ADVICE = {
    errno.EMFILE: "this machine allows this program no more open files: raise the limit (`ulimit -n`)",
    errno.ENFILE: "this machine has no more open files to give: end other programs, or raise its limit",
    errno.ENOSPC: "the disk is full: make room, and run again",
    errno.EDQUOT: "the disk quota is used up: make room, and run again",
    errno.EFBIG: "a file may not grow as large as this run needs it: raise the limit (`ulimit -f`)",
    errno.ENOMEM: "this machine has no more memory to give: run again with more",
    errno.EROFS: "the file system can only be read: set `TMPDIR` and `store_path` to places that can be written",
    errno.ENOLCK: "the file system has no locks: set `store_path`, and `TMPDIR`, to a local disk",
    errno.EIO: "the disk answers with errors",
}
_NO_THREAD = "can't start new thread"


class OutputError(ServiceError):
    """Nobody takes this target's STATE."""


def lack_of_machine(error: BaseException) -> TargetChartMogulError | None:
    """What the machine lacks, in one sentence; None if the error, or what it comes from, is about something else."""
    for each in _chain(error):
        if isinstance(each, BrokenPipeError):
            return OutputError("the reader of this target's STATE is gone; its own messages say why")
        if isinstance(each, OSError) and each.errno in _ADVICE:
            return ServiceError(_ADVICE[each.errno])
        if isinstance(each, RuntimeError) and _NO_THREAD in str(each):
            return ServiceError(
                "this machine allows no more threads: raise its limit of processes (`ulimit -u`), or run fewer at once"
            )
        if isinstance(each, MemoryError):
            return ServiceError(_ADVICE[errno.ENOMEM])
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
