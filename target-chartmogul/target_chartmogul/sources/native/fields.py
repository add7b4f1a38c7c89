"""Fields of a row, each read as what it has to be; what cannot be used is refused by path, never by value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NoReturn

from target_chartmogul.billing.instants import instant_of
from target_chartmogul.billing.money import UnknownCurrencyError, minor_units

LONGEST: Final = 255
"""ChartMogul's limit on external ids and texts."""
_LARGEST_AMOUNT: Final = 2**53
"""What JSON can carry without loss."""


class InvalidFieldError(ValueError):
    """A field that can never be accepted (rule 1.5).

    Attributes:
        field: its path in the row.
        reason: why, without its value.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class Fields:
    """The fields of an object.

    Args:
        values: the object, decoded.
        prefix: `external_id_prefix`, which counts into the length of ids.
        path: where the object stands in its row, with a dot at its end.
    """

    def __init__(self, values: Mapping[str, Any], prefix: str, path: str = "") -> None:
        self._values = values
        self._prefix = prefix
        self._path = path

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Refuse the row for a field.

        Raises:
            InvalidFieldError: always.
        """
        raise InvalidFieldError(self._path + name, reason)

    def has(self, name: str) -> bool:
        """Whether there is anything in a field."""
        value = self._values.get(name)
        return value is not None and value != ""

    def text(self, name: str) -> str | None:
        """A text of 255 characters at most; None if there is none, or nothing but spaces."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(name, "is not a text")
        stripped = value.strip()
        if len(stripped) > LONGEST:
            self.refuse(name, f"is longer than {LONGEST} characters")
        return stripped or None

    def needed_text(self, name: str) -> str:
        """The same, but it must be there."""
        found = self.text(name)
        return self.refuse(name, "is missing") if found is None else found

    def id(self, name: str, *, spare: int = 0) -> str:
        """An external id: any text, or a whole number, that leaves room for the prefix and `spare` characters."""
        value = self._values.get(name)
        if value is None or value == "":
            self.refuse(name, "is missing")
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.refuse(name, "is neither a text nor a whole number")
        found = str(value)
        if found != found.strip() or not found.isprintable():
            self.refuse(name, "has spaces around it, or characters that cannot be printed")
        if len(found) + len(self._prefix) + spare > LONGEST:
            self.refuse(name, f"is longer than {LONGEST} characters, with what this target adds to it")
        return found

    def integer(self, name: str, *, least: int | None = None) -> int | None:
        """A whole number; None if there is none."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(name, "is not a whole number")
        if abs(value) > _LARGEST_AMOUNT:
            self.refuse(name, "is too large")
        if least is not None and value < least:
            self.refuse(name, f"is below {least}")
        return value

    def needed_integer(self, name: str, *, least: int | None = None) -> int:
        """The same, but it must be there."""
        found = self.integer(name, least=least)
        return self.refuse(name, "is missing") if found is None else found

    def boolean(self, name: str) -> bool | None:
        """True or false; None if there is neither."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, "is neither true nor false")
        return value

    def choice(self, name: str, *values: str) -> str:
        """One of some texts."""
        value = self._values.get(name)
        if value is None:
            self.refuse(name, "is missing")
        if not isinstance(value, str) or value not in values:
            self.refuse(name, f"is not one of {', '.join(values)}")
        return value

    def instant(self, name: str) -> datetime | None:
        """A date or time (ISO 8601), cut to milliseconds; a date is its midnight, and without a zone it is in UTC."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        try:
            found = instant_of(value)
        except OverflowError:
            found = None
        if found is None or not 1970 <= found.year < 2200:
            self.refuse(name, "is not a date or time between 1970 and 2200 (ISO 8601)")
        return found.replace(microsecond=found.microsecond // 1000 * 1000)

    def needed_instant(self, name: str) -> datetime:
        """The same, but it must be there."""
        found = self.instant(name)
        return self.refuse(name, "is missing") if found is None else found

    def currency(self, name: str) -> str:
        """A code of ISO 4217 with amounts, in any case."""
        found = self.needed_text(name).upper()
        try:
            minor_units(found)
        except UnknownCurrencyError:
            self.refuse(name, "is not a currency of ISO 4217 with amounts")
        return found

    def objects(self, name: str) -> list[Fields] | None:
        """A list of objects; None if there is no list."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self.refuse(name, "is not a list")
        for place, each in enumerate(value):
            if not isinstance(each, dict):
                self.refuse(f"{name}.{place}", "is not an object")
        return [Fields(each, self._prefix, f"{self._path}{name}.{place}.") for place, each in enumerate(value)]
