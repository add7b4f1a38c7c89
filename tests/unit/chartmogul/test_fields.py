"""Fields of answers: what can be meant is read, what cannot is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from target_chartmogul.chartmogul.fields import OddFieldError, instant, objects, text, texts, whole, yes_or_no


@pytest.mark.parametrize(
    ("value", "number"),
    [(4900, 4900), ("4900", 4900), (4900.0, 4900), ("-5", -5), (None, None), (2**62, 2**62), (0, 0)],
)
def test_whole_numbers(value, number):
    assert whole({"n": value}, "n") == number


@pytest.mark.parametrize("value", [49.5, "x", "", "49.00", True, [], {}, 2**64, "9" * 5000, float("inf"), float("nan")])
def test_what_is_no_whole_number(value):
    with pytest.raises(OddFieldError) as caught:
        whole({"n": value}, "n")
    assert caught.value.place == "n"


@pytest.mark.parametrize("value", ["someday", 7, "0001-01-01T00:00:00+14:00", "2026-13-01", True, [], "9" * 100])
def test_what_is_no_date(value):
    with pytest.raises(OddFieldError):
        instant({"date": value}, "date")


@pytest.mark.parametrize("value", ["2026-01-05", "2026-01-05T00:00:00.000Z", "2026-01-05 00:00:00 UTC"])
def test_dates(value):
    assert instant({"date": value}, "date") == datetime(2026, 1, 5, tzinfo=UTC)
    assert instant({"date": ""}, "date") is instant({}, "date") is None


def test_texts():
    row = {"a": "x", "b": "", "c": None, "d": 85281, "e": ["x", 1, None, "y"], "f": "x"}
    assert [text(row, name) for name in "abcd"] == ["x", None, None, "85281"]
    assert [texts(row, name) for name in "efc"] == [["x", "y"], [], []]
    with pytest.raises(OddFieldError):
        text(row, "e")


@pytest.mark.parametrize(
    ("value", "place"), [(None, "rows"), (7, "rows"), ("x", "rows"), ([{}, None], "rows[1]"), ([[]], "rows[0]")]
)
def test_lists_of_objects(value, place):
    assert objects({}, "rows") == []
    with pytest.raises(OddFieldError) as caught:
        objects({"rows": value}, "rows")
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("value", "meant"),
    [(True, True), (1, True), ("Yes", True), ("false", False), (0, False), ("", False), ("?", None), ([], None)],
)
def test_switches(value, meant):
    assert yes_or_no(value) is meant
