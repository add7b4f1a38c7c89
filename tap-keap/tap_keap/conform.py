"""Values as their schema wants them: converted where nothing is lost, refused by the name of their field otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, TypedDict

from tap_keap.instants import format_instant, parse_instant

Row = dict[str, Any]
Schema = dict[str, Any]

MOST_DIGITS = 40
"""Of a whole number; 1e999999999 is short to write and never ends to spell out."""
DEEPEST = 100
"""Levels of a value that a schema leaves open; no field of Keap has more than a few."""


class RowError(ValueError):
    """A row does not fit its schema; the message names the field, never its value."""


@cache
def load_schema(stream: str) -> Schema:
    """The JSON schema of a stream, as shipped with the package."""
    text = files("tap_keap").joinpath("schemas", f"{stream}.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def types_of(schema: Schema) -> set[str]:
    """The JSON types that a schema allows."""
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def python_type(schema: Schema, name: str) -> Any:
    """The type into which msgspec decodes a value of a schema; `Any` where the schema leaves it open."""
    kinds = types_of(schema) - {"null"}
    if len(kinds) != 1:
        return Any
    kind = kinds.pop()
    if kind == "object":
        if "properties" not in schema:
            return Any
        fields = {key: python_type(part, f"{name}_{key}") for key, part in schema["properties"].items()}
        return TypedDict(name, fields, total=False) | None  # type: ignore[operator]
    if kind == "array":
        items: Any = list.__class_getitem__(python_type(schema.get("items", {}), f"{name}_item"))
        return items | None
    plain: dict[str, Any] = {"string": str, "integer": int, "number": Decimal, "boolean": bool}
    return plain[kind] | None


def conform(value: Any, schema: Schema, path: str, *, keep_unknown: bool) -> Any:
    """A value as its schema wants it: unknown fields dropped, numbers and texts converted where nothing is lost.

    Raises:
        RowError: if the value cannot be converted; names `path`.
    """
    kinds = types_of(schema)
    if value is None or len(kinds - {"null"}) != 1:
        return value
    kind = (kinds - {"null"}).pop()
    if kind != "string" and (value == "" or (value in ("0", 0) and kind in {"object", "array"})):
        return None  # some editions write an empty text, or 0, where nothing is set
    if kind == "object":
        if not isinstance(value, dict):
            raise RowError(f"field {path or 'row'}: expected an object")
        properties = schema.get("properties")
        if properties is None:
            return value
        return {
            key: conform(part, properties[key], f"{path}.{key}" if path else key, keep_unknown=keep_unknown)
            if key in properties
            else part
            for key, part in value.items()
            if keep_unknown or key in properties
        }
    if kind == "array":
        if not isinstance(value, list):
            raise RowError(f"field {path}: expected a list")
        return [conform(part, schema.get("items", {}), f"{path}[]", keep_unknown=keep_unknown) for part in value]
    return _scalar(value, kind, path)


def _scalar(value: Any, kind: str, path: str) -> Any:
    if kind == "string" and isinstance(value, (str, int, Decimal)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        if isinstance(value, (str, int)) and str(value) in {"true", "false", "1", "0"}:
            return str(value) in {"true", "1"}
    elif isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            if kind == "number":
                return number
            if number.adjusted() <= MOST_DIGITS and number == number.to_integral_value():
                return int(number)
    raise RowError(f"field {path}: expected {kind}")


def check_depth(value: Any, path: str, levels: int = DEEPEST) -> None:
    """Refuse what an encoder could not write.

    Raises:
        RowError: if a value has more levels; names `path`.
    """
    if not isinstance(value, (dict, list)):
        return
    if levels == 0:
        raise RowError(f"field {path or 'row'}: nested too deeply")
    for part in value.values() if isinstance(value, dict) else value:
        check_depth(part, path, levels - 1)


def fixers_of(schema: Schema, path: str = "") -> list[Callable[[Row], None]]:
    """One function per field that holds an instant or a date (blank or oddly spelt), or anything at all (its depth)."""
    fixers: list[Callable[[Row], None]] = []
    for name, part in schema.get("properties", {}).items():
        place = f"{path}{name}"
        form = part.get("format")
        if form in {"date-time", "date"}:
            fixers.append(_moment_fixer(name, form, place))
        elif "properties" in part:
            inner = fixers_of(part, f"{place}.")
            if inner:
                fixers.append(_nested_fixer(name, inner, is_list=False))
        elif "properties" in part.get("items", {}):
            inner = fixers_of(part["items"], f"{place}[].")
            if inner:
                fixers.append(_nested_fixer(name, inner, is_list=True))
        elif types_of(part) - {"null"} == {"number"}:
            fixers.append(_number_checker(name, place))
        elif python_type(part, "Part") is Any:
            fixers.append(_depth_checker(name, place))
    return fixers


def whole_row_checker(row: Row) -> None:
    """Check the depth of a row whose unknown fields are kept."""
    check_depth(row, "")


def _number_checker(name: str, place: str) -> Callable[[Row], None]:
    def check(row: Row) -> None:
        value = row.get(name)
        if value is not None and abs(value.adjusted()) > MOST_DIGITS:
            raise RowError(f"field {place}: expected number")

    return check


def _depth_checker(name: str, place: str) -> Callable[[Row], None]:
    def check(row: Row) -> None:
        check_depth(row.get(name), place)

    return check


def _moment_fixer(name: str, form: str, place: str) -> Callable[[Row], None]:
    def fix(row: Row) -> None:
        value = row.get(name)
        if value is None:
            return
        if form == "date-time" and len(value) >= 20 and value[-1] == "Z":
            return
        if form == "date" and len(value) == 10:
            return
        if value in {"", "0"}:
            row[name] = None
            return
        try:
            moment = parse_instant(value)
        except ValueError:
            raise RowError(f"field {place}: expected a {form}") from None
        row[name] = value[:10] if form == "date" else format_instant(moment)

    return fix


def _nested_fixer(name: str, inner: list[Callable[[Row], None]], *, is_list: bool) -> Callable[[Row], None]:
    def fix_object(row: Row) -> None:
        part = row.get(name)
        if part:
            for fix in inner:
                fix(part)

    def fix_list(row: Row) -> None:
        for part in row.get(name) or ():
            if part:
                for fix in inner:
                    fix(part)

    return fix_list if is_list else fix_object
