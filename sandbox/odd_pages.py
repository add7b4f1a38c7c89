"""What may be odd about a page of rows: one row of it, the list, or what leads to the next page.

The kinds of ``PLACES`` ignore the page token or cursor that they are asked with and answer with the first page; the
others change the page that was asked for. An answer that is no page is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from sandbox.odd_answers import DEPTH, Answer, Oddity

PLACE_PARAMETERS = ("page_token", "cursor")
Page: TypeAlias = dict[str, Any]
Change = Callable[[list[Any]], None]
_AMOUNTS = ("amount_in_cents", "amount")
_DATES = ("date", "creation_time", "create_time", "effective_date", "payment_time", "lead_created_at")


def _on_page(change: Callable[[Page, str, str | None], None]) -> Oddity:
    """An oddity by a change to the page, which is handed the name of its list and the place asked for."""

    def answer(true: Answer) -> Answer:
        try:
            page = json.loads(true.body)
        except ValueError:
            return true
        name = next((n for n, value in page.items() if isinstance(value, list)), None) if _is_page(page) else None
        if name is None:
            return true
        change(page, name, true.place)
        return true.with_json(page)

    return answer


def _is_page(page: object) -> bool:
    return isinstance(page, dict) and ("has_more" in page or "next_page_token" in page or len(page) == 1)


def _on_rows(change: Change) -> Oddity:
    """An oddity by a change to the rows, of which there is at least one."""
    return _on_page(lambda page, name, _: change(page[name]) if page[name] else None)


def _on_first_row(change: Callable[[dict[str, Any]], None]) -> Oddity:
    return _on_rows(lambda rows: change(rows[0]))


def _each(row: Any, names: tuple[str, ...], change: Callable[[Any], Any]) -> None:
    """Change these fields, wherever in the row they are; amounts of money may be objects with an ``amount``."""
    if isinstance(row, list):
        for item in row:
            _each(item, names, change)
    elif isinstance(row, dict):
        for name, value in row.items():
            if name in names and not isinstance(value, dict | list):
                row[name] = change(value)
            else:
                _each(value, names, change)


def _without_id(row: dict[str, Any]) -> None:
    for name in ("uuid", "id"):
        row.pop(name, None)


def _other_id(row: dict[str, Any]) -> None:
    for name in ("external_id", "id"):
        if name in row:
            row[name] = 12345678901234567890
            return


def _lists_null(row: dict[str, Any]) -> None:
    row.update({name: None for name, value in row.items() if isinstance(value, list)})


def _deep(answer: Answer) -> Answer:
    """A row with a field that is nested too deep for Python's own writer of JSON."""
    mark = "nested here"
    marked = _on_first_row(lambda row: row.update(custom_fields=mark))(answer)
    return replace(marked, body=marked.body.replace(json.dumps(mark).encode(), b"[" * DEPTH + b"]" * DEPTH))


def _not_a_number(row: dict[str, Any]) -> None:
    row["score_value"] = float("nan")


def _half_a_character(row: dict[str, Any]) -> None:
    name = next((n for n, value in row.items() if isinstance(value, str) and n not in {"id", "uuid"}), "name")
    row[name] = "\ud83d"


def _set_list(value: object) -> Oddity:
    return _on_page(lambda page, name, _: page.update({name: value}))


def _lead_on(page: Page, place: object) -> None:
    """Say that there is another page, at ``place``."""
    if "has_more" in page or "cursor" in page:
        page.update(cursor=place, has_more=True)
    else:
        page["next_page_token"] = place


def _nothing(page: Page, name: str, place: str | None) -> None:
    """As if there were no rows at all."""
    page[name] = []
    if "has_more" in page:
        page.update(cursor=None, has_more=False)
    if "next_page_token" in page:
        page["next_page_token"] = ""


def _number_as_place(page: Page, name: str, place: str | None) -> None:
    _lead_on(page, 3)


def _same_place(page: Page, name: str, place: str | None) -> None:
    _lead_on(page, place or "3")


def _same_place_on_an_empty_page(page: Page, name: str, place: str | None) -> None:
    if place:
        page[name] = []
    _lead_on(page, place or "3")


def _places_by_turns(page: Page, name: str, place: str | None) -> None:
    _lead_on(page, "b" if place == "a" else "a")


PLACES: Mapping[str, Oddity] = {
    "alternating_tokens": _on_page(_places_by_turns),
    "repeated_token": _on_page(_same_place),
    "repeated_token_empty": _on_page(_same_place_on_an_empty_page),
}

ROWS: Mapping[str, Oddity] = {
    "amount_float": _on_first_row(lambda row: _each(row, _AMOUNTS, float)),
    "amount_text": _on_first_row(lambda row: _each(row, _AMOUNTS, str)),
    "date_text": _on_first_row(lambda row: _each(row, _DATES, lambda _: "someday")),
    "deep_row": _deep,
    "half_character_row": _on_first_row(_half_a_character),
    "list_empty": _on_page(_nothing),
    "list_null": _set_list(None),
    "list_number": _set_list(7),
    "list_true": _set_list(value=True),
    "lists_null_in_row": _on_first_row(_lists_null),
    "nan_row": _on_first_row(_not_a_number),
    "null_row": _on_rows(lambda rows: rows.insert(0, None)),
    "odd_id_row": _on_first_row(_other_id),
    "row_without_id": _on_first_row(_without_id),
    "text_row": _on_rows(lambda rows: rows.insert(0, "row")),
    "token_number": _on_page(_number_as_place),
}
