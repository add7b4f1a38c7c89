"""Creating an object exactly once, although ChartMogul has no upsert and answers get lost.

After a POST whose answer was lost, and after a refusal as a duplicate, the object is looked up by its external id; a
listing may lag behind a write by a second or more, so it is looked up again before it counts as missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.errors import LostAnswerError, RefusedError, UnreachableError
from target_chartmogul.chartmogul.fields import Json

Found = TypeVar("Found")
POSTS = 6
_AFTER_LOST_ANSWER = (0.0, 1.0)
_AFTER_DUPLICATE = (0.0, 1.0, 2.0, 4.0)
"""Seconds before each look-up."""


class Created(NamedTuple, Generic[Found]):
    """What came of it: an answer, or what was found."""

    answer: Json | None
    found: Found | None = None
    ours: bool = False
    """What was found is of a request of this call, the answer to which was lost."""


def create(
    client: ChartMogulClient, path: str, body: Json, find: Callable[[], Found | None], *, told: str = "uuid"
) -> Created[Found]:
    """POST until the object is there.

    Args:
        client: where to.
        path: of the collection.
        body: of the POST.
        find: looks the object up by external id.
        told: the field without which an answer does not say what was created.

    Raises:
        RefusedError: ChartMogul does not take it; a duplicate that cannot be found is one too.
        UnreachableError: every try was lost.
    """
    trouble = ""
    for _ in range(POSTS):
        try:
            answer = client.post(path, body)
            if isinstance(answer, dict) and isinstance(answer.get(told), str | int | list):
                return Created(answer)
            trouble = "it does not say what was created"
        except LostAnswerError as lost:
            trouble = str(lost)
        except RefusedError as refusal:
            if not (refusal.duplicate or refusal.duplicate_part):
                raise
            found = _look(client, find, _AFTER_DUPLICATE if refusal.duplicate else (0.0,))
            if found is None:
                raise
            return Created(None, found, ours=bool(trouble))
        if (found := _look(client, find, _AFTER_LOST_ANSWER)) is not None:
            return Created(None, found, ours=True)
    raise UnreachableError(f"{client.host}: the answer was lost {POSTS} times ({trouble})")


def _look(client: ChartMogulClient, find: Callable[[], Found | None], waits: tuple[float, ...]) -> Found | None:
    for wait in waits:
        if wait:
            client.pause(wait)
        if (found := find()) is not None:
            return found
    return None
