"""ChartMogul's limits, and answers that get lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.chartmogul_calls import Calls
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        sandbox.limits("chartmogul")
        yield calls


def many(api: Calls, count: int, threads: int) -> list[int]:
    """The statuses of `count` pings by so many threads, in the order in which they were asked."""
    auth = (api.sandbox.chartmogul_api_key, "")

    def ping(_: int) -> int:
        return requests.get(api.sandbox.chartmogul_url + "/ping", auth=auth, timeout=30).status_code

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ping, range(count)))


def test_requests_over_the_rate_are_refused_until_a_second_has_passed(api: Calls) -> None:
    api.sandbox.limits("chartmogul", per_second=5)
    statuses = [api.call("GET", "/ping")[0] for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    time.sleep(1.05)
    answer = api.session.get(api.sandbox.chartmogul_url + "/ping", timeout=10)
    assert answer.status_code == 200
    assert not any("limit" in name.lower() or name.lower() == "retry-after" for name in answer.headers)


def test_forty_a_second(api: Calls) -> None:
    many(api, 120, 8)
    passed = [entry["time"] for entry in api.sandbox.requests("chartmogul") if entry["status"] == 200]
    assert all(later - earlier >= 0.999 for earlier, later in zip(passed, passed[40:], strict=False))
    assert len(passed) >= 40


def test_more_than_twenty_at_a_time(api: Calls) -> None:
    api.sandbox.faults("chartmogul", latency_ms=1000)
    many(api, 30, 30)
    seen = {(entry["status"], entry["concurrent"] > 20) for entry in api.sandbox.requests("chartmogul")}
    assert seen == {(200, False), (503, True)}
    api.sandbox.faults("chartmogul")
    assert many(api, 15, 15).count(503) == 0


def test_a_write_whose_answer_is_lost_has_happened(api: Calls) -> None:
    script = [{"match": {"method": "POST", "path_regex": "/customers"}, "kind": "reset_after", "times": 1}]
    source = api.source()
    api.sandbox.faults("chartmogul", script=script)
    with pytest.raises(requests.ConnectionError):
        api.call("POST", "/customers", {"data_source_uuid": source, "external_id": "c1"})
    found = api.call("GET", "/customers", data_source_uuid=source, external_id="c1")[1]["entries"]
    assert len(found) == 1
    assert api.call("POST", "/customers", {"data_source_uuid": source, "external_id": "c1"})[0] == 422


def test_a_write_that_is_cut_off_before_has_not_happened(api: Calls) -> None:
    script = [{"match": {"method": "POST", "path_regex": "/customers"}, "kind": "reset_before", "times": 1}]
    source = api.source()
    api.sandbox.faults("chartmogul", script=script)
    with pytest.raises(requests.ConnectionError):
        api.call("POST", "/customers", {"data_source_uuid": source, "external_id": "c1"})
    assert api.call("GET", "/customers", data_source_uuid=source)[1]["entries"] == []
    api.customer(source)


def test_a_401_on_demand_is_chartmoguls(api: Calls) -> None:
    api.sandbox.faults("chartmogul", script=[{"match": {"path_regex": "ping"}, "kind": "401", "times": 1}])
    body = {"code": 401, "message": "No valid API key provided", "param": None}
    assert api.call("GET", "/ping") == (401, body)
    assert api.call("GET", "/ping")[0] == 200
