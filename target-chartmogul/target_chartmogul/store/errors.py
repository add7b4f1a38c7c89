"""What can go wrong with the store, as errors that end a run with one line."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from typing import Final

from target_chartmogul import exit_codes
from target_chartmogul.failures import TargetChartMogulError

NO_LOCKS: Final = (
    "the file system has no locks: set `store_path` to a local disk or to an address such as s3://bucket/store.sqlite, "
    "and `TMPDIR` to a local disk"
)
WITHOUT_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
_LOCKING: Final = frozenset(
    {
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_UNLOCK,
        sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
        sqlite3.SQLITE_IOERR_SHMLOCK,
    }
)
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StoreError(TargetChartMogulError):
    """The store cannot be read or written: disk full, no permission, no answer."""

    exit_code = exit_codes.SERVICE


class StoreInUseError(TargetChartMogulError):
    """Another run holds the store."""

    exit_code = exit_codes.STORE_IN_USE


class LockLostError(TargetChartMogulError):
    """Another run has taken the lock of a remote store: this one writes nothing more."""

    exit_code = exit_codes.STORE_IN_USE


class StoreDamagedError(TargetChartMogulError):
    """A store of ours cannot be read: it is set aside, and Keap is read from the beginning."""

    exit_code = exit_codes.READ_AGAIN


@contextlib.contextmanager
def store_errors() -> Iterator[None]:
    """Turns SQLite's errors into those above; their text names no content.

    Raises:
        StoreDamagedError: the file is malformed.
        StoreError: anything else, such as a full disk.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _DAMAGED:
            raise StoreDamagedError("the store is damaged") from error
        if code in _LOCKING:
            raise StoreError(NO_LOCKS) from error
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"the store cannot be read or written: {error}") from error
        raise
