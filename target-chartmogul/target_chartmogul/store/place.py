"""Where the store lies between runs: a local file, an object behind a URL such as `s3://…`, or nowhere (rule 1.6)."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from target_chartmogul.failures import ConfigurationError
from target_chartmogul.store.errors import (
    NO_LOCKS,
    WITHOUT_LOCKS,
    LockLostError,
    StoreDamagedError,
    StoreError,
    StoreInUseError,
    store_errors,
)
from target_chartmogul.store.file import check_whose
from target_chartmogul.store.meta import STALE, WRITER
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.remote import RemoteFile
from target_chartmogul.store.store import Store

_WRITER: Final = ".writer"
"""Ending of what lies beside a store and names the run that wrote to ChartMogul last."""


class StorePlace:
    """Opens the store of a run and brings it home. Whoever opens it holds a lock until it is closed.

    Args:
        location: `store_path`: a local path, a URL, or None for a store that does not last.
        source: whose records it holds.
        dry_run: all that is written is taken back, and nothing is created (rule 1.9).
        read_only: no lock, no writes: a run may write beside it (rule 7.4).
    """

    def __init__(
        self, location: str | None, source: SourceNodes, *, dry_run: bool = False, read_only: bool = False
    ) -> None:
        self.lasting = location is not None
        self._location = location
        self._source = source
        self._dry_run = dry_run
        self._read_only = read_only
        self._remote = RemoteFile(location) if location is not None and "://" in location else None
        self._home = Path(location).expanduser() if location is not None and self._remote is None else None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._lock: FileLock | None = None
        self._locked = False
        self.store: Store | None = None

    @property
    def folder(self) -> Path | None:
        """Folder of a local store: what else the processes of one account share lies beside it."""
        return None if self._home is None else self._home.parent

    def open(self) -> Store:
        """Lock and open.

        Raises:
            ConfigurationError: something else lies there, or a store of a newer version, or, read-only, nothing.
            StoreInUseError: another run holds it.
            StoreDamagedError: it is to be set aside; the lock is kept until `close`.
            StoreError: it cannot be read or written.
        """
        try:
            with store_errors():
                self.store = Store(self._local_path(), self._source, read_only=self._read_only, rehearsal=self._dry_run)
        except StoreDamagedError:
            raise
        except OSError as error:
            self.close()
            raise StoreError(f"store_path: {error.strerror or type(error).__name__}") from None
        except BaseException:
            self.close()
            raise
        if not self._read_only:
            self._compare_writers(self.store)
        return self.store

    def _compare_writers(self, store: Store) -> None:
        """A copy from before the run that wrote last does not know what that run made of ChartMogul (rule 1.2)."""
        known = self._last_writer()
        if known is not None and known != store.meta.get(WRITER):
            store.meta.put(STALE, "1")
            store.meta.put(WRITER, known)

    def set_aside(self) -> str:
        """Move a damaged store out of the way, so that `open` begins a new one; its new name."""
        if self.store is not None:
            with contextlib.suppress(sqlite3.Error):
                self.store.close()
            self.store = None
        if self._dry_run or self._read_only:
            return "as it is, since nothing is written"
        if self._remote is not None:
            return self._remote.set_aside()
        if self._home is None:
            return "nowhere, as it does not last"
        aside = self._home.with_name(f"{self._home.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        self._home.replace(aside)
        for ending in ("-wal", "-shm"):
            self._home.with_name(self._home.name + ending).unlink(missing_ok=True)
        return aside.name

    def save(self, *, unfinished: bool | None = None) -> None:
        """Bring home what is in the store: before a STATE goes out, before ChartMogul is written to, and at the end.

        Args:
            unfinished: True: ChartMogul is written to after this, which a copy elsewhere does not follow; if this run
                does not come to its end, the next one finds `Store.unfinished`. False: it has come to its end. None:
                what an earlier run left stays.

        Raises:
            LockLostError: another run has taken the lock; nothing was written.
            StoreError: it could not be written.
        """
        if self.store is None or self._dry_run or self._read_only:
            return
        with store_errors():
            if self._remote is None:
                self.store.commit()
                return
            if unfinished is not None:
                self.store.set_unfinished(unfinished=unfinished)
            self.store.commit()
            if not self.store.changed:
                return
            self.store.checkpoint()
        self._remote.upload(self.store.path)
        self.store.as_saved()

    def begin_writing(self) -> None:
        """Bring home the store, and say beside it that this run wrote to ChartMogul last, before it does.

        Raises:
            LockLostError: another run has taken the lock; nothing was written.
            StoreError: it could not be written.
        """
        if self.store is None or self._dry_run or self._read_only:
            return
        token = uuid.uuid4().hex
        self.store.meta.put(WRITER, token)
        self.save(unfinished=True)
        if self._remote is not None:
            self._remote.write_beside(_WRITER, token.encode())
        elif self._home is not None:
            with store_errors(), open(self._writer_path(self._home), "wb", opener=_for_its_owner) as file:
                file.write(token.encode())

    def still_mine(self) -> bool:
        """Whether this run holds the lock: to be asked before each write to ChartMogul."""
        return self._remote is None or not self._locked or self._remote.still_mine()

    def check_mine(self) -> None:
        """Raises LockLostError unless `still_mine`."""
        if not self.still_mine():
            raise LockLostError("another run has taken the store's lock; this one writes nothing more")

    def close(self) -> None:
        """Close and unlock; what was not saved of a remote store is lost."""
        if self.store is not None:
            with contextlib.suppress(sqlite3.Error):
                self.store.close()
            self.store = None
        if self._remote is not None:
            self._remote.unlock()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._locked = False
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _last_writer(self) -> str | None:
        """The run that wrote to ChartMogul last, from whatever copy of this store; None if nothing says so."""
        found = None
        if self._remote is not None:
            found = self._remote.read_beside(_WRITER)
        elif self._home is not None:
            with contextlib.suppress(FileNotFoundError):
                found = self._writer_path(self._home).read_bytes()
        return found.decode("ascii", "replace") if found else None

    @staticmethod
    def _writer_path(home: Path) -> Path:
        return home.with_name(home.name + _WRITER)

    def _local_path(self) -> Path:
        """The file to open, locked, or fetched where it has to be."""
        if self._remote is not None:
            if not self._locked and not self._read_only and not self._dry_run:
                self._remote.lock()
                self._locked = True
            path = self._scratch_file()
            if not self._remote.download(path) and self._read_only:
                raise ConfigurationError("store_path: there is no store yet; run the pipeline first")
            check_whose(path, self._location)
            return path
        if self._home is None:
            return self._scratch_file()
        there = check_whose(self._home)
        if self._read_only and not there:
            raise ConfigurationError(f"store_path: there is no store at {self._home} yet; run the pipeline first")
        if self._dry_run and not there:
            return self._scratch_file()
        if not self._read_only:
            self._acquire(self._home)
        return self._home

    def _acquire(self, home: Path) -> None:
        if self._lock is not None:
            return
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{home}.lock", mode=0o600, fallback_to_soft=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreInUseError(f"another run holds the store ({home.name}); wait for its end") from None
        except NotImplementedError:  # filelock's word for a file system without locks
            raise StoreError(NO_LOCKS) from None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
            raise StoreError(NO_LOCKS) from None
        self._lock = lock

    def _scratch_file(self) -> Path:
        if self._scratch is not None:
            self._scratch.cleanup()
        self._scratch = tempfile.TemporaryDirectory(prefix="target-chartmogul-")
        return Path(self._scratch.name) / "store.sqlite"


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
