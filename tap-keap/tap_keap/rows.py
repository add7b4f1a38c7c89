"""From a page's JSON to rows that fit their stream's schema.

The fast way decodes straight into typed dictionaries made from the schema: unknown fields vanish, and types are
checked, in one pass outside Python. Only a page that does not fit takes the slow way, row by row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, TypedDict
from urllib.parse import parse_qs, urlsplit

import msgspec

from tap_keap.instants import format_instant, parse_instant

Row = dict[str, Any]
Schema = dict[str, Any]


class RowError(ValueError):
    """A row does not fit its schema; the message names the field, never its value."""


@dataclass
class Page:
    """One page of a listing.

    Attributes:
        rows: Rows that fit the schema, in Keap's order.
        next_token: Token of the next page, None on the last.
        rejected: What is wrong with the rows that were left out: (id or None, reason).
    """

    rows: list[Row]
    next_token: str | None
    rejected: list[tuple[str | None, str]]


@cache
def load_schema(stream: str) -> Schema:
    """The JSON schema of a stream, as shipped with the package."""
    text = files("tap_keap").joinpath("schemas", f"{stream}.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def page_token(value: str | None) -> str | None:
    """The token of the next page.

    Keap documents an opaque string, and has been seen to send a whole URL that holds the token.
    """
    if not value:
        return None
    if "://" in value:
        found = parse_qs(urlsplit(value).query).get("page_token")
        return found[0] if found else None
    return value


def _types(schema: Schema) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _python_type(schema: Schema, name: str) -> Any:
    kinds = _types(schema) - {"null"}
    if len(kinds) != 1:
        return Any
    kind = kinds.pop()
    if kind == "object":
        if "properties" not in schema:
            return Any
        fields = {key: _python_type(part, f"{name}_{key}") for key, part in schema["properties"].items()}
        return TypedDict(name, fields, total=False) | None  # type: ignore[operator]
    if kind == "array":
        items: Any = list.__class_getitem__(_python_type(schema.get("items", {}), f"{name}_item"))
        return items | None
    plain: dict[str, Any] = {"string": str, "integer": int, "number": Decimal, "boolean": bool}
    return plain[kind] | None


def conform(value: Any, schema: Schema, path: str, *, keep_unknown: bool) -> Any:
    """A value as its schema wants it: unknown fields dropped, numbers and texts converted where nothing is lost.

    Raises:
        RowError: if the value cannot be converted; names `path`.
    """
    kinds = _types(schema)
    if value is None or len(kinds - {"null"}) != 1:
        return value
    kind = (kinds - {"null"}).pop()
    if value == "" and kind != "string":
        return None  # some editions write an empty text where nothing is set
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
        if value in {"true", "false"}:
            return value == "true"
    elif isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            if kind == "number":
                return number
            if number == number.to_integral_value():
                return int(number)
    raise RowError(f"field {path}: expected {kind}")


class RowReader:
    """Reads the pages of one stream.

    Args:
        schema: The stream's schema, as shipped.
        envelope: Name of the list in the answer.
        keep_unknown: Keep fields that the schema does not know (`additional_fields`).
    """

    def __init__(self, schema: Schema, envelope: str, *, keep_unknown: bool = False) -> None:
        self._schema = schema
        self._envelope = envelope
        self._keep_unknown = keep_unknown
        self._plain = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
        nullable_row = {**schema, "type": ["object", "null"]}
        row_list: Any = list.__class_getitem__(_python_type(nullable_row, "KeapRow"))
        page_fields: dict[str, Any] = {
            envelope: row_list | None,
            "next_page_token": str | None,
        }
        page_type: Any = TypedDict("KeapPage", page_fields, total=False)  # type: ignore[misc]
        self._typed = None if keep_unknown else msgspec.json.Decoder(page_type)
        self._moments = _moment_fixers(schema)

    def read(self, body: bytes) -> Page:
        """Rows and next token of one answer.

        Raises:
            msgspec.DecodeError: if the body is no JSON object (cut off, or an HTML page).
        """
        rejected: list[tuple[str | None, str]] = []
        if self._typed is not None:
            try:
                answer: Any = self._typed.decode(body)
            except msgspec.ValidationError:
                answer = self._plain.decode(body)
                rows = self._row_by_row(answer.get(self._envelope) or [], rejected)
            else:
                rows = answer.get(self._envelope) or []
        else:
            answer = self._plain.decode(body)
            rows = self._row_by_row(answer.get(self._envelope) or [], rejected)
        rows = self._with_moments(rows, rejected)
        return Page(rows, page_token(answer.get("next_page_token")), rejected)

    def _row_by_row(self, raw: list[Any], rejected: list[tuple[str | None, str]]) -> list[Row]:
        rows = []
        for row in raw:
            try:
                rows.append(conform(row, self._schema, "", keep_unknown=self._keep_unknown))
            except RowError as error:
                identifier = row.get("id") if isinstance(row, dict) else None
                rejected.append((str(identifier) if identifier is not None else None, str(error)))
        return rows

    def _with_moments(self, rows: Sequence[Row | None], rejected: list[tuple[str | None, str]]) -> list[Row]:
        kept = []
        for row in rows:
            if row is None:
                rejected.append((None, "the row is null"))
                continue
            try:
                for fix in self._moments:
                    fix(row)
            except RowError as error:
                rejected.append((str(row.get("id")) if row.get("id") is not None else None, str(error)))
            else:
                kept.append(row)
        return kept


def _moment_fixers(schema: Schema, path: str = "") -> list[Callable[[Row], None]]:
    """One function per field that holds an instant or a date, for rows whose value is blank or oddly spelt."""
    fixers: list[Callable[[Row], None]] = []
    for name, part in schema.get("properties", {}).items():
        place = f"{path}{name}"
        form = part.get("format")
        if form in {"date-time", "date"}:
            fixers.append(_moment_fixer(name, form, place))
        elif "properties" in part:
            inner = _moment_fixers(part, f"{place}.")
            if inner:
                fixers.append(_nested_fixer(name, inner, is_list=False))
        elif "properties" in part.get("items", {}):
            inner = _moment_fixers(part["items"], f"{place}[].")
            if inner:
                fixers.append(_nested_fixer(name, inner, is_list=True))
    return fixers


def _moment_fixer(name: str, form: str, place: str) -> Callable[[Row], None]:
    def fix(row: Row) -> None:
        value = row.get(name)
        if value is None:
            return
        if form == "date-time" and len(value) >= 20 and value[-1] == "Z":
            return
        if form == "date" and len(value) == 10:
            return
        if value == "":
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
