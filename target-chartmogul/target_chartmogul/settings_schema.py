"""What a user reads about a setting, beside its type and default; and the JSON schema that follows from all three."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec


@dataclass(frozen=True)
class About:
    """Annotates the field of a settings struct.

    Args:
        description: one or more sentences, with the rule's number.
        title: where the name alone does not read well.
        secret: it must never be shown.
        minimum: of a number.
        maximum: of a number.
        choices: the allowed texts, or the allowed entries of a list.
        pattern: of the entries of a list.
        ids: entries are Keap's ids, which may be written as numbers.
    """

    description: str
    title: str | None = None
    secret: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    ids: bool = False


_KINDS: Final[dict[Any, str]] = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "string"}


def properties_of(struct: type[msgspec.Struct]) -> dict[str, dict[str, Any]]:
    """JSON schema of each setting of a struct, in its order; fields without `About` are none."""
    hints = get_type_hints(struct, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(struct):
        kind, *more = get_args(hints[field.name]) or (None,)
        for about in more:
            if isinstance(about, About):
                found[field.name] = _property(kind, about, field.default)
    return found


def _property(kind: Any, about: About, default: Any) -> dict[str, Any]:
    if isinstance(kind, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    schema = {**_of_type(kind, about), "description": about.description}
    if about.title is not None:
        schema["title"] = about.title
    if about.secret:
        schema["secret"] = True
    for name in ("minimum", "maximum"):
        if (bound := getattr(about, name)) is not None:
            schema[name] = bound
    if default not in (None, msgspec.NODEFAULT, (), frozenset(), {}):
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def _of_type(kind: Any, about: About) -> dict[str, Any]:
    origin = get_origin(kind)
    if origin in {tuple, frozenset}:
        return {"type": "array", "items": _entry(get_args(kind)[0], about)}
    if origin is dict:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return {"type": _KINDS[kind], **_choices(about)}


def _entry(kind: Any, about: About) -> dict[str, Any]:
    """Of a list."""
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _entry(get_args(kind)[0], about)}
    pattern = {} if about.pattern is None else {"pattern": about.pattern}
    return {"type": ["string", "integer"] if about.ids else "string", **_choices(about), **pattern}


def _choices(about: About) -> Mapping[str, Any]:
    return {"enum": list(about.choices)} if about.choices else {}
