"""Where the ledger lies between runs: a local file, an object behind a URL such as `s3://…`, or nowhere.

Whoever opens it holds a lock until it is closed. A file that is damaged, of another format, or left behind by a run
that crashed elsewhere is kept aside or thrown away, and the ledger begins empty: the run rebuilds it (rule 1.6).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from target_chartmogul.failures import LedgerError, LedgerInUseError
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.ledger.remote import RemoteLedger

logger = logging.getLogger(__name__)


class LedgerStore:
    """Opens the ledger of a run and brings it home.

    Args:
        location: `ledger_path`: a local path, a URL, or None for a ledger that does not last.
        dry_run: work on a copy and bring nothing home (rule 1.9).
    """

    def __init__(self, location: str | None, *, dry_run: bool = False) -> None:
        self.location = location
        self.lasting = location is not None
        self._dry_run = dry_run
        self._remote = RemoteLedger(location) if location is not None and "://" in location else None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._lock: FileLock | None = None
        self.ledger: Ledger | None = None
        self.folder: Path | None = None
        """Folder of a local ledger: what else the processes of one account share lies beside it."""

    def open(self) -> Ledger:
        """Lock and open.

        Raises:
            LedgerInUseError: another run holds it.
            LedgerError: it cannot be read or written.
        """
        try:
            path = self._local_path()
            self.ledger = self._opened(path)
        except OSError as error:
            self.close()
            raise LedgerError(f"the ledger cannot be opened: {error.strerror or type(error).__name__}") from None
        except BaseException:
            self.close()
            raise
        return self.ledger

    def begin_writing(self) -> None:
        """Called before the first write to ChartMogul.

        A copy in a remote store does not follow each change; it is marked, so that the next run rebuilds it if this one
        does not come to its end.
        """
        if self._remote is not None and not self._dry_run and self.ledger is not None:
            self.ledger.put("unfinished", "1")
            self._upload()
            self.ledger.put("unfinished", None)

    def save(self) -> None:
        """Bring home what is in the ledger; to be called before the STATE goes out.

        Raises:
            LedgerError: it could not be written.
        """
        if self.ledger is None or self._dry_run:
            return
        try:
            self.ledger.checkpoint()
            if self._remote is not None:
                self._upload()
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be written: {error}") from None

    def close(self) -> None:
        """Close and unlock; what was not saved of a remote ledger is lost."""
        if self.ledger is not None:
            with contextlib.suppress(sqlite3.Error):
                self.ledger.close()
            self.ledger = None
        if self._remote is not None:
            self._remote.unlock()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _local_path(self) -> Path:
        """The file to open, fetched or copied where it has to be."""
        if self.location is None:
            return self._scratch_file()
        if self._remote is not None:
            self._remote.lock()
            path = self._scratch_file()
            self._remote.download(path)
            return path
        home = Path(self.location).expanduser()
        if self._dry_run and not home.exists():
            return self._scratch_file()
        home.parent.mkdir(parents=True, exist_ok=True)
        self.folder = home.parent
        self._lock = FileLock(f"{home}.lock", mode=0o600)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._lock = None
            raise LedgerInUseError(f"another run holds the ledger ({home.name}); wait for its end") from None
        if not self._dry_run:
            return home
        path = self._scratch_file()
        for ending in ("", "-wal"):
            source = home.with_name(home.name + ending)
            if source.exists():
                shutil.copyfile(source, path.with_name(path.name + ending))
        return path

    def _scratch_file(self) -> Path:
        self._scratch = tempfile.TemporaryDirectory(prefix="target-chartmogul-")
        return Path(self._scratch.name) / "ledger.sqlite"

    def _opened(self, path: Path) -> Ledger:
        try:
            ledger = Ledger(path)
            if ledger.get("unfinished") is None:
                return ledger
            logger.warning("The last run did not come to its end; the ledger is rebuilt from ChartMogul.")
            ledger.close()
            _remove(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "disk" in str(error):
                raise LedgerError(f"the ledger cannot be opened: {error}") from None
            aside = _set_aside(path)
            logger.warning(
                "The ledger could not be used (%s); it is kept as %s and rebuilt from ChartMogul.", error, aside.name
            )
        return Ledger(path)

    def _upload(self) -> None:
        if self.ledger is None or self._remote is None:
            return
        self.ledger.checkpoint()
        self._remote.upload(self.ledger.path)


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    path.replace(aside)
    _remove(path)
    return aside


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
