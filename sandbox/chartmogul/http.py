"""Calls of the API: authentication, JSON in and out, refusals as answers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.chartmogul import errors

TRUE = ("true", "1")
Handler = Callable[["Call"], "Answer"]


@dataclass(slots=True)
class Call:
    """One request; `now` in milliseconds since 1970, `size` of the body in bytes."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    size: int
    now: int

    def object(self) -> dict[str, Any]:
        if not isinstance(self.body, dict):
            raise errors.coded(400, "The request body must be a JSON object")
        return self.body

    def flag(self, name: str) -> bool:
        return self.query.get(name) in TRUE


@dataclass(slots=True)
class Answer:
    body: Any
    status: int = 200


NO_CONTENT = Answer(None, 204)
NOT_MODIFIED = Answer(None, 304)


def json_response(body: Any, status: int = 200) -> Response:
    if status in (204, 304):
        return Response(status_code=status)
    return Response(msgspec.json.encode(body), status, media_type="application/json")


class Gate:
    """Lets calls with one of the two keys through; the read-only one may not write.

    `choices`: the account's answers to open questions. `before`: does what is due before a call.
    """

    def __init__(
        self,
        api_key: str,
        read_only_key: str,
        now: Callable[[], int],
        choices: Callable[[], Mapping[str, str]],
        before: Callable[[], None],
    ) -> None:
        self._api_key = api_key
        self._read_only_key = read_only_key
        self._now = now
        self._choices = choices
        self._before = before

    def route(self, method: str, path: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                self._authorise(request)
                _check_quoting(request)
                content = await request.body()
                self._before()
                call = Call(request.path_params, request.query_params, _decode(content), len(content), self._now())
                answer = handler(call)
            except errors.ApiError as refusal:
                coded = self._choices()["duplicates"] == "codes"
                return json_response(errors.as_codes(refusal.body) if coded else refusal.body, refusal.status)
            return json_response(answer.body, answer.status)

        return Route(path, endpoint, methods=[method])

    def _authorise(self, request: Request) -> None:
        key = _basic_user(request.headers.get("authorization", ""))
        rights = self._choices()["key"] if key == self._api_key else "read" if key == self._read_only_key else "none"
        if rights == "write":
            return
        if rights == "none":
            raise errors.coded(401, "No valid API key provided")
        if request.method != "GET":
            raise errors.coded(403, "The API key provided does not have write access")


def _check_quoting(request: Request) -> None:
    """An id in the path may have slashes, but only quoted ones."""
    within_ids = sum(str(value).count("/") for value in request.path_params.values())
    quoted = request.scope["path"].count("/") - request.scope["raw_path"].count(b"/")
    if quoted != within_ids:
        raise errors.ApiError(404, {"error": "Not found"})


def _basic_user(header: str) -> str | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _decode(content: bytes) -> Any:
    if not content.strip():
        return None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise errors.coded(400, "The request body is not valid JSON") from None
