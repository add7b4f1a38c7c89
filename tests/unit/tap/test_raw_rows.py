"""A page that is not JSON as a whole is taken apart at its brackets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_keap.raw_rows import NotAPageError, split_page

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text(max_size=6), VALUES, max_size=4), max_size=5)


@given(ROWS, ROWS, st.dictionaries(st.text(max_size=6), VALUES, max_size=3), st.booleans())
def test_rows_around_a_broken_one_are_whole(
    before: list[Any], after: list[Any], beside: dict[str, Any], first: bool
) -> None:
    broken = b'{"id": NaN}'
    rows = b", ".join(
        [*(json.dumps(row).encode() for row in before), broken, *(json.dumps(row).encode() for row in after)]
    )
    others = json.dumps({name: value for name, value in beside.items() if name != "orders"}).encode()
    listed = b'"orders": [' + rows + b"]"
    inside = others[1:-1]
    parts = [part for part in ((listed, inside) if first else (inside, listed)) if part]
    around, texts = split_page(b"{" + b", ".join(parts) + b"}", "orders")
    assert [json.loads(text) for text in texts if text.strip() != broken] == before + after
    assert json.loads(around) == {**json.loads(others), "orders": []}


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b'{"orders": [}', b'{"orders": [', b'{"orders": {}}', b'{"x": {"orders": []}}', b'["orders", []]'],
)
def test_what_is_not_a_page(text: bytes) -> None:
    with pytest.raises(NotAPageError):
        split_page(text, "orders")
