"""From a page's JSON to rows that fit their stream's schema.

The fast way decodes straight into typed dictionaries made from the schema: unknown fields vanish, and types are
checked, in one pass outside Python. Only a page that does not fit takes the slow way, row by row; one that is not even
JSON (a row holds NaN, half an emoji, bytes that are not UTF-8, or is nested too deeply) is taken apart first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict
from urllib.parse import parse_qs, urlsplit

import msgspec

from tap_keap.conform import Row, RowError, Schema, check_depth, conform, fixers_of, python_type, whole_row_checker
from tap_keap.raw_rows import NotAPageError, split_page

_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder says of a text that is not JSON, not UTF-8, or nested too deeply."""


BESIDE_LISTS = ("next_page_token", "optional_properties", "default_merchant_account_id")
"""What Keap's answers have beside their list, and counts."""


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


def page_token(value: str | None) -> str | None:
    """The token of the next page.

    Keap documents an opaque string, and has been seen to send a whole URL that holds the token.
    """
    if not value:
        return None
    if "://" in value:
        try:
            found = parse_qs(urlsplit(value).query).get("page_token")
        except ValueError:
            return value
        return found[0] if found else None
    return value


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
        row_list: Any = list.__class_getitem__(python_type(nullable_row, "KeapRow"))
        page_fields: dict[str, Any] = {
            envelope: row_list | None,
            "next_page_token": str | None,
        }
        page_type: Any = TypedDict("KeapPage", page_fields, total=False)  # type: ignore[misc]
        self._typed = None if keep_unknown else msgspec.json.Decoder(page_type)
        self._fixers = [*([whole_row_checker] if keep_unknown else []), *fixers_of(schema)]

    def read(self, body: bytes) -> Page:
        """Rows and next token of one answer.

        Raises:
            msgspec.DecodeError: if the body is not a page (cut off, an HTML page, a list that is none).
        """
        rejected: list[tuple[str | None, str]] = []
        try:
            if self._typed is not None:
                answer: Any = self._typed.decode(body)
                if answer.get(self._envelope) is None:
                    self._check_listless(body)
                return self._page(answer.get(self._envelope), answer.get("next_page_token"), rejected)
        except _BROKEN:
            pass
        try:
            answer = self._plain.decode(body)
            listed = answer.get(self._envelope)
        except _BROKEN:
            answer, listed = self._taken_apart(body, rejected)
        if listed is None:
            self._check_listless(body)
        elif not isinstance(listed, list):
            raise msgspec.DecodeError(f"`{self._envelope}` is not a list")
        token = answer.get("next_page_token")
        if isinstance(token, int) and not isinstance(token, bool):
            token = str(token)
        if token is not None and not isinstance(token, str):
            raise msgspec.DecodeError("`next_page_token` is not a text")
        return self._page(self._row_by_row(listed or [], rejected), token, rejected)

    def _check_listless(self, body: bytes) -> None:
        """Believe that there are no rows only if the answer says nothing else; what it drops must not look deleted.

        Raises:
            msgspec.DecodeError: if it holds something that is not known to be beside a list.
        """
        try:
            answer = self._plain.decode(body)
        except (UnicodeDecodeError, RecursionError):
            raise msgspec.DecodeError("not a page") from None
        beside = {key for key, value in answer.items() if value is not None and not isinstance(value, int)}
        if beside - {self._envelope, *BESIDE_LISTS}:
            raise msgspec.DecodeError(f"`{self._envelope}` is missing")

    def page_of(self, rows: list[Any]) -> Page:
        """A page with rows that were put together from other answers."""
        rejected: list[tuple[str | None, str]] = []
        return self._page(self._row_by_row(rows, rejected), None, rejected)

    def _page(self, rows: Any, token: str | None, rejected: list[tuple[str | None, str]]) -> Page:
        return Page(self._with_moments(rows or [], rejected), page_token(token), rejected)

    def _taken_apart(self, body: bytes, rejected: list[tuple[str | None, str]]) -> tuple[dict[str, Any], list[Any]]:
        """A page that is not JSON as a whole: what can be read of it."""
        try:
            around, texts = split_page(body, self._envelope)
            answer = self._plain.decode(around)
        except (NotAPageError, *_BROKEN):
            raise msgspec.DecodeError("not a page") from None
        rows = []
        for text in texts:
            try:
                rows.append(_ANY.decode(text))
            except RecursionError:
                rejected.append((_id_in(text), "it is nested too deeply"))
            except (msgspec.DecodeError, UnicodeDecodeError):
                rejected.append((_id_in(text), "it is not valid JSON"))
        return answer, rows

    def _row_by_row(self, raw: list[Any], rejected: list[tuple[str | None, str]]) -> list[Row | None]:
        rows = []
        for row in raw:
            try:
                rows.append(conform(row, self._schema, "", keep_unknown=self._keep_unknown))
            except RowError as error:
                identifier = row.get("id") if isinstance(row, dict) else None
                rejected.append((None if identifier is None else str(identifier), str(error)))
        return rows

    def _with_moments(self, rows: Sequence[Row | None], rejected: list[tuple[str | None, str]]) -> list[Row]:
        kept = []
        for row in rows:
            if row is None:
                rejected.append((None, "the row is null"))
                continue
            try:
                for fix in self._fixers:
                    fix(row)
            except RowError as error:
                rejected.append((str(row.get("id")) if row.get("id") is not None else None, str(error)))
            else:
                kept.append(row)
        return kept


_ANY = msgspec.json.Decoder(float_hook=Decimal)


def _id_in(text: bytes) -> str | None:
    """The id of a row that is not JSON, so that the log can name it."""
    found = re.search(rb'"id"\s*:\s*"?(\d{1,20})\b', text)
    return found[1].decode() if found else None


def read_object(body: bytes) -> dict[str, Any]:
    """An answer that is one object.

    Raises:
        msgspec.DecodeError: if it is not.
    """
    try:
        found = _ANY.decode(body)
        check_depth(found, "")
    except (UnicodeDecodeError, RecursionError, RowError):
        found = None
    if not isinstance(found, dict):
        raise msgspec.DecodeError("not an object")
    return found
