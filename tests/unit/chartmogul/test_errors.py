"""Every shape in which ChartMogul refuses (dev.chartmogul.com and recorded traffic) gives status, field and reason."""

from __future__ import annotations

import pytest

from target_chartmogul.chartmogul.errors import refused


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"code": 422, "message": "No good.", "param": "email"}, "email", "No good."),
        ({"code": 401, "message": "No valid API key provided", "param": None}, "", "No valid API key provided"),
        ({"errors": {"external_id": "has already been taken"}}, "external_id", "has already been taken"),
        ({"errors": {"date": ["is in the future", "is odd"]}}, "date", "is in the future, is odd"),
        ({"error": "Plan not found"}, "", "Plan not found"),
        (
            {"error": "Invoice not found", "error_details": [{"param": "invoice", "code": "invalid", "message": "x"}]},
            "invoice",
            "x",
        ),
        (
            {"name": ["can't be blank"], "error_details": [{"param": "name", "code": "blank", "message": "blank"}]},
            "name",
            "blank",
        ),
        ({"plan_ids": ["can't be blank"]}, "plan_ids", "can't be blank"),
        (
            {"invoices": [{"external_id": "1", "errors": {"line_items.external_id": "exists"}}]},
            "line_items.external_id",
            "exists",
        ),
        ({"message": "Status transition is not allowed"}, "", "Status transition is not allowed"),
        ("404 Not Found", "", "404 Not Found"),
        ("<html><body>secret</body></html>", "", ""),
        (None, "", "no reason given"),
        ([1], "", "no reason given"),
        ({"errors": {}}, "", "no reason given"),
    ],
)
def test_shapes(body, field, reason):
    error = refused(422, body)
    assert (error.status, error.field, error.reason) == (422, field, reason)


def test_nothing_personal_is_repeated():
    body = {"errors": {"email": 'The address ada@example.org of "Ada L" is not good', "name": "Lovelace is too long"}}
    error = refused(422, body, ["Lovelace"])
    for text in (str(error), repr(error), *error.fields.values()):
        assert "ada@" not in text
        assert "example.org" not in text
        assert "Ada L" not in text
        assert "Lovelace" not in text
    assert error.about_email


def test_a_long_reason_is_cut():
    assert len(refused(422, {"error": "x" * 5000}).reason) == 200


@pytest.mark.parametrize(
    ("fields", "itself", "part"),
    [
        ({"external_id": "The external ID for this customer already exists in our system."}, True, False),
        ({"external_id": "A plan with this identifier already exists in our system."}, True, False),
        ({"external_id": "has already been taken"}, True, False),
        ({"external_id": "is too long"}, False, False),
        ({"line_items.external_id": "The external ID for this line item already exists in our system."}, False, True),
        ({"transactions.external_id": "has already been taken", "currency": "is bad"}, False, True),
    ],
)
def test_duplicates(fields, itself, part):
    error = refused(422, {"errors": fields})
    assert (error.duplicate, error.duplicate_part) == (itself, part)
    assert not refused(400, {"errors": fields}).duplicate


def test_a_duplicate_that_is_told_by_its_code():
    assert refused(422, {"error_details": [{"param": "external_id", "code": "taken"}]}).duplicate


def test_a_refusal_cannot_forge_a_line_of_the_log():
    error = refused(422, {"errors": {"na\nme": "bad\nERROR \x1b[31m forged"}})
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert error.field == "na\\nme"


@pytest.mark.parametrize(
    "body",
    [
        True,
        7,
        {"errors": 7},
        {"errors": [None]},
        {"message": None},
        {"invoices": [None, 7, {"errors": None}]},
        {"error_details": [None, {"param": 7, "message": []}]},
        {"errors": {"a": {"b": [1]}}},
        {"a": [None]},
    ],
)
def test_odd_bodies_are_refusals_too(body):
    assert refused(422, body).status == 422
