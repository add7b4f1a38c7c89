"""Reading request fields: every error is noted under the field's name, the first one per field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from iso4217 import Currency

from sandbox.chartmogul import errors, timestamps

# Withdrawn from ISO 4217 since 2000; old invoices are in them.
WITHDRAWN = (
    "AFA", "ANG", "ATS", "AZM", "BEF", "BGL", "BGN", "BYB", "BYR", "CUC", "CYP", "DEM", "EEK", "ESP",
    "FIM", "FRF", "GHC", "GRD", "GWP", "HRK", "IEP", "ITL", "LTL", "LUF", "LVL", "MGF", "MRO", "MTL",
    "MXV", "MZM", "NLG", "PTE", "ROL", "RUR", "SDD", "SIT", "SKK", "SLL", "SRG", "STD", "TMM", "TRL",
    "VEB", "VEF", "XEU", "YUM", "ZMK", "ZWD", "ZWL", "ZWN", "ZWR",
)  # fmt: skip
CURRENCIES = frozenset(currency.code for currency in Currency) | {*WITHDRAWN}
_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
                    r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+(?:[A-Za-z]{2,}|xn--[A-Za-z0-9-]+)")  # fmt: skip


def is_email(text: object) -> bool:
    return isinstance(text, str) and len(text) <= 255 and _EMAIL.fullmatch(text) is not None


class Reader:
    """Reads `data`; `errors` maps a field (with `prefix`) to what is wrong with it.

    `lenient` is for whoever reads: cancellations may lie in the future.
    """

    def __init__(self, data: Mapping[str, Any], now: int, prefix: str = "") -> None:
        self.data = data
        self.now = now
        self.prefix = prefix
        self.lenient = False
        self.errors: dict[str, str] = {}

    def note(self, name: str, message: str) -> None:
        self.errors.setdefault(self.prefix + name, message)

    def has(self, name: str) -> bool:
        return name in self.data

    def text(self, name: str, *, required: bool = False, limit: int = 255) -> str | None:
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                self.note(name, errors.BLANK)
            return None
        if not isinstance(value, str):
            self.note(name, errors.INVALID)
            return None
        if len(value) > limit:
            self.note(name, f"is too long (maximum is {limit} characters)")
        return value

    def choice(self, name: str, values: tuple[str, ...], *, required: bool = False) -> str | None:
        value = self.data.get(name)
        if value is None:
            if required:
                self.note(name, errors.BLANK)
            return None
        if value not in values:
            self.note(name, "is not included in the list")
            return None
        return str(value)

    def integer(self, name: str, *, required: bool = False, least: int | None = None) -> int | None:
        value = self.data.get(name)
        if value is None:
            if required:
                self.note(name, errors.BLANK)
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.note(name, "is not a number" if not isinstance(value, float) else "must be an integer")
            return None
        if least is not None and value < least:
            self.note(name, f"must be greater than or equal to {least}")
        return value

    def boolean(self, name: str) -> bool:
        value = self.data.get(name)
        if value is not None and not isinstance(value, bool):
            self.note(name, errors.INVALID)
        return value is True

    def moment(self, name: str, *, required: bool = False, past: str | None = None) -> int | None:
        """A time; `past` is the message for one that lies in the future."""
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                self.note(name, errors.BLANK)
            return None
        try:
            moment = timestamps.parse(value) if isinstance(value, str) else None
        except ValueError:
            moment = None
        if moment is None:
            self.note(name, errors.INVALID)
            return None
        if past and moment > self.now:
            self.note(name, past)
        return moment

    def currency(self, name: str, *, required: bool = False) -> str | None:
        value = self.text(name, required=required)
        if value is not None and value not in CURRENCIES:
            self.note(name, "Currency is invalid")
        return value
