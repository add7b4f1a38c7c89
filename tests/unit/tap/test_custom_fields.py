"""Custom fields as columns: what does not fit its column becomes null there."""

from __future__ import annotations

from typing import Any

import pytest

from tap_keap.custom_fields import custom_columns, fill_columns

MODEL = [
    {"id": "1", "field_name": "Seats", "field_type": "WHOLE_NUMBER"},
    {"id": "2", "field_name": "Rate %", "field_type": "PERCENT"},
    {"id": "3", "field_name": "rate", "field_type": "TEXT"},
    {"id": "4", "label": "Rate", "field_type": "TEXT"},
]


def test_names_that_differ_only_in_what_a_column_cannot_hold_get_the_id() -> None:
    columns = custom_columns(MODEL)
    assert [columns[each].name for each in "1234"] == ["custom_Seats", "custom_Rate", "custom_rate_3", "custom_Rate_4"]
    assert [columns[each].kind for each in "123"] == ["integer", "number", "string"]


@pytest.mark.parametrize(
    ("content", "seats"),
    [("12", 12), (12, 12), ("12.0", 12), ("12.5", None), ("many", None), ("", None), (None, None), ("NaN", None),
     ("1e999999999", None), (["12"], None)],
)  # fmt: skip
def test_a_whole_number(content: Any, seats: int | None) -> None:
    row: dict[str, Any] = {"custom_fields": [{"id": "1", "content": content}, {"id": "9", "content": "x"}, None]}
    fill_columns(row, custom_columns(MODEL))
    assert row["custom_Seats"] == seats
