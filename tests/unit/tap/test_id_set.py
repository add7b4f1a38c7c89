"""A set of ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tap_keap.id_set import IdSet


@given(st.lists(st.one_of(st.integers(0, 10**12).map(str), st.text(max_size=8))))
def test_an_id_set_is_a_set(ids: list[str]) -> None:
    found, expected = IdSet(), set[str]()
    for identifier in ids:
        assert (identifier in found) == (identifier in expected)
        assert found.add(identifier) == (identifier not in expected)
        expected.add(identifier)
        assert identifier in found


def test_ids_that_look_alike_are_not_one() -> None:
    found = IdSet()
    assert [found.add(identifier) for identifier in ("7", "07", "\u0667", "7.0", "", "7")] == [True] * 5 + [False]
