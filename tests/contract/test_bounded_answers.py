"""An answer has an end in time, however it is stretched: over real sockets, since the network is the subject."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest

from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.errors import LostAnswerError, UnreachableError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WAYS = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (HEAD + b"X-Long: ", b"x"),
    "more headers": (HEAD, b"X-More: 1\r\n"),
    "chunk size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "body without an end": (HEAD + b"\r\n", b" "),
}


@pytest.fixture
def stretched():
    """A server that sends the begin of an answer at once and then, every 50 ms, the rest of it for ever."""
    served = {"begin": b"", "rest": b"", "requests": 0}
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        with connection, suppress(OSError):
            connection.recv(65536)
            served["requests"] += 1
            connection.sendall(served["begin"])
            while not stop.wait(0.05):
                connection.sendall(served["rest"])

    def serve():
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    served["url"] = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    yield served
    stop.set()
    listener.close()


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_that_is_stretched_has_an_end(stretched, way, monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda _: 0.001)
    monkeypatch.setattr("target_chartmogul.chartmogul.client.FIRST_TRIES", 2)
    monkeypatch.setattr("target_chartmogul.chartmogul.client.TRIES", 2)
    stretched["begin"], stretched["rest"] = WAYS[way]
    client = ChartMogulClient("key", stretched["url"], read_timeout=0.3)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no complete answer in time|the connection broke"):
        client.get("/ping")
    assert time.monotonic() - begun < 4
    assert stretched["requests"] == 2
    with pytest.raises(LostAnswerError):
        client.post("/customers", {})
    client.close()
