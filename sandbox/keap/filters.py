"""Keap's filter grammar: ``field==value;other>=value``, joined by AND."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sandbox.keap.errors import KeapError
from sandbox.keap.values import NOTHING, Row, comparable, seconds, values_at

Predicate: TypeAlias = Callable[[Row], bool]

_CLAUSE = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_ ]*?)\s*(==|!=|<=|>=|<|>)(.*)$", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Full date and time with an offset; Keap refuses a bare date.
_INSTANT = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})$")


@dataclass(frozen=True, slots=True)
class Field:
    """A field that may be filtered by.

    ``kind``: text, prefix (a trailing ``*`` is allowed), id, ids (a list), flag, number, since, until,
    active (by a truth value), paid (by an order's status),
    address (its kind and part), contains (text anywhere, or a prefix with ``*``),
    present (whether there is a value), ignored (taken, changes nothing), after and before (see ``exclusive``).
    ``paths``: where in the row; the first that fits decides. ``compares``: all operators, not only ``==``.
    ``most``: so many values of a list at most.
    """

    kind: str
    paths: tuple[str, ...]
    compares: bool = False
    most: int = 1000


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition. ``keys``: if set, only rows with one of these values at ``path`` can fit."""

    fits: Predicate
    path: str = ""
    keys: frozenset[str] | None = None


def text(*paths: str) -> Field:
    """Return a field that is compared whole, case-insensitively."""
    return Field("text", paths)


def prefix(*paths: str) -> Field:
    """Return a text field that may end in ``*``."""
    return Field("prefix", paths)


def one_id(path: str, *, compares: bool = False) -> Field:
    """Return an id; with ``compares`` also ``<`` and the like."""
    return Field("id", (path,), compares)


def ids(path: str, *, most: int = 1000) -> Field:
    """Return a list of ids; more than ``most`` are refused."""
    return Field("ids", (path,), most=most)


def number(path: str) -> Field:
    """Return a number with all operators."""
    return Field("number", (path,), compares=True)


def flag(path: str) -> Field:
    """Return a truth value."""
    return Field("flag", (path,))


def since(path: str) -> Field:
    """Return a lower bound of an instant, inclusive."""
    return Field("since", (path,))


def until(path: str) -> Field:
    """Return an upper bound of an instant, inclusive."""
    return Field("until", (path,))


def parse(
    expression: str, fields: Mapping[str, Field], custom: Mapping[str, str], *, lenient: bool = False
) -> list[Clause]:
    """Read a filter.

    Args:
        expression: the ``filter`` parameter; an empty one has no clauses.
        fields: what may be filtered by.
        custom: ids of custom fields by their ``field_name``.
        lenient: whether unknown fields are passed over.

    Raises:
        KeapError: 400, for a field, operator or value that Keap does not take.
    """
    parts = [part for part in expression.split(";") if part.strip()]
    if lenient:
        parts = [part for part in parts if names(part) & {*fields, *custom}]
    return [_clause(part, fields, {name.casefold(): row_id for name, row_id in custom.items()}) for part in parts]


def names(expression: str) -> set[str]:
    """Return the fields that a filter names."""
    matches = (_CLAUSE.match(part) for part in expression.split(";"))
    return {match[1] for match in matches if match is not None}


def _clause(part: str, fields: Mapping[str, Field], custom: Mapping[str, str]) -> Clause:
    match = _CLAUSE.match(part)
    if match is None:
        raise KeapError(400, "Invalid filter")
    name, sign, value = match[1], match[2], match[3].strip()
    if name in fields:
        field = fields[name]
    elif name.casefold() in custom:
        return Clause(_custom_predicate(custom[name.casefold()], sign, value))
    else:
        raise KeapError(400, f"Invalid filter: unknown field {name}", domain="filter", resource=name)
    if sign != "==" and not field.compares:
        raise KeapError(400, f"Invalid filter: operator {sign} is not allowed for {name}")
    return _BUILDERS[field.kind](field, name, sign, value)


def _text(field: Field, name: str, sign: str, value: str) -> Clause:
    wanted = value.casefold()
    return Clause(lambda row: any(wanted == str(found).casefold() for found in _found(row, field)))


def _prefix(field: Field, name: str, sign: str, value: str) -> Clause:
    if not value.endswith("*"):
        return _text(field, name, sign, value)
    start = value[:-1].casefold()
    return Clause(lambda row: any(str(found).casefold().startswith(start) for found in _found(row, field)))


def _contains(field: Field, name: str, sign: str, value: str) -> Clause:
    if value.endswith("*"):
        return _prefix(field, name, sign, value)
    wanted = value.casefold()
    return Clause(lambda row: any(wanted in str(found).casefold() for found in _found(row, field)))


def _found(row: Row, field: Field) -> list[Any]:
    return [found for path in field.paths for found in values_at(row, path) if found is not None]


def _id(field: Field, name: str, sign: str, value: str) -> Clause:
    path = field.paths[0]
    if sign == "==":
        return Clause(_is_one_of(path, frozenset({value})), path, frozenset({value}))
    return _number(field, name, sign, value)


def _ids(field: Field, name: str, sign: str, value: str) -> Clause:
    wanted = frozenset(part.strip() for part in value.split(",") if part.strip())
    if not wanted:
        raise KeapError(400, f"Invalid filter: {name} is empty")
    if len(wanted) > field.most:
        raise KeapError(400, f"Invalid filter: {name} takes {field.most} values at most")
    return Clause(_is_one_of(field.paths[0], wanted), field.paths[0], wanted)


def _is_one_of(path: str, wanted: frozenset[str]) -> Predicate:
    return lambda row: any(str(found) in wanted for found in values_at(row, path))


def _flag(field: Field, name: str, sign: str, value: str) -> Clause:
    wanted = _truth(name, value)
    return Clause(lambda row: any(bool(found) is wanted for found in values_at(row, field.paths[0])))


def _number(field: Field, name: str, sign: str, value: str) -> Clause:
    try:
        bound = comparable(float(value), "number")
    except ValueError:
        raise KeapError(400, f"Invalid filter: {name} is a number") from None
    path = field.paths[0]
    if sign in _COMPARE:
        compare = _COMPARE[sign]
        return Clause(
            lambda row: any(
                found is not None and compare(comparable(found, "number"), bound) for found in values_at(row, path)
            )
        )
    equal = sign == "=="
    return Clause(lambda row: any((comparable(found, "number") == bound) is equal for found in values_at(row, path)))


def instant(name: str, value: str) -> float:
    """Read a time value of a filter as seconds since 1970.

    Raises:
        KeapError: 400; a date alone or a time without offset is refused.
    """
    if not _INSTANT.match(value):
        raise KeapError(400, f"Invalid filter: {name} must be a date and time such as 2025-04-16T20:33:02.321Z")
    try:
        return seconds(value)
    except ValueError:
        raise KeapError(400, f"Invalid filter: {name} is not a time that exists") from None


def _since(field: Field, name: str, sign: str, value: str) -> Clause:
    return _bound(field, operator.ge, instant(name, value))


def _until(field: Field, name: str, sign: str, value: str) -> Clause:
    return _bound(field, operator.le, instant(name, value))


def _after(field: Field, name: str, sign: str, value: str) -> Clause:
    return _bound(field, operator.gt, instant(name, value))


def _before(field: Field, name: str, sign: str, value: str) -> Clause:
    return _bound(field, operator.lt, instant(name, value))


def exclusive(field: Field) -> Field:
    """Return a bound of time that does not take the instant itself; other fields as they are."""
    kinds = {"since": "after", "until": "before"}
    return Field(kinds[field.kind], field.paths) if field.kind in kinds else field


def _within(value: Any, compare: Callable[[Any, Any], bool], bound: float) -> bool:
    try:
        return bool(value) and compare(seconds(value), bound)
    except ValueError:
        return False


def _bound(field: Field, compare: Callable[[Any, Any], bool], bound: float) -> Clause:
    path = field.paths[0]
    if "." not in path:
        return Clause(lambda row: _within(row.get(path), compare, bound))

    def fits(row: Row) -> bool:
        keys = (comparable(found, "time") for found in values_at(row, path))
        return any(key != NOTHING and compare(key[1], bound) for key in keys)

    return Clause(fits)


def _active(field: Field, name: str, sign: str, value: str) -> Clause:
    words = {"active": True, "inactive": False}
    if value.casefold() not in words:
        raise KeapError(400, f"Invalid filter: {name} is Active or Inactive")
    wanted = words[value.casefold()]
    return Clause(lambda row: bool(row.get(field.paths[0])) is wanted)


def _present(field: Field, name: str, sign: str, value: str) -> Clause:
    wanted = _truth(name, value)
    return Clause(lambda row: bool(_found(row, field)) is wanted)


def _ignored(field: Field, name: str, sign: str, value: str) -> Clause:
    _truth(name, value)
    return Clause(lambda _: True)


def _truth(name: str, value: str) -> bool:
    if value.casefold() not in {"true", "false"}:
        raise KeapError(400, f"Invalid filter: {name} is true or false")
    return value.casefold() == "true"


def _address(field: Field, name: str, sign: str, value: str) -> Clause:
    kind, part = field.paths
    wanted = value.casefold()

    def fits(row: Row) -> bool:
        return any(
            entry.get("field") == kind and str(entry.get(part)).casefold() == wanted
            for entry in row.get("addresses") or ()
        )

    return Clause(fits)


def _paid(field: Field, name: str, sign: str, value: str) -> Clause:
    wanted = _truth(name, value)
    return Clause(lambda row: (row.get(field.paths[0]) == "PAID") is wanted)


def _custom_predicate(field_id: str, sign: str, value: str) -> Predicate:
    def contents(row: Row) -> list[Any]:
        return [entry.get("content") for entry in row.get("custom_fields") or () if entry.get("id") == field_id]

    if sign in _COMPARE:
        compare = _COMPARE[sign]
        return lambda row: any(
            compare(comparable(found, "number"), comparable(value, "number")) for found in contents(row)
        )
    if value.endswith("*"):
        start = value[:-1].casefold()
        return lambda row: any(str(found).casefold().startswith(start) for found in contents(row))
    equal = sign == "=="
    return lambda row: (value.casefold() in [str(found).casefold() for found in contents(row)]) is equal


_BUILDERS: dict[str, Callable[[Field, str, str, str], Clause]] = {
    "text": _text,
    "prefix": _prefix,
    "contains": _contains,
    "id": _id,
    "ids": _ids,
    "flag": _flag,
    "number": _number,
    "since": _since,
    "until": _until,
    "after": _after,
    "before": _before,
    "active": _active,
    "address": _address,
    "paid": _paid,
    "present": _present,
    "ignored": _ignored,
}
