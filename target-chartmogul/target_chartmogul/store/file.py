"""The store's file: whose it is, its format, its connection and its transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from target_chartmogul.failures import ConfigurationError
from target_chartmogul.store.errors import StoreDamagedError, StoreError, store_errors
from target_chartmogul.store.schema import APPLICATION_ID, FORMAT, TABLES

_OLDEST_SQLITE: Final = (3, 34, 0)
"""The first with several recursive terms in one WITH (SQLite's release notes)."""
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER: Final = 100


def check_whose(path: Path, name: str | None = None) -> bool:
    """Whether there is a store at a path; False: nothing, or an empty file. It only reads.

    Args:
        path: of the file.
        name: what messages call it, if it is a copy.

    Raises:
        ConfigurationError: something else lies there, or a store of a newer version of this target.
        StoreError: it cannot be read.
    """
    name = name or str(path)
    if path.is_dir():
        raise ConfigurationError(f"store_path: {name} is a folder; name a file in it")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"store_path: {name} cannot be read: {error.strerror}") from None
    if not header:
        return False
    if len(header) < _HEADER or not header.startswith(_MAGIC) or _number(header, 68) != APPLICATION_ID:
        raise ConfigurationError(f"store_path: {name} is not a store of this target; it was left untouched")
    if (found := _number(header, 60)) > FORMAT:
        raise ConfigurationError(
            f"store_path: {name} was written by a newer version of this target (format {found}, this one reads "
            f"{FORMAT}); it was left untouched"
        )
    return True


def _number(header: bytes, offset: int) -> int:
    return int.from_bytes(header[offset : offset + 4], "big")


class StoreFile:
    """An open file; methods may be called from several threads.

    Args:
        path: created, with its tables and for its owner's eyes only, where there is nothing.
        read_only: nothing can be written, and a run may write beside it.
        rehearsal: all that is written is rolled back by `close`.

    Raises:
        ConfigurationError, StoreDamagedError, StoreError: see `check_whose`.
    """

    def __init__(self, path: Path, *, read_only: bool = False, rehearsal: bool = False) -> None:
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ConfigurationError(
                f"this Python comes with SQLite {sqlite3.sqlite_version}; the store needs 3.34 or newer"
            )
        self.path = path
        self.lock = threading.RLock()
        self._rehearsal = rehearsal
        self._loading = False
        if not check_whose(path):
            _create(path)
        with store_errors():
            self.database = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=30, cached_statements=256
            )
            try:
                self.database.executescript(
                    "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON; PRAGMA cache_size=-64000;"
                )
                self.database.execute("SELECT count(*) FROM meta").fetchone()
                if read_only:
                    self.database.execute("PRAGMA query_only=ON")
                if rehearsal:
                    self.database.execute("BEGIN")
            except BaseException:
                self.database.close()
                raise
        self._written_before = self.database.total_changes

    @property
    def changed(self) -> bool:
        """Whether anything was written since it was opened, or since `as_saved`."""
        return self.database.total_changes != self._written_before

    def as_saved(self) -> None:
        """What was written until now was taken elsewhere."""
        self._written_before = self.database.total_changes

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        """All rows of a query."""
        with self.lock:
            return self.database.execute(query, tuple(values)).fetchall()

    def row(self, query: str, values: Iterable[Any] = ()) -> Any:
        """The first row of a query, None if it has none."""
        with self.lock:
            return self.database.execute(query, tuple(values)).fetchone()

    def begin_loading(self) -> None:
        """What follows is kept by the next `commit`, without a transaction per write."""
        with self.lock:
            if not self.database.in_transaction:
                self.database.execute("BEGIN")
                self._loading = True

    def commit(self) -> None:
        """Keep what was loaded."""
        with self.lock:
            if self._loading:
                self.database.execute("COMMIT")
                self._loading = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several writes as one, or none of them on any error; one within another is part of that."""
        with self.lock:
            self.commit()
            if self.database.in_transaction:
                yield
                return
            self.database.execute("BEGIN")
            try:
                yield
                self.database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.OperationalError):  # where the disk is full, SQLite has rolled back itself
                    self.database.execute("ROLLBACK")
                raise

    def checkpoint(self) -> None:
        """Everything into the one file, so that it can be copied."""
        with self.lock:
            self.commit()
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy_to(self, path: Path) -> None:
        """Write a copy as of this moment, for its owner's eyes only."""
        path.touch(mode=0o600)
        with self.lock, store_errors():
            target = sqlite3.connect(path)
            try:
                self.database.backup(target)
            finally:
                target.close()

    def check(self) -> None:
        """Read the whole file.

        Raises:
            StoreDamagedError: it is not whole.
        """
        with self.lock, store_errors():
            if self.database.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                raise StoreDamagedError("the store is damaged")

    def scrub(self) -> None:
        """Write the file anew, so that nothing deleted is left in it."""
        with self.lock:
            self.commit()
            if not self._rehearsal:
                self.database.execute("VACUUM")
                self.checkpoint()

    def close(self) -> None:
        """Take back what was loaded and not committed, and all that a rehearsal wrote."""
        with self.lock:
            if self.database.in_transaction:
                with suppress(sqlite3.Error):
                    self.database.execute("ROLLBACK")
            self.database.close()


def _create(path: Path) -> None:
    """A new store beside the path, then put there as a whole: no crash leaves half a store."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    try:
        draft.touch(mode=0o600)
        database = sqlite3.connect(draft, isolation_level=None)
        try:
            database.executescript(
                f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; PRAGMA page_size=4096;"
                f"BEGIN; {TABLES} COMMIT; PRAGMA journal_mode=WAL;"
            )
        finally:
            database.close()
        draft.replace(path)
    except (OSError, sqlite3.Error) as error:
        draft.unlink(missing_ok=True)
        raise StoreError(f"store_path: {path} cannot be created: {error}") from None
