"""What counts as an edit by a person: a changed value, and nothing less (rule 6.8)."""

from __future__ import annotations

import pytest

from target_chartmogul.chartmogul.listing import _marks

EDIT = {"amount_in_cents": {"original_value": 4900, "edited_value": 9900}}
SAME = {"amount_in_cents": {"original_value": 4900, "edited_value": 4900}}


@pytest.mark.parametrize(
    ("summary", "edited"),
    [
        ({"values_changed": EDIT}, True),
        ({"values_changed": SAME | {"currency": {"original_value": None, "edited_value": "EUR"}}}, True),
        ({"values_changed": SAME}, False),
        ({"values_changed": {"amount_in_cents": None}}, False),
        ({"values_changed": {}}, False),
        ({"values_changed": None, "latest_edit_author": None}, False),
        ({"values_changed": []}, False),
        ({}, False),
        (None, False),
        ("edited", False),
        (True, False),
    ],
)
def test_edited(summary, edited):
    assert set(_marks({"edit_history_summary": summary})) == ({"edited"} if edited else set())


@pytest.mark.parametrize(
    ("row", "marks"),
    [
        ({"disabled": True}, {"disabled"}),
        ({"disabled": False, "errors": {}}, set()),
        ({"disabled": None, "errors": None}, set()),
        ({"errors": {"currency": ["Currency is invalid"]}}, {"invalid"}),
        ({"errors": ["bad"]}, {"invalid"}),
    ],
)
def test_disabled_and_invalid(row, marks):
    assert set(_marks(row)) == marks
