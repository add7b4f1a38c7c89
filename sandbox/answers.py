"""Gives the chosen answers to the open questions: changes both services as the table says, and back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.control import refusing
from sandbox.questions import QUESTIONS, resolved

Apply = Callable[[Mapping[str, Any]], None]


class GivenAnswers:
    """Which answers are given now.

    Args:
        apply: by API, what takes all changes of its answers at once, in place of those before.
        start: the answers by question that a reset returns to.

    Raises:
        ValueError: an unknown question or answer.
    """

    def __init__(self, apply: Mapping[str, Apply], start: Mapping[str, str]) -> None:
        self._apply = apply
        self._start = dict(start)
        self._given: dict[tuple[str, str], str] = {}
        resolved(start, self._apply)

    def give(self, chosen: Mapping[str, str]) -> None:
        """Give these answers, and the assumed one to every other question.

        Raises:
            ValueError: an unknown question or answer; then nothing is changed.
        """
        given = resolved(chosen, self._apply)
        self._given = given
        for api, apply in self._apply.items():
            changes: dict[str, Any] = {}
            for (of_api, question), answer in given.items():
                if of_api == api:
                    changes = _merged(changes, QUESTIONS[api][question][answer])
            apply(changes)

    def restart(self) -> None:
        """Give the answers of the start; the services have been reset."""
        self.give(self._start)

    def routes(self) -> list[Route]:
        """Return the routes of the control calls."""
        return [
            Route("/answers", self._get, methods=["GET"]),
            Route("/answers", refusing(self._put), methods=["PUT"]),
        ]

    async def _get(self, request: Request) -> Response:
        """All questions with their answers, the assumed one first, and what is given now."""
        questions = {api: {name: list(answers) for name, answers in QUESTIONS[api].items()} for api in self._apply}
        given = {f"{api}/{question}": answer for (api, question), answer in self._given.items()}
        return JSONResponse({"given": given, "questions": questions})

    async def _put(self, request: Request) -> Response:
        self.give(msgspec.json.decode(await request.body(), type=dict[str, str]))
        return await self._get(request)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both changes; where both change the same, the later one, but for objects and lists, which are put together."""
    found = dict(one)
    for name, value in other.items():
        known = found.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            found[name] = _merged(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            found[name] = [*known, *value]
        else:
            found[name] = value
    return found
