"""A Keap that answers what a test says, for what no emulator should do by itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]


class ScriptedKeap:
    """Its address, and what it was asked."""

    def __init__(self, address: str) -> None:
        self.api_url = f"{address}/crm/rest"
        self.token_url = f"{address}/token"
        self.asked: list[str] = []

    def config(self, **settings: Any) -> dict[str, Any]:
        return {"api_key": "KeapAK-0000-invented", "api_url": self.api_url, "requests_per_minute": 100_000, **settings}


@contextmanager
def scripted(answer: Callable[[str], Reply]) -> Iterator[ScriptedKeap]:
    """Serve `answer(path with query)`: status and a JSON body or bytes, perhaps with headers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            keap.asked.append(self.path)
            status, body, *more = answer(self.path)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        keap = ScriptedKeap(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield keap
        server.shutdown()
