"""Keap's quotas on a clock that the test holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from starlette.types import Scope

from sandbox.clock import Clock
from sandbox.credentials import KEAP_API_KEY, KEAP_PERSONAL_ACCESS_TOKEN
from sandbox.keap.auth import ACCESS_LIFETIME, Gateway, Tokens
from sandbox.keap.limits import KeapLimits
from sandbox.limits import Admission


class Quotas:
    """The limits, asked at given seconds."""

    def __init__(self) -> None:
        self.clock = Clock(datetime(2026, 11, 20, 8, tzinfo=UTC))
        self.tokens = Tokens(self.clock)
        self.limits = KeapLimits(Gateway(self.tokens, lambda: True), self.clock)

    def ask(self, now: float, key: str = KEAP_API_KEY) -> Admission:
        headers = [(b"authorization", f"Bearer {key}".encode())]
        scope: Scope = {"type": "http", "path": "/keap/crm/rest/v2/tags", "headers": headers}
        return self.limits.admit(scope, 1, now)

    def code(self, now: float, key: str = KEAP_API_KEY) -> str | None:
        refusal = self.ask(now, key).refusal
        if refusal is None:
            return None
        assert refusal.status_code == 429
        body = json.loads(refusal.body)
        code: str = body["fault"]["detail"]["errorcode"] if "fault" in body else body["message"]
        return code.rpartition(".")[2]


def test_ten_in_any_second() -> None:
    quotas = Quotas()
    assert [quotas.code(step / 10) for step in range(10)] == [None] * 10
    assert quotas.code(0.99) == "SpikeArrestViolation"
    assert quotas.code(1.0) is None
    assert quotas.code(1.05) == "SpikeArrestViolation"
    assert quotas.code(1.1) is None


def test_every_key_has_a_second_of_its_own_but_not_a_minute() -> None:
    quotas = Quotas()
    for key in (KEAP_API_KEY, KEAP_PERSONAL_ACCESS_TOKEN):
        assert [quotas.code(0.0, key) for _ in range(11)] == [None] * 10 + ["SpikeArrestViolation"]
    quotas.limits.configure({"per_minute": 21})
    assert quotas.code(5.0) is None
    assert quotas.code(6.0, KEAP_PERSONAL_ACCESS_TOKEN) == "QuotaViolation"
    assert quotas.code(60.0) is None


def test_240_in_a_minute_that_begins_with_its_first_request() -> None:
    quotas = Quotas()
    assert all(quotas.code(100 + number * 0.125) is None for number in range(240))
    assert quotas.code(159.9) == "QuotaViolation"
    assert quotas.code(160.0) is None


def test_oauth_has_25_in_a_second_and_a_quota_of_its_own() -> None:
    quotas = Quotas()
    token = quotas.tokens.issue("access", ACCESS_LIFETIME).value
    assert [quotas.code(0.0, token) for _ in range(26)] == [None] * 25 + ["SpikeArrestViolation"]
    quotas.limits.configure({"per_day": 25})
    assert quotas.code(2.0, token) == "Quota Exceeded"
    assert quotas.code(2.0) is None


def test_refused_requests_use_up_nothing() -> None:
    quotas = Quotas()
    for _ in range(30):
        last = quotas.ask(0.0)
    assert dict(last.headers)[b"x-keap-product-quota-used"] == b"10"
