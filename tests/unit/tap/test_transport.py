"""Why no connection came about, in plain words."""

from __future__ import annotations

import socket
import ssl

import pytest
import requests

from tap_keap.transport import CONNECT_TIMEOUT, UnusableAnswerError, cause_of, is_slow


def chained(cause: BaseException) -> Exception:
    error = requests.ConnectionError("HTTPSConnectionPool(host='secret.example'): Max retries exceeded")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name cannot be resolved"),
        (ConnectionRefusedError(111, "Connection refused"), "the connection was refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "the connection was reset"),
        (ssl.SSLCertVerificationError("self-signed"), "its certificate or TLS connection is not valid"),
        (TimeoutError(), f"no connection within {CONNECT_TIMEOUT:g} s"),
        (OSError(24, "Too many open files"), "too many open files"),
        (OSError(101, "Network is unreachable"), "network is unreachable"),
        (KeyError("x"), "ConnectionError"),
    ],
)
def test_the_cause_is_named_without_the_address(error: BaseException, words: str) -> None:
    assert cause_of(chained(error)) == words


def test_what_a_smaller_page_may_help() -> None:
    assert is_slow(requests.ReadTimeout())
    assert is_slow(UnusableAnswerError("an answer of more than 64 MB"))
    assert not is_slow(requests.ConnectTimeout())
    assert not is_slow(requests.ConnectionError())
