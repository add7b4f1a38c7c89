"""Lines of an explanation, with the rules that they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Said(NamedTuple):
    """A sentence, the rule that it rests on, and how far it is indented."""

    text: str
    rule: str | None = None
    depth: int = 1


def as_text(said: Iterable[Said]) -> Iterator[str]:
    """`  4.3  the item names its subscription`: the rule before the sentence."""
    for each in said:
        rule = f"{each.rule}  " if each.rule else ""
        yield f"{'  ' * each.depth}{rule}{each.text}"
