"""What stands before each API: its request log, its limits, and the faults that were asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import ODD, Faults
from sandbox.limits import Headers, Limits, Window
from sandbox.odd_answers import REFUSALS
from sandbox.odd_answers import Answer as OddAnswer
from sandbox.odd_pages import PLACE_PARAMETERS, PLACES
from sandbox.requestlog import Entry, RequestLog
from sandbox.server import abort_connection

_GATEWAY_HTML = (
    "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n"
    "<center><h1>504 Gateway Time-out</h1></center>\r\n</body>\r\n</html>\r\n"
)
_MAINTENANCE_HTML = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Be right back.</body></html>"
_ERRORS: dict[str, tuple[int, str]] = {
    "500": (500, "Internal Server Error"),
    "502": (502, "Bad Gateway"),
    "503": (503, "Service Unavailable"),
}

_WINDOWS: dict[str, Window] = {"429": "second", "429_minute": "minute", "429_day": "day"}


class ServiceMiddleware:
    """Wraps the ASGI application of one API.

    Args:
        app: the API itself.
        log: notes every request.
        faults: says which request fails; asked after the limits, so a failed request has used up quota.
        limits: the API's own.
        date: what the header ``Date`` says.
    """

    def __init__(
        self, app: ASGIApp, *, log: RequestLog, faults: Faults, limits: Limits, date: Callable[[], datetime]
    ) -> None:
        self.app = app
        self.log = log
        self.faults = faults
        self.limits = limits
        self.date = date
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        now = time.monotonic()
        entry = self.log.begin(now, scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        self._running += 1
        try:
            await self._handle(scope, receive, send, entry, now)
        finally:
            self._running -= 1
            self.log.end(entry, time.monotonic())

    async def _handle(self, scope: Scope, receive: Receive, send: Send, entry: Entry, now: float) -> None:
        admission = self.limits.admit(scope, self._running, now)
        answer = _Answer(send, entry, admission.headers, format_datetime(self.date(), usegmt=True))
        if admission.refusal is not None:
            await admission.refusal(scope, receive, answer)
            return
        if delay := self.faults.delay():
            await asyncio.sleep(delay)
        entry.fault = self.faults.pick(scope["method"], scope["path"], entry.query)
        match entry.fault:
            case None:
                await self.app(scope, receive, answer)
            case "429" | "429_minute" | "429_day" as kind:
                throttled = self.limits.throttled(scope, _WINDOWS[kind], now)
                answer.headers = throttled.headers
                if throttled.refusal is not None:
                    await throttled.refusal(scope, receive, answer)
            case "reset_before":
                await _cut(scope, receive)
            case "reset_after":
                await self.app(scope, receive, _discard)
                await _cut(scope, receive)
            case "never":
                await _wait_for_disconnect(receive)
            case "trickle":
                await _trickle(answer)
            case "truncated":
                await self._truncated(scope, receive, answer)
            case kind if kind in ODD:
                await self._odd(kind, scope, receive, answer)
            case kind:
                await self._error(kind)(scope, receive, answer)

    def _error(self, kind: str) -> Response:
        if kind == "401":
            return self.limits.unauthorized()
        if kind == "504_html":
            return HTMLResponse(_GATEWAY_HTML, 504)
        if kind == "html_200":
            return HTMLResponse(_MAINTENANCE_HTML, 200)
        status, message = _ERRORS[kind]
        return JSONResponse({"code": status, "message": message, "status": message, "details": []}, status)

    async def _odd(self, kind: str, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Answer with what a kind makes of the true answer, the gateway's headers included, or without it."""
        place, rest = _without_place(scope["query_string"])
        true = OddAnswer(200, answer.headers, b"")
        if kind not in REFUSALS:
            asked = {**scope, "query_string": rest} if kind in PLACES else scope
            messages = await self._true_answer(asked, receive)
            body = b"".join(message.get("body", b"") for message in messages[1:])
            true = OddAnswer(messages[0]["status"], [*messages[0]["headers"], *answer.headers], body, place)
        made = ODD[kind](true)
        made = made.with_header("content-length", str(len(made.body)))
        answer.headers = []
        await answer({"type": "http.response.start", "status": made.status, "headers": made.headers})
        await answer({"type": "http.response.body", "body": made.body})

    async def _true_answer(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages

    async def _truncated(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        messages = await self._true_answer(scope, receive)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        await answer(messages[0])
        await answer({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await _cut(scope, receive, abruptly=False)


class _Answer:
    """Passes an answer on, with the gateway's headers and the date; notes its status."""

    def __init__(self, send: Send, entry: Entry, headers: Headers, date: str) -> None:
        self._send = send
        self._date = (b"date", date.encode())
        self._entry = entry
        self.headers = headers

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._entry.status = message["status"]
            message["headers"] = [self._date, *message["headers"], *self.headers]
        await self._send(message)


async def _trickle(answer: _Answer) -> None:
    """Send a JSON text that never comes to its beginning, a blank at a time, until nobody reads any more."""
    await answer({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    while True:
        await answer({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(0.05)


def _without_place(query: bytes) -> tuple[str | None, bytes]:
    """Return the page token or cursor of a query, and the query without it."""
    parts = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    place = next((value for name, value in parts if name in PLACE_PARAMETERS), None)
    return place, urlencode([part for part in parts if part[0] not in PLACE_PARAMETERS]).encode()


async def _discard(message: Message) -> None:
    """Take an answer that nobody will see."""


async def _wait_for_disconnect(receive: Receive) -> None:
    message: dict[str, Any] = {}
    while message.get("type") != "http.disconnect":
        message = dict(await receive())


async def _cut(scope: Scope, receive: Receive, *, abruptly: bool = True) -> None:
    abort_connection(scope, abruptly=abruptly)
    await _wait_for_disconnect(receive)
