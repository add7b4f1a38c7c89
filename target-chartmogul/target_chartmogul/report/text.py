"""Tables and amounts for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence


def money(hundredths: int, currency: str | None = None, *, sign: bool = False) -> str:
    """`-1,249.00 USD` from hundredths; with `sign`, more than 0 gets a plus."""
    before = "-" if hundredths < 0 else "+" if sign and hundredths else ""
    size = abs(hundredths)
    return f"{before}{size // 100:,}.{size % 100:02}{' ' + currency if currency else ''}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[int] = (0,)) -> Iterator[str]:
    """Lines with aligned columns, indented by two; those in `left` begin at the left, the others end at the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield ("  " + "  ".join(cells)).rstrip()
