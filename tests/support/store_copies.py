"""Copies of a store, as a backup takes them, and putting one back: beside a file, or in a bucket."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

Copy = dict[str, bytes]
"""File name -> content. Empty: there is no store."""


class StoreCopies(Protocol):
    """A place that a store lies in."""

    path: str

    def take(self) -> Copy:
        """What lies there."""

    def put(self, copy: Copy) -> None:
        """Have only this lie there, not locked."""


class LocalCopies:
    """A file in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = str(folder / "store.sqlite")

    def take(self) -> Copy:
        """With what SQLite keeps beside it where a run was killed."""
        return {path.name: path.read_bytes() for path in self._files()}

    def put(self, copy: Copy) -> None:
        for path in self._files():
            path.unlink()
        for name, content in copy.items():
            (self._folder / name).write_bytes(content)

    def _files(self) -> list[Path]:
        return [path for path in self._folder.glob("store.sqlite*") if path.suffix not in {".lock", ".writer"}]


class BucketCopies:
    """An object in a bucket."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self.path = f"s3://{bucket}/{key}"

    def take(self) -> Copy:
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._key).get("Contents", ())
        return {
            each["Key"]: self._client.get_object(Bucket=self._bucket, Key=each["Key"])["Body"].read()
            for each in found
            if each["Key"] == self._key
        }

    def put(self, copy: Copy) -> None:
        """The lock of a run that was killed would end by itself after minutes."""
        for key in (self._key, f"{self._key}.lock"):
            self._client.delete_object(Bucket=self._bucket, Key=key)
        for key, content in copy.items():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)


class UploadKiller:
    """Wraps an S3 service: kills a process within one of its uploads of an object.

    The service either never gets the object, or has it while the process never hears so.
    """

    def __init__(self, service: Callable[..., Iterable[bytes]], key: str) -> None:
        self._service = service
        self._key = key
        self._left = 0
        self._lands = False
        self._pid: Callable[[], int] = os.getpid
        self.killed = False

    def arm(self, number: int, *, lands: bool, pid: Callable[[], int]) -> None:
        """Kill in the upload of this number, from 1 on; 0: never."""
        self._left, self._lands, self._pid, self.killed = number, lands, pid, False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self._left and environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(self._key):
            self._left -= 1
            if not self._left:
                return self._kill(environ, start_response)
        return self._service(environ, start_response)

    def _kill(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = b"".join(self._service(environ, start_response)) if self._lands else b""
        os.kill(self._pid(), signal.SIGKILL)
        self.killed = True
        if not self._lands:
            start_response("503 Service Unavailable", [])
        return [answer]
