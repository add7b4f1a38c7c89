"""Settings: the schema says what the code does, and every value is checked before anything happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from target_chartmogul import settings as config
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.settings import PROPERTIES
from target_chartmogul.sources.keap.settings import MappingSettings

OWN = set(config.Settings.__struct_fields__) - {"mapping"}


def test_every_setting_is_in_the_schema_and_the_other_way_round() -> None:
    assert set(PROPERTIES) == OWN | set(MappingSettings.__struct_fields__) - {"account_currency"}


@pytest.mark.parametrize("name", [name for name, schema in PROPERTIES.items() if "default" in schema])
def test_defaults_are_those_of_the_code(name: str) -> None:
    settings = config.load({"api_key": "k"})
    found = getattr(settings if name in OWN else settings.mapping, name)
    assert (list(found) if isinstance(found, tuple) else found) == PROPERTIES[name]["default"]


@pytest.mark.parametrize("name", [name for name, schema in PROPERTIES.items() if "default" not in schema])
def test_without_a_default_it_is_not_set(name: str) -> None:
    settings = config.load({"api_key": "k"})
    found = getattr(settings if name in OWN else settings.mapping, name)
    assert not found or name == "api_key"


def test_every_setting_is_described() -> None:
    assert [name for name, schema in PROPERTIES.items() if not schema["description"].endswith(".")] == []


def test_ids_may_be_numbers() -> None:
    loaded = config.load({"api_key": "k", "exclude_products": [54, "55"], "plan_change_products": [[1, "2"]]})
    assert loaded.mapping.exclude_products == ("54", "55")
    assert loaded.mapping.plan_change_products == (("1", "2"),)


def test_empty_texts_and_nulls_count_as_not_set() -> None:
    assert config.load({"api_key": "k", "store_path": "", "now": None}) == config.load({"api_key": "k"})


def test_the_clock_is_an_instant() -> None:
    assert config.load({"api_key": "k", "now": "2026-01-01"}).now == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_key_is_in_no_representation() -> None:
    assert "s3cret" not in repr(config.load({"api_key": "s3cret"}))


@pytest.mark.parametrize(
    "url", ["https://api.chartmogul.com/v1/", "http://127.0.0.1:80/v1", "http://localhost/v1", "http://[::1]:9/v1"]
)
def test_addresses_that_are_taken(url: str) -> None:
    assert config.load({"api_key": "k", "api_url": url}).api_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://api.chartmogul.com/v1", "ftp://x", "https://", "127.0.0.1", "http://127.0.0.1.example.com"]
)
def test_addresses_that_are_not(url: str) -> None:
    with pytest.raises(ConfigurationError, match="api_url"):
        config.load({"api_key": "k", "api_url": url})


@pytest.mark.parametrize("name", list(PROPERTIES))
def test_a_wrong_type_is_told_without_the_value(name: str) -> None:
    wrong: Any = {"object": "s3cret", "array": "s3cret"}.get(PROPERTIES[name]["type"], ["s3cret"])
    with pytest.raises(ConfigurationError) as caught:
        config.load({"api_key": "k", name: wrong})
    assert f"`{name}`" in str(caught.value)
    assert "s3cret" not in str(caught.value)
