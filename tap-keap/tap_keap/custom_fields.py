"""Custom fields as columns of their own (`flatten_custom_fields`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tap_keap.conform import MOST_DIGITS, Row, Schema

MODELS = {"contacts": "contacts/model", "orders": "orders/model", "subscriptions": "subscriptions/model"}
"""Streams that have custom fields of their own, and where Keap describes them."""

_INTEGERS = frozenset({"WHOLE_NUMBER"})
_NUMBERS = frozenset({"CURRENCY", "DECIMAL_NUMBER", "PERCENT"})


@dataclass(frozen=True)
class CustomColumn:
    """One custom field.

    Attributes:
        name: Column, `custom_` and the field's name in Keap.
        kind: JSON type of the column.
    """

    name: str
    kind: str


def custom_columns(model: Iterable[Mapping[str, Any]]) -> dict[str, CustomColumn]:
    """Columns by the field's id. Fields whose names differ only in what a column name cannot hold get their id too."""
    columns: dict[str, CustomColumn] = {}
    taken: set[str] = set()
    for field in model:
        identifier = str(field.get("id"))
        text = str(field.get("field_name") or field.get("label") or identifier)
        name = "custom_" + (re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_") or identifier)
        if name.lower() in taken:
            name = f"{name}_{identifier}"
        taken.add(name.lower())
        field_type = str(field.get("field_type"))
        kind = "integer" if field_type in _INTEGERS else "number" if field_type in _NUMBERS else "string"
        columns[identifier] = CustomColumn(name, kind)
    return columns


def with_columns(schema: Schema, columns: Mapping[str, CustomColumn]) -> Schema:
    """The schema with the columns added."""
    added = {column.name: {"type": [column.kind, "null"]} for column in columns.values()}
    return {**schema, "properties": {**schema["properties"], **dict(sorted(added.items()))}}


def fill_columns(row: Row, columns: Mapping[str, CustomColumn]) -> None:
    """Copy a row's custom fields into their columns; what does not fit a number column becomes null there."""
    for column in columns.values():
        row[column.name] = None
    for field in row.get("custom_fields") or ():
        if field and (match := columns.get(str(field.get("id")))):
            row[match.name] = _column_value(field.get("content"), match.kind)


def _column_value(content: Any, kind: str) -> Any:
    if content is None or content == "":
        return None
    if kind == "string":
        return content if isinstance(content, str) else json.dumps(content, default=str)
    try:
        number = Decimal(str(content))
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    if kind == "number":
        return number
    whole = number.adjusted() <= MOST_DIGITS and number == number.to_integral_value()
    return int(number) if whole else None
