"""A store behind a URL, such as `s3://bucket/store.gz`: fetched at the beginning of a run, put back as it changed.

A lock object beside it keeps others out. It says until when it holds and is renewed while the run lives, so that a run
that was killed does not block the next one for longer than `LOCK_SECONDS`.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import shutil
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from target_chartmogul.failures import ConfigurationError, TargetChartMogulError
from target_chartmogul.store.errors import LockLostError, StoreDamagedError, StoreError, StoreInUseError

logger = logging.getLogger("target-chartmogul")

LOCK_SECONDS: Final = 300
RENEW_SECONDS: Final = 60
SETTLE_SECONDS: Final = 2
"""Two runs that find the same lock expired both write their own; after this, the later one has it."""
_GZIP: Final = b"\x1f\x8b"
_CHUNK: Final = 1 << 20


class _Lock(msgspec.Struct, frozen=True):
    """What is in the lock object."""

    token: str
    until: datetime


class RemoteFile:
    """One file in a service that fsspec knows.

    Args:
        url: with its scheme.

    Raises:
        ConfigurationError: nothing is installed for such URLs.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415  only remote stores need it

        try:
            self._files, self._path = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"store_path: {error}") from None
        self._token = uuid.uuid4().hex
        self._until = datetime.min.replace(tzinfo=UTC)
        self._lost = False
        self._released = threading.Event()
        self._renewing: threading.Thread | None = None

    def lock(self) -> None:
        """Keep others out until `unlock`.

        Raises:
            StoreInUseError: another run holds it.
            StoreError: the service does not answer.
        """
        with _service_errors("locked"):
            if not self._create_lock():
                held = self._read_lock()
                if held is not None and held.until > datetime.now(UTC):
                    raise StoreInUseError(
                        "another run holds the store, or was killed while it did; its lock ends at "
                        f"{held.until:%Y-%m-%d %H:%M:%S} UTC unless it is renewed"
                    )
                self._write_lock()
                time.sleep(SETTLE_SECONDS)
                if not self._holds_lock():
                    raise StoreInUseError("another run has just taken the store; run again when it has ended")
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self._renewing.start()

    def still_mine(self) -> bool:
        """Whether the lock is this run's, as of its last renewal: a run that lost it writes nothing more."""
        return not self._lost and datetime.now(UTC) < self._until

    def unlock(self) -> None:
        """Let others in."""
        if self._renewing is None:
            return
        self._released.set()
        self._renewing.join()
        self._renewing = None
        with contextlib.suppress(Exception):
            if self._holds_lock():
                self._files.rm_file(self._lock_path)

    def download(self, path: Path) -> bool:
        """Fetch the store; whether there was one.

        Raises:
            ConfigurationError: something else lies there.
            StoreDamagedError: it was cut off or changed.
            StoreError: the service does not answer.
        """
        packed = path.with_name(f"{path.name}.gz")
        with _service_errors("read"):
            self._files.invalidate_cache()
            if not self._files.exists(self._path):
                return False
            self._files.get_file(self._path, str(packed))
        try:
            with packed.open("rb") as file:
                if file.read(2) != _GZIP:
                    raise ConfigurationError(
                        f"store_path: {self._path} is not a store of this target; it was left untouched"
                    )
            path.touch(mode=0o600)
            with gzip.open(packed) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise StoreDamagedError("the store is damaged: it cannot be unpacked") from None
        finally:
            packed.unlink(missing_ok=True)
        return True

    def upload(self, path: Path) -> None:
        """Replace the store.

        Raises:
            LockLostError: another run has taken the lock; nothing was written.
            StoreError: the service does not take it.
        """
        packed = path.with_name(f"{path.name}.gz")
        try:
            packed.touch(mode=0o600)
            with (
                path.open("rb") as source,
                packed.open("wb") as file,
                gzip.GzipFile("", "wb", 1, file, mtime=0) as target,
            ):
                shutil.copyfileobj(source, target, _CHUNK)
            with _service_errors("written"):
                if self._lost or not self._holds_lock():
                    self._lost = True
                    raise LockLostError("another run has taken the store's lock; this one ends without writing to it")
                self._files.put_file(str(packed), self._path)
        finally:
            packed.unlink(missing_ok=True)

    def read_beside(self, ending: str) -> bytes | None:
        """A small object beside the store, None if there is none.

        Raises:
            StoreError: the service does not answer.
        """
        with _service_errors("read"):
            self._files.invalidate_cache()
            try:
                found: bytes = self._files.cat_file(self._path + ending)
            except FileNotFoundError:
                return None
        return found

    def write_beside(self, ending: str, content: bytes) -> None:
        """Replace a small object beside the store.

        Raises:
            StoreError: the service does not take it.
        """
        with _service_errors("written"):
            self._files.pipe_file(self._path + ending, content)

    def set_aside(self) -> str:
        """Move a damaged store out of the way; its new name."""
        aside = f"{self._path}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        with _service_errors("moved"):
            self._files.invalidate_cache()
            if self._files.exists(self._path):
                self._files.mv(self._path, aside)
        return aside.rpartition("/")[2]

    @property
    def _lock_path(self) -> str:
        return f"{self._path}.lock"

    def _create_lock(self) -> bool:
        """Write the lock unless there is one; whether it was written. Services that can do both in one step do."""
        content, until = self._lock_content()
        try:
            self._files.pipe_file(self._lock_path, content, mode="create")
        except FileExistsError:
            return False
        self._until = until
        return True

    def _write_lock(self) -> None:
        content, until = self._lock_content()
        self._files.pipe_file(self._lock_path, content)
        self._until = until

    def _lock_content(self) -> tuple[bytes, datetime]:
        until = datetime.now(UTC) + timedelta(seconds=LOCK_SECONDS)
        return msgspec.json.encode(_Lock(self._token, until)), until

    def _read_lock(self) -> _Lock | None:
        """The lock as it stands there, None if it is gone or not a lock."""
        self._files.invalidate_cache()
        try:
            return msgspec.json.decode(self._files.cat_file(self._lock_path), type=_Lock)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _holds_lock(self) -> bool:
        held = self._read_lock()
        return held is not None and held.token == self._token

    def _renew(self) -> None:
        while not self._released.wait(RENEW_SECONDS):
            try:
                if not self._holds_lock():
                    self._lost = True
                    logger.warning("Another run has taken the store's lock; this one writes nothing more")
                    return
                self._write_lock()
            except Exception as error:  # noqa: BLE001  whatever the library of the service raises
                logger.warning("The lock of the store could not be renewed (%s)", type(error).__name__)


@contextlib.contextmanager
def _service_errors(what: str) -> Iterator[Any]:
    try:
        yield
    except TargetChartMogulError:
        raise
    except Exception as error:  # noqa: BLE001  whatever the library of the service raises: its text may hold an address
        raise StoreError(f"store_path: the store could not be {what} ({type(error).__name__})") from None
