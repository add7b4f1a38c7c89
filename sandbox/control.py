"""The control calls that are the same for both APIs: clock, reset, request log, faults and limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock, format_instant, parse_instant
from sandbox.faults import Faults
from sandbox.limits import Limits
from sandbox.requestlog import RequestLog


@dataclass(slots=True)
class Controlled:
    """What one API is controlled by."""

    log: RequestLog
    faults: Faults
    limits: Limits
    reset: Callable[[], None]


class Control:
    """The shared control calls."""

    def __init__(
        self, apis: Mapping[str, Controlled], clock: Clock, start: Any, after_reset: Callable[[], None]
    ) -> None:
        self._apis = apis
        self._clock = clock
        self._start = start
        self._after_reset = after_reset

    def routes(self) -> list[Route]:
        """Return the routes, to be mounted under ``/control``."""
        return [
            Route("/clock", refusing(self._set_clock), methods=["PUT"]),
            Route("/clock", self._get_clock, methods=["GET"]),
            Route("/reset", self._reset, methods=["POST"]),
            Route("/{api}/requests", refusing(self._requests), methods=["GET"]),
            Route("/{api}/requests", refusing(self._clear_requests), methods=["DELETE"]),
            Route("/{api}/requests/summary", refusing(self._summary), methods=["GET"]),
            Route("/{api}/faults", refusing(self._set_faults), methods=["PUT"]),
            Route("/{api}/limits", refusing(self._set_limits), methods=["PUT"]),
        ]

    async def _set_clock(self, request: Request) -> Response:
        now = msgspec.json.decode(await request.body())["now"]
        self._clock.set(parse_instant(now) if now else None)
        return await self._get_clock(request)

    async def _get_clock(self, request: Request) -> Response:
        return JSONResponse({"now": format_instant(self._clock.now())})

    async def _reset(self, request: Request) -> Response:
        self._clock.set(self._start)
        for api in self._apis.values():
            api.reset()
            api.faults.configure({})
            api.limits.reset()
            api.log.clear()
        self._after_reset()
        return JSONResponse({})

    async def _requests(self, request: Request) -> Response:
        entries = self._api(request).log.since(int(request.query_params.get("since", 0)))
        return Response(msgspec.json.encode(entries), media_type="application/json")

    async def _clear_requests(self, request: Request) -> Response:
        self._api(request).log.clear()
        return JSONResponse({})

    async def _summary(self, request: Request) -> Response:
        return JSONResponse(self._api(request).log.summary())

    async def _set_faults(self, request: Request) -> Response:
        self._api(request).faults.configure(msgspec.json.decode(await request.body()))
        return JSONResponse({})

    async def _set_limits(self, request: Request) -> Response:
        self._api(request).limits.configure(msgspec.json.decode(await request.body()))
        return JSONResponse({})

    def _api(self, request: Request) -> Controlled:
        return self._apis[request.path_params["api"]]


Endpoint = Callable[[Request], Awaitable[Response]]


def refusing(endpoint: Endpoint) -> Endpoint:
    """Answer 400 with the reason where an endpoint cannot make sense of what it is told."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return answer
