"""Settings that Keap's account knows (rules 3.5, 4.1)."""

from __future__ import annotations

import json

import msgspec
import pytest

from target_chartmogul.billing.nodes import END_NODE, is_of_accounts, stream_of
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.source import KeapSource
from target_chartmogul.sources.native.source import NativeSource
from target_chartmogul.sources.protocol import Filled

SOURCE = KeapSource()


def filled(row: dict[str, object], **settings: str) -> Filled:
    payload = SOURCE.read("account", json.dumps({"id": "account", **row}).encode()).payload
    return SOURCE.filled(msgspec.convert(settings, MappingSettings), payload)


@pytest.mark.parametrize(
    ("row", "taken", "ignored"),
    [
        ({}, {}, {}),
        ({"currency_code": None, "time_zone": ""}, {}, {}),
        ({"currency_code": " usd "}, {"currency": "USD"}, {}),
        ({"currency_code": "HRK"}, {"currency": "HRK"}, {}),
        ({"currency_code": "$"}, {}, {"currency": "$"}),
        ({"time_zone": "Europe/Berlin"}, {"keap_timezone": "Europe/Berlin"}, {}),
        ({"time_zone": "Eastern"}, {}, {"keap_timezone": "Eastern"}),
        ({"time_zone": "../../etc/passwd"}, {}, {"keap_timezone": "../../etc/passwd"}),
        ({"time_zone": "x" * 5000}, {}, {"keap_timezone": "x" * 64}),
        ({"time_zone": "x\0y"}, {}, {"keap_timezone": "x\0y"}),
        ({"payment_types": ["Cash", "Trade"]}, {}, {}),
    ],
)
def test_what_is_taken(row: dict[str, object], taken: dict[str, str], ignored: dict[str, str]) -> None:
    found = filled(row)
    assert (found.taken, found.ignored) == (taken, ignored)
    assert found.settings == MappingSettings(
        account_currency=taken.get("currency"), keap_timezone=taken.get("keap_timezone")
    )


def test_what_the_user_set_is_left() -> None:
    found = filled({"currency_code": "USD", "time_zone": "Nowhere"}, currency="EUR", keap_timezone="Asia/Tokyo")
    assert found == Filled(MappingSettings(currency="EUR", keap_timezone="Asia/Tokyo"))


def test_rule_6_2_the_midnight_of_dates_is_never_the_accounts() -> None:
    assert filled({"time_zone": "Europe/Berlin"}).settings.date_timezone == "UTC"


def test_rule_1_6_the_store_keeps_nothing_else_of_it() -> None:
    row = {"id": "account", "currency_code": "USD", "time_zone": "UTC"}
    private = {"email": "owner@club.example", "phone": "1", "name": "Club", "address": {"line1": "Road 1"}}
    first = SOURCE.read("account", json.dumps({**row, **private}).encode())
    assert msgspec.json.decode(first.payload) == row
    assert first == SOURCE.read("account", json.dumps({**private, **row, "logo_url": "x"}).encode())
    assert SOURCE.id_of("account", {"id": None}) == (first.number, first.id_text)


def test_it_is_of_no_account() -> None:
    assert SOURCE.settings_node is not None
    assert SOURCE.settings_node >= END_NODE
    assert not is_of_accounts(stream_of(SOURCE.settings_node))
    assert [name for n, name in enumerate(SOURCE.streams) if not is_of_accounts(n)] == [
        *("products", "subscription_plans", "free_trial_discounts", "account"),
    ]


def test_streams_of_chartmoguls_objects_have_none() -> None:
    source, settings = NativeSource("acme-"), MappingSettings()
    assert source.settings_node is None
    assert source.filled(settings, b"{}") == Filled(settings)
