"""A ledger behind a URL, such as `s3://bucket/ledger.sqlite`: fetched at the beginning of a run, put back at its end.

A lock object beside it keeps others out. It says until when it holds and is renewed while the run lives, so that a run
that was killed does not block the next one for longer than `LOCK_SECONDS`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from target_chartmogul.failures import LedgerError, LedgerInUseError

logger = logging.getLogger("target-chartmogul")

LOCK_SECONDS: Final = 300
RENEW_SECONDS: Final = 60


class _Lock(msgspec.Struct, frozen=True):
    """What stands in the lock object."""

    token: str
    until: datetime


class RemoteLedger:
    """One file in a store that fsspec knows.

    Args:
        url: with its scheme.

    Raises:
        LedgerError: nothing is installed for such URLs.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415  only remote ledgers need it

        try:
            self._files, self._path = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise LedgerError(f"ledger_path: {error}") from None
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        self._renewing: threading.Thread | None = None

    def lock(self) -> None:
        """Keep others out until `unlock`.

        Raises:
            LedgerInUseError: another run holds it.
            LedgerError: the store does not answer.
        """
        with _store_errors("locked"):
            if not self._create_lock():
                held = self._read_lock()
                if held is not None and held.until > datetime.now(UTC):
                    raise LedgerInUseError(
                        "another run holds the ledger, or was killed while it did; its lock ends at "
                        f"{held.until:%Y-%m-%d %H:%M:%S} UTC unless it is renewed"
                    )
                self._write_lock()
                held = self._read_lock()
                if held is None or held.token != self._token:
                    raise LedgerInUseError("another run has just taken the ledger")
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self._renewing.start()

    def unlock(self) -> None:
        """Let others in."""
        if self._renewing is None:
            return
        self._released.set()
        self._renewing.join()
        self._renewing = None
        with contextlib.suppress(Exception):
            self._files.rm_file(self._lock_path)

    def download(self, path: Path) -> None:
        """Fetch the ledger, if there is one.

        Raises:
            LedgerError: the store does not answer.
        """
        with _store_errors("read"):
            self._files.invalidate_cache()
            if self._files.exists(self._path):
                self._files.get_file(self._path, str(path))

    def upload(self, path: Path) -> None:
        """Replace the ledger.

        Raises:
            LedgerError: the store does not take it.
        """
        with _store_errors("written"):
            self._files.put_file(str(path), self._path)

    @property
    def _lock_path(self) -> str:
        return f"{self._path}.lock"

    def _lock_content(self) -> bytes:
        return msgspec.json.encode(_Lock(self._token, datetime.now(UTC) + timedelta(seconds=LOCK_SECONDS)))

    def _create_lock(self) -> bool:
        """Write the lock unless there is one; whether it was written. Stores that can do both in one step do."""
        try:
            self._files.pipe_file(self._lock_path, self._lock_content(), mode="create")
        except FileExistsError:
            return False
        return True

    def _write_lock(self) -> None:
        self._files.pipe_file(self._lock_path, self._lock_content())

    def _read_lock(self) -> _Lock | None:
        """The lock as it stands there, None if it is gone or no lock of ours."""
        self._files.invalidate_cache()
        try:
            return msgspec.json.decode(self._files.cat_file(self._lock_path), type=_Lock)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _renew(self) -> None:
        while not self._released.wait(RENEW_SECONDS):
            try:
                self._write_lock()
            except Exception as error:  # noqa: BLE001  whatever the library of the store raises
                logger.warning("The lock of the ledger could not be renewed (%s)", type(error).__name__)


@contextlib.contextmanager
def _store_errors(what: str) -> Iterator[Any]:
    try:
        yield
    except LedgerInUseError:
        raise
    except Exception as error:  # noqa: BLE001  whatever the library of the store raises: its text may hold an address
        raise LedgerError(f"the ledger's store could not be {what} ({type(error).__name__})") from None
