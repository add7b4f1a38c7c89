"""Lines of the input that cannot be used: whose they are, and what is wrong with them (rule 1.5)."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

DEEPEST: Final = 100
"""No message of a tap is nested nearly as deeply; what is could not be read at a later step."""
TOO_DEEP: Final = "is nested too deeply"
_LONGEST_TO_LOOK_AT: Final = 16 * 1024 * 1024
_FIELD_OF_ERROR: Final = re.compile(r"`\$\.(\w+)`")
_HEAD: Final = 4096
_TYPE: Final = re.compile(rb'"type"\s*:\s*"(\w{1,32})"')
_STREAM: Final = re.compile(rb'"stream"\s*:\s*"([^"\\]{1,64})"')
_NOT_A_NUMBER: Final = object()


class BadLine(msgspec.Struct, frozen=True):
    """A line that cannot be used: its message type, stream and record id where they are known, field and reason."""

    kind: str
    stream: str
    record_id: Any
    field: str
    reason: str


def is_deep(value: Any) -> bool:
    """Whether objects and lists are nested more than `DEEPEST` levels."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(each, dict | list)
        ]
        if not level:
            return False
    return True


def too_deep(line: bytes) -> BadLine:
    """A line that no decoder takes because of its depth; what is known of it is at its beginning."""
    head = line[:_HEAD]
    kind, stream = _TYPE.search(head), _STREAM.search(head)
    return BadLine(
        kind[1].decode() if kind else "", stream[1].decode(errors="replace") if stream else "", None, "", TOO_DEEP
    )


def what_is_wrong(line: bytes, complaint: str) -> BadLine:
    """Find out whose line it is: Python's own decoder takes NaN and lone surrogates, which JSON does not have.

    Args:
        line: as it came.
        complaint: of the decoder.
    """
    try:
        if len(line) > _LONGEST_TO_LOOK_AT:
            return BadLine("", "", None, "", "is not JSON")
        message = json.loads(line, parse_constant=lambda _: _NOT_A_NUMBER)
    except RecursionError:
        return too_deep(line)
    except ValueError:
        return BadLine("", "", None, "", "is not JSON")
    if not isinstance(message, dict):
        return BadLine("", "", None, "", "is not an object")
    kind, stream, record = message.get("type"), message.get("stream"), message.get("record")
    record_id = record.get("id") if isinstance(record, dict) else None
    named = stream[:64] if isinstance(stream, str) else ""
    if not isinstance(kind, str):
        return BadLine("", named, record_id, "type", "is missing" if kind is None else "is not a text")
    if is_deep(message):
        return BadLine(kind, named, record_id, "", TOO_DEEP)
    if field := _path_of(record, _NOT_A_NUMBER):
        return BadLine(kind, named, record_id, field, "is not a number (NaN or Infinity)")
    if found := _FIELD_OF_ERROR.search(complaint):
        return BadLine(kind, named, record_id, found[1], "has a value of the wrong kind")
    return BadLine(kind, named, record_id, "", "is not valid Unicode text")


def _path_of(value: Any, wanted: object) -> str:
    """Dotted path of the first place where `wanted` is, empty if nowhere."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if inner is wanted:
            return str(key)
        if below := _path_of(inner, wanted):
            return f"{key}.{below}"
    return ""
