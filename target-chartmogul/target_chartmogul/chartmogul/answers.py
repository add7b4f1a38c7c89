"""The body of an answer: read within bounds, and decoded as well as it can be.

A page of 200 objects must not be lost to one odd value: what JSON does not allow (NaN, half a character), what is not
UTF-8 and what is nested absurdly deep is replaced; whoever needs the value finds that it is missing.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import msgspec
import requests

from target_chartmogul.chartmogul.errors import UnansweredError

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of an unpacked answer; a page of 200 objects has less than a hundredth of it."""
DEEPEST: Final = 100
"""Levels of JSON that are read; ChartMogul's objects have six."""
HOPELESS_TRIES: Final = 3
_CHUNK: Final = 1 << 16
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def read(response: requests.Response) -> bytes:
    """The unpacked body.

    Raises:
        UnansweredError: it is larger than `LARGEST`.
        requests.RequestException: the connection broke, it took too long, or its packing is broken.
    """
    parts, size = [], 0
    for part in response.iter_content(_CHUNK):
        size += len(part)
        if size > LARGEST:
            raise UnansweredError(
                f"the answer is larger than {LARGEST >> 20} MB", handled=None, most_tries=HOPELESS_TRIES
            )
        parts.append(part)
    return b"".join(parts)


def decode(content: bytes) -> Any:
    """JSON as Python's values, None for an empty body.

    Raises:
        ValueError: it is not JSON.
    """
    if not content.strip():
        return None
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        return decode(_flattened(content))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _repaired(content)


def _repaired(content: bytes) -> Any:
    """Null for numbers that are none, replacement characters for what is not a character."""
    try:
        value = json.loads(content.decode("utf-8", "replace"), parse_constant=lambda _: None, parse_float=_finite)
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:
        return decode(_flattened(content))


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _flattened(content: bytes) -> bytes:
    """The same JSON with null in place of what is nested deeper than `DEEPEST`."""
    kept: list[bytes] = []
    depth = begin = 0
    for token in _TOKENS.finditer(content):
        if content[token.start()] in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept += [content[begin : token.start()], b"null"]
        elif content[token.start()] in b"]}":
            depth -= 1
            if depth == DEEPEST:
                begin = token.end()
    return b"".join([*kept, content[begin:]]) if depth <= DEEPEST else b"not JSON"
