"""Where the rotating OAuth tokens are kept: a local file, or an object such as `s3://bucket/keap.json`.

Each refresh token of Keap works once. So the pair is written durably and as a whole, readable by its owner only, and
whoever rotates it holds a lock that other processes (and, with an object store, other machines) respect.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tap_keap.errors import ConfigurationError, ServiceError
from tap_keap.instants import format_instant, parse_instant

LOCK_WAIT = 150.0
"""Seconds to wait for another process's rotation."""

ROOM = 16 << 10
"""Bytes reserved for a pair; tokens of Keap have about 30 characters each."""

LEASE = timedelta(seconds=120)
"""A lock object older than this belongs to a machine that died; a rotation takes less than that."""


@dataclass(frozen=True)
class TokenPair:
    """One pair as Keap gave it.

    Attributes:
        access_token: For requests.
        refresh_token: For the next rotation; works once.
        expires_at: UTC instant, as text, after which the access token is refused.
        seed: Digest of the `refresh_token` setting that was in force, to notice when the user sets a new one.
    """

    access_token: str
    refresh_token: str
    expires_at: str
    seed: str | None = None

    def expires_within(self, margin: timedelta) -> bool:
        """Whether the access token is about to expire."""
        return datetime.now(UTC) + margin >= parse_instant(self.expires_at)


class LocalTokenStore:
    """Tokens in a local file.

    Args:
        path: Of the file; its directory must exist or be creatable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> TokenPair | None:
        """The stored pair; None if there is none.

        Raises:
            ConfigurationError: if the file is not a token file.
        """
        try:
            return _decode(self._path.read_bytes(), "token_path")
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def room(self) -> Iterator[Callable[[TokenPair], None]]:
        """Reserve the room for a pair, before Keap is asked for one; gives what stores it.

        The stored pair is replaced at once and durably, mode 0600.

        Raises:
            OSError: if there is no room, or no right to write.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"\0" * ROOM)
                file.flush()
                os.fsync(file.fileno())

                def save(pair: TokenPair) -> None:
                    file.seek(0)
                    file.write(_encode(pair))
                    file.truncate()
                    file.flush()
                    os.fsync(file.fileno())
                    temporary.replace(self._path)

                yield save
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held by one process at a time; the system frees it when its holder dies.

        Raises:
            ServiceError: if another process holds it for too long.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 - runs with a key need no lock

        self._path.parent.mkdir(parents=True, exist_ok=True)
        _check_locks(Path(f"{self._path}.lock"))
        try:
            with FileLock(f"{self._path}.lock", timeout=LOCK_WAIT, mode=0o600):
                yield
        except Timeout:
            raise ServiceError("Another process has held the lock of `token_path` for too long.") from None


class ObjectTokenStore:
    """Tokens in an object store that fsspec knows, such as S3.

    Args:
        url: Such as `s3://bucket/keap.json`.

    Raises:
        ConfigurationError: if the store's package is not installed.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415

        try:
            self._store, self._path = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            scheme = url.split("://", 1)[0]
            raise ConfigurationError(
                f"Setting 'token_path': cannot open {scheme}:// ({type(error).__name__}). "
                f"Install the extra: pip install 'tap-keap[{scheme}]'."
            ) from None

    def load(self) -> TokenPair | None:
        """The stored pair; None if there is none.

        Raises:
            ConfigurationError: if the object is not a token file.
        """
        self._store.invalidate_cache()
        try:
            return _decode(self._store.cat_file(self._path), "token_path")
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def room(self) -> Iterator[Callable[[TokenPair], None]]:
        """Gives what replaces the stored pair; object stores write whole objects or nothing, and have room."""
        yield lambda pair: self._store.pipe_file(self._path, _encode(pair))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held by one process at a time: an object that only one can create.

        Raises:
            ServiceError: if another process holds it for too long.
        """
        name, owner = f"{self._path}.lock", uuid.uuid4().hex
        until = time.monotonic() + LOCK_WAIT
        while not self._take(name, owner):
            if time.monotonic() >= until:
                raise ServiceError("Another process has held the lock of `token_path` for too long.")
            time.sleep(0.5)
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                if self._holder(name).get("owner") == owner:
                    self._store.rm_file(name)

    def _take(self, name: str, owner: str) -> bool:
        lease = json.dumps({"owner": owner, "until": format_instant(datetime.now(UTC) + LEASE)}).encode()
        try:
            self._store.pipe_file(name, lease, mode="create")
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):
                held = self._holder(name)
                if "until" not in held or parse_instant(held["until"]) < datetime.now(UTC):
                    self._store.rm_file(name)
            return False
        return bool(self._holder(name).get("owner") == owner)

    def _holder(self, name: str) -> dict[str, Any]:
        self._store.invalidate_cache()
        try:
            holder: dict[str, Any] = json.loads(self._store.cat_file(name))
        except ValueError:
            return {}
        return holder


TokenStore = LocalTokenStore | ObjectTokenStore


def open_token_store(path: str) -> TokenStore:
    """The store for the setting `token_path`.

    Raises:
        ConfigurationError: if it cannot be opened.
    """
    if "://" in path:
        return ObjectTokenStore(path)
    return LocalTokenStore(Path(path).expanduser())


def _check_locks(path: Path) -> None:
    """Refuse a file system that has no locks, where two runs could rotate the same token.

    Raises:
        ConfigurationError: saying what to do.
    """
    try:
        import fcntl  # noqa: PLC0415
    except ImportError:
        return  # Windows: its locks always work
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EINTR}:
            raise ConfigurationError(
                "The file system of `token_path` has no file locks: use a path on a local disk, or an object store "
                "such as s3://bucket/keap.json."
            ) from None
    finally:
        os.close(descriptor)


def _encode(pair: TokenPair) -> bytes:
    return json.dumps(asdict(pair), indent=2).encode() + b"\n"


def _decode(body: bytes, setting: str) -> TokenPair:
    try:
        pair = TokenPair(**json.loads(body))
        parse_instant(pair.expires_at)
    except (ValueError, TypeError, RecursionError):
        raise ConfigurationError(
            f"What is stored at `{setting}` is not a token file of this tap. Move it away and log in again."
        ) from None
    return pair
