"""Keap's quotas: headers, and what comes when they are used up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import Sandbox

COUNTED = ("limit", "time-unit", "interval", "available", "used")
NAMES = {
    *(f"x-keap-product-quota-{name}" for name in (*COUNTED, "expiry-time")),
    *(f"x-keap-product-throttle-{name}" for name in COUNTED),
    *(f"x-keap-tenant-throttle-{name}" for name in COUNTED),
    "x-keap-tenant-id",
}


@pytest.fixture
def keap(sandbox: Sandbox) -> Iterator[KeapCalls]:
    calls = KeapCalls(sandbox)
    yield calls
    calls.session.close()


def test_headers_tell_of_every_quota(keap: KeapCalls) -> None:
    first, second = keap.get("tags", page_size=1), keap.get("tags", page_size=1)
    assert {name for name in first.headers if name.startswith("x-keap")} == NAMES
    found = {name.removeprefix("x-keap-"): value for name, value in second.headers.items()}
    assert (found["product-quota-limit"], found["product-quota-available"], found["product-quota-used"]) == (
        "30000", "29998", "2",
    )  # fmt: skip
    assert (found["product-throttle-limit"], found["product-throttle-available"]) == ("240", "238")
    assert found["tenant-throttle-limit"] == "10000|250000"
    assert found["tenant-throttle-available"] == "9998|249998"
    midnight = 1_795_219_200_000  # 2026-11-21T00:00:00Z: the clock stands at 2026-11-20T08:00:00Z
    assert int(found["product-quota-expiry-time"]) == midnight


def test_too_many_in_a_second_are_arrested(keap: KeapCalls) -> None:
    keap.sandbox.limits("keap", per_second=2)
    answers = [keap.get("tags", page_size=1) for _ in range(3)]
    while answers[-1].status_code == 200 and len(answers) < 100:
        answers.append(keap.get("tags", page_size=1))
    fault = answers[-1].json()["fault"]
    assert fault["detail"]["errorcode"] == "policies.ratelimit.SpikeArrestViolation"
    assert "messagesPerPeriod=2," in fault["faultstring"]
    assert "retry-after" not in answers[-1].headers
    assert answers[-1].headers["x-keap-product-throttle-used"] == str(len(answers) - 1)
    time.sleep(1.05)
    assert keap.get("tags", page_size=1).status_code == 200


def test_a_minute_that_is_used_up(keap: KeapCalls) -> None:
    keap.sandbox.limits("keap", per_minute=3)
    answers = [keap.get("tags", page_size=1) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["fault"]["detail"]["errorcode"] == "policies.ratelimit.QuotaViolation"
    assert answers[2].headers["x-keap-product-throttle-available"] == "0"


def test_a_day_that_is_used_up_ends_at_midnight(keap: KeapCalls) -> None:
    keap.sandbox.limits("keap", per_day=2)
    answers = [keap.get("tags", page_size=1) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json() == {
        "code": "429", "message": "Quota Exceeded", "status": "Request Throttled", "details": None,
    }  # fmt: skip
    keap.sandbox.clock("2026-11-21T00:00:01Z")
    assert keap.get("tags", page_size=1).status_code == 200


def test_strangers_use_up_nothing(keap: KeapCalls) -> None:
    for _ in range(5):
        requests.get(f"{keap.sandbox.keap_url}/v2/tags", timeout=20)
    assert keap.get("tags", page_size=1).headers["x-keap-product-quota-used"] == "1"


def test_oauth_clients_have_other_numbers(keap: KeapCalls) -> None:
    keys = keap.sandbox.keys
    form = {"grant_type": "refresh_token", "refresh_token": keys["keap_refresh_token"]}
    tokens = keap.token(form, auth=(keys["keap_client_id"], keys["keap_client_secret"])).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = requests.get(f"{keap.sandbox.keap_url}/v2/tags?page_size=1", headers=headers, timeout=20)
    assert answer.headers["x-keap-product-quota-limit"] == "150000"
    assert answer.headers["x-keap-product-throttle-limit"] == "1500"


def test_limits_that_are_lifted_leave_the_headers(keap: KeapCalls) -> None:
    keap.sandbox.no_limits()
    answers = [keap.get("tags", page_size=1) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].headers["x-keap-product-throttle-available"] == "999999"
