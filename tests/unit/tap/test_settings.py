"""Settings: declared once, checked by name, type and sense."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tap_keap.errors import ConfigurationError
from tap_keap.settings import CONFIG_SCHEMA, Settings, check_environment, read_settings


def test_the_schema_is_made_of_the_declarations() -> None:
    properties = CONFIG_SCHEMA["properties"]
    assert properties["page_size"] == {
        "type": ["integer", "null"],
        "title": "Page size",
        "description": "Rows per request. Halved for a listing (down to 50) whose pages time out again and again.",
        "default": 1000,
        "minimum": 1,
        "maximum": 1000,
    }
    assert properties["api_key"]["secret"] is properties["api_key"]["writeOnly"] is True
    assert properties["start_date"]["format"] == "date-time"
    assert properties["api_key_header"]["enum"] == ["authorization", "x-keap-api-key"]
    assert all("default" not in properties[name] for name in ("api_key", "start_date", "max_run_minutes", "now"))


def test_defaults_and_null() -> None:
    assert read_settings({"page_size": None, "api_key": None}) == Settings()
    assert read_settings({"max_run_minutes": Decimal("0.5")}).max_run_minutes == 0.5
    assert read_settings({"start_date": "2026-01-31"}).start_date == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("text", ["KeapAK-1\n", " KeapAK-1", "\tKeapAK-1", "KeapAK-1\r\n "])
@pytest.mark.parametrize("name", ["api_key", "client_secret", "refresh_token", "client_id"])
def test_blanks_round_a_credential_are_trimmed(name: str, text: str) -> None:
    assert getattr(read_settings({name: text}), name) == "KeapAK-1"


@pytest.mark.parametrize("text", ["KeapAK 1", "KeapAK\n1", "Keap\u2026", "Keap\x00"])
def test_blanks_within_a_credential_are_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Setting 'api_key' contains a blank") as caught:
        read_settings({"api_key": text})
    assert text not in str(caught.value)


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v2", "/v2/", " "])
def test_the_address_with_and_without_version(end: str) -> None:
    assert read_settings({"api_url": f"https://keap.example/crm/rest{end}"}).api_url == "https://keap.example/crm/rest"


@pytest.mark.parametrize("address", ["http://keap.example", "https://", "https://[", "https://a:b", "keap.example"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ConfigurationError, match="Setting 'api_url'"):
        read_settings({"api_url": address})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"related_records": True}, "Unknown setting 'related_records'"),
        ({"page_sise": 5}, "Did you mean 'page_size'?"),
        ({"page_size": 0}, "Setting 'page_size': minimum is 1"),
        ({"page_size": "5"}, "Setting 'page_size': expected integer"),
        ({"now": "noon"}, "Setting 'now': expected a date"),
        ({"max_run_minutes": -1}, "Setting 'max_run_minutes': minimum is 0"),
    ],
)
def test_settings_that_cannot_be_used(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words.replace("?", "[?]")):
        read_settings(config)


def test_environment_variables_that_are_not_settings() -> None:
    check_environment({"TAP_KEAP_API_KEY": "", "TAP_KEAP_LOGLEVEL": "", "TAP_KEAP__SELECT": "", "OTHER": "",
                       "TAP_KEAP_STREAM_MAPS_ORDERS": "", "TAP_KEAP_FAKER_CONFIG_SEED": ""})  # fmt: skip
    for name, near in {"TAP_KEAP_APIKEY": "TAP_KEAP_API_KEY", "TAP_KEAP_PAGESIZE": "TAP_KEAP_PAGE_SIZE"}.items():
        with pytest.raises(ConfigurationError, match=f"{name} is not a setting. Did you mean '{near}'"):
            check_environment({name: "secret"})
