"""One line of the bench's table, and the table."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

_JUDGES: Final = {"≥": operator.ge, "≤": operator.le, "=": operator.eq}


@dataclass(frozen=True)
class Row:
    """A figure beside what it must reach.

    Args:
        what: what is measured, with its unit.
        ours: the figure.
        required: `≥ 20,000`, `≤ 0.6`, `= 0`; empty for figures that are only told.
        peer: the same of somebody else, with its name.
        ratio: how many times better than the peer.
        floor: what physics or the API's limits leave.
        detail: what else was seen.
    """

    what: str
    ours: float
    required: str = ""
    peer: str = ""
    ratio: float | None = None
    floor: str = ""
    detail: str = ""
    also: bool = field(default=True)
    """Whatever else must hold, such as a ratio."""

    @property
    def met(self) -> bool:
        """Whether the figure is what it must be."""
        if not self.required:
            return self.also
        sign, number = self.required.replace(",", "").split()[:2]
        return bool(_JUDGES[sign](self.ours, float(number))) and self.also


def number_text(value: float) -> str:
    """Enough digits to judge by, no more."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def print_table(rows: Iterable[Row]) -> None:
    """All rows, those that miss marked."""
    table = Table("", "what", "ours", "required", "peer", "ratio", "floor", "seen besides", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            "ok" if row.met else "MISS",
            row.what,
            number_text(row.ours),
            row.required,
            row.peer,
            "" if row.ratio is None else f"{row.ratio:.1f}",
            row.floor,
            row.detail,
        )
    Console(highlight=False, width=200).print(table)
