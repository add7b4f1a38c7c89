"""Connections whose answers end: `requests` bounds the time between two bytes, but not that of a whole answer."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, ReadTimeoutError

from target_chartmogul.chartmogul.errors import ChartMogulError, NoMoreFilesError, UnansweredError, UnreachableError


class BoundedAdapter(HTTPAdapter):
    """An adapter for which an answer must be complete so many seconds after its request was sent."""

    def __init__(self, answer_timeout: float, **options: Any) -> None:
        self._answer_timeout = answer_timeout
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Called by `HTTPAdapter.__init__`."""
        super().init_poolmanager(*args, **options)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Called for each proxy."""
        manager = super().proxy_manager_for(*args, **options)
        self._bound(manager)
        return manager

    def _bound(self, manager: Any) -> None:
        seconds = self._answer_timeout

        def response(sock: socket.socket, *args: Any, **options: Any) -> http.client.HTTPResponse:
            return http.client.HTTPResponse(_BoundedSocket(sock, seconds), *args, **options)  # type: ignore[arg-type]

        def pool(base: Any) -> type:
            connection = type("BoundedConnection", (base.ConnectionCls,), {"response_class": staticmethod(response)})
            return type("BoundedPool", (base,), {"ConnectionCls": connection})

        manager.pool_classes_by_scheme = {"http": pool(HTTPConnectionPool), "https": pool(HTTPSConnectionPool)}


class _BoundedSocket:
    """As much of a socket as an answer needs."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._socket = sock
        self._seconds = seconds

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client` reads the answer from."""
        assert mode == "rb"  # noqa: S101  http.client asks for nothing else
        return io.BufferedReader(_BoundedReader(self._socket, self._seconds))


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._socket = sock
        self._file = sock.makefile("rb", buffering=0)
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        between_bytes = self._socket.gettimeout()
        if between_bytes is None or left < between_bytes:
            self._socket.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def trouble(error: requests.RequestException, host: str) -> ChartMogulError:
    """What it means that no whole answer came: worth another try (`UnansweredError`), or not (`UnreachableError`)."""
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return UnreachableError("api_url is not a usable address")
    if isinstance(error, requests.exceptions.SSLError):
        return UnreachableError(f"no trusted TLS connection to {host}: its certificate could not be verified")
    if isinstance(error, requests.exceptions.ProxyError):
        return UnansweredError("the proxy did not connect", handled=False)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return UnansweredError("no connection in time", handled=False)
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return UnansweredError("the answer's compression is broken", handled=None)
    causes = _causes(error)
    if isinstance(error, requests.exceptions.Timeout) or any(isinstance(each, ReadTimeoutError) for each in causes):
        return UnansweredError("no complete answer in time", handled=None)
    if any(isinstance(cause, (NameResolutionError, socket.gaierror)) for cause in causes):
        return UnansweredError("the host name is not known", handled=False)
    if any(isinstance(cause, OSError) and cause.errno in {errno.EMFILE, errno.ENFILE} for cause in causes):
        return NoMoreFilesError("this machine allows this program no more open files: raise the limit (`ulimit -n`)")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return UnansweredError("the connection was refused", handled=False)
    return UnansweredError("the connection broke", handled=None)


def _causes(error: BaseException) -> list[BaseException]:
    """The exceptions behind one of requests', which keeps urllib3's as an argument."""
    found: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        item = todo.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            todo += [*item.args, item.__cause__, item.__context__, getattr(item, "reason", None)]
    return found
