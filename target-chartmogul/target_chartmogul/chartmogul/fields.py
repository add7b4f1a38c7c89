"""Fields of ChartMogul's answers, read generously: `"4900"` and `4900.0` are 4900; what cannot be meant is named."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from target_chartmogul.billing.instants import instant_of

Json = dict[str, Any]
_LARGEST: Final = 2**63 - 1
_YES: Final = frozenset({"true", "yes", "on", "enabled"})
_NO: Final = frozenset({"", "false", "no", "off", "disabled", "none"})


class OddFieldError(ValueError):
    """A field that is not what ChartMogul documents; `place` is its path in the row, as `line_items[0].quantity`."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


def text(row: Json, name: str) -> str | None:
    """A text, None for null or an empty one.

    Raises:
        OddFieldError: it is a list or an object.
    """
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int | float):
        return str(value)
    raise OddFieldError(name)


def whole(row: Json, name: str) -> int | None:
    """A whole number of at most eight bytes, None for null.

    Raises:
        OddFieldError: it is something else.
    """
    value = row.get(name)
    if value is None:
        return None
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else _integral(value)
    except (ValueError, OverflowError):
        number = None
    if number is None or abs(number) > _LARGEST:
        raise OddFieldError(name)
    return number


def _integral(value: Any) -> int | None:
    return int(value) if isinstance(value, float) and value.is_integer() else None


def instant(row: Json, name: str) -> datetime | None:
    """An instant, None for null or an empty text.

    Raises:
        OddFieldError: it is not a date.
    """
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        found = instant_of(value)
    except OverflowError:  # a date at the edge of the calendar in another zone
        found = None
    if found is None:
        raise OddFieldError(name)
    return found


def objects(row: Json, name: str) -> list[Json]:
    """A list of objects; empty if the row has no such field.

    Raises:
        OddFieldError: it is null, not a list, or has something else in it.
    """
    value = row.get(name, [])
    if not isinstance(value, list):
        raise OddFieldError(name)
    for place, each in enumerate(value):
        if not isinstance(each, dict):
            raise OddFieldError(f"{name}[{place}]")
    return value


def texts(row: Json, name: str) -> list[str]:
    """Those of a list that are texts; none if there is no list."""
    value = row.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def part(row: Json, name: str) -> Json:
    """An object within the row, empty if there is none."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def yes_or_no(value: Any) -> bool | None:
    """A switch in any of the forms that it may have; None if it is not one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _YES else False if word in _NO else None
    return None
