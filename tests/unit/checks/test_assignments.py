"""`--set NAME=VALUE`: values as settings take them."""

from __future__ import annotations

from typing import Any

import pytest

from target_chartmogul.checks.assignments import assigned
from target_chartmogul.failures import ConfigurationError


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("interval_source=subscription", "interval_source", "subscription"),
        ("now=2026-01-01", "now", "2026-01-01"),
        ("currency=", "currency", ""),
        ("hard_delete=true", "hard_delete", True),
        ("hard_delete=False", "hard_delete", False),
        ('exclude_products=["31", 32]', "exclude_products", ["31", 32]),
        ('cancellation_overrides={"81":"none"}', "cancellation_overrides", {"81": "none"}),
        ("invoices_since=2026-01-01=x", "invoices_since", "2026-01-01=x"),
    ],
)
def test_values_are_json_where_the_setting_is_not_a_text(text: str, name: str, value: Any) -> None:
    assert assigned([text]) == {name: value}


def test_the_last_one_of_a_name_counts() -> None:
    assert assigned(["currency=USD", "currency=EUR"]) == {"currency": "EUR"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interval_source", "takes NAME=VALUE"),
        ("intervalsource=x", "did you mean `interval_source`"),
        ("zzz=x", "see `target-chartmogul --about`"),
        ("store_path=x", "does not say what ChartMogul should hold"),
        ("exclude_products=31,32", "must be a list as JSON"),
        ("customer_tags=vip", "must be an object as JSON"),
    ],
)
def test_mistakes_name_the_setting_and_what_it_takes(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words.replace("`", ".").replace("(", ".")):
        assigned([text])
