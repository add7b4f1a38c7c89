"""One HTTP request at a time: what may go in, what comes back, and in plain words why nothing did."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
import urllib3
from requests.auth import AuthBase

CONNECT_TIMEOUT = 4.0
"""Seconds for each address of a host; three that do not answer are still named within 15 seconds."""
LARGEST_ANSWER = 64 << 20
"""Bytes of an answer, unpacked. A page of 1,000 contacts with all fields has about 2 MB."""
_CHUNK = 1 << 16


class OwnHeaders(AuthBase):
    """Keeps the headers as they are: without it, requests replaces Authorization by what ~/.netrc has for the host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request, unchanged."""
        return request


@dataclass(frozen=True)
class Answer:
    """Status, headers and unpacked body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnusableAnswerError(Exception):
    """An answer that is too large or came too slowly."""


FAILURES = (UnusableAnswerError, requests.RequestException, urllib3.exceptions.HTTPError)
"""What `get` raises."""


def get(session: requests.Session, url: str, headers: Mapping[str, str], timeout: float) -> Answer:
    """The answer to a GET, within bounds of time and size; redirects are not followed.

    Args:
        session: Of this thread.
        url: With query.
        headers: All of them.
        timeout: Seconds to wait for the beginning of the answer, and for the whole of it.

    Raises:
        requests.RequestException, urllib3.exceptions.HTTPError: no answer, or a broken one.
        UnusableAnswerError: it is too large, or its end did not come in time.
    """
    deadline = time.monotonic() + timeout
    with session.get(
        url,
        headers=dict(headers),
        auth=OwnHeaders(),
        timeout=(min(CONNECT_TIMEOUT, timeout), timeout),
        allow_redirects=False,
        stream=True,
    ) as response:
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):  # what is there, without waiting for more
            body += chunk
            if len(body) > LARGEST_ANSWER:
                response.close()
                raise UnusableAnswerError(f"an answer of more than {LARGEST_ANSWER >> 20} MB")
            if time.monotonic() > deadline:
                response.close()
                raise UnusableAnswerError(f"an answer that was not complete after {timeout:g} s")
        return Answer(response.status_code, response.headers, bytes(body))


def is_slow(error: Exception) -> bool:
    """Whether an error means that the answer took too long, so that a smaller page may help."""
    if isinstance(error, requests.ConnectTimeout):
        return False
    return isinstance(error, (UnusableAnswerError, requests.Timeout, urllib3.exceptions.ReadTimeoutError))


_CAUSES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((urllib3.exceptions.NameResolutionError, socket.gaierror), "its name cannot be resolved"),
    ((ssl.SSLError, requests.exceptions.SSLError), "its certificate or TLS connection is not valid"),
    ((urllib3.exceptions.ProxyError, requests.exceptions.ProxyError), "the proxy does not let the connection through"),
    ((ConnectionRefusedError,), "the connection was refused"),
    ((ConnectionResetError,), "the connection was reset"),
    ((TimeoutError, requests.ConnectTimeout), f"no connection within {CONNECT_TIMEOUT:g} s"),
)


def cause_of(error: BaseException) -> str:
    """Why no connection came about, in plain words and without the address."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and len(seen) < 20:
        seen.append(current)
        inner = (getattr(current, "reason", None), *current.args[:1], current.__cause__, current.__context__)
        current = next((each for each in inner if isinstance(each, BaseException)), None)
    for kinds, words in _CAUSES:
        if any(isinstance(each, kinds) for each in seen):
            return words
    numbered = next((each for each in seen if isinstance(each, OSError) and each.strerror), None)
    return numbered.strerror.lower() if numbered and numbered.strerror else type(error).__name__
