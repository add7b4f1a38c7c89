"""The sandbox fails as it is told to, and writes down what was asked of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import Sandbox


@pytest.fixture
def keap(sandbox: Sandbox) -> Iterator[KeapCalls]:
    sandbox.no_limits()
    calls = KeapCalls(sandbox)
    yield calls
    calls.session.close()


def script(kind: str, *, times: int = 1, after: int = 0, path: str = "tags") -> dict[str, object]:
    return {"match": {"method": "GET", "path_regex": path}, "kind": kind, "times": times, "after": after}


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [("500", 500, "application/json"), ("502", 502, "application/json"), ("503", 503, "application/json"),
     ("504_html", 504, "text/html"), ("html_200", 200, "text/html"), ("429", 429, "application/json"),
     ("429_day", 429, "application/json"), ("401", 401, "application/json")],
)  # fmt: skip
def test_answers_that_are_wrong(keap: KeapCalls, kind: str, status: int, content: str) -> None:
    keap.sandbox.faults("keap", script=[script(kind)])
    answer = keap.get("tags")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(content)
    assert keap.get("tags").status_code == 200
    if kind == "429_day":
        assert answer.headers["x-keap-product-quota-available"] == "0"


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncated"])
def test_connections_that_break(keap: KeapCalls, kind: str) -> None:
    keap.sandbox.faults("keap", script=[script(kind)])
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        keap.get("tags")
    assert keap.get("tags").status_code == 200
    assert [entry["fault"] for entry in keap.sandbox.requests("keap")] == [kind, None]


def test_a_reset_after_the_work_is_done(keap: KeapCalls) -> None:
    held = keap.sandbox.account()["subscriptions"][0]
    url = f"{keap.sandbox.keap_url}/v2/subscriptions/{held['id']}"
    for kind, expected in (("reset_before", held["quantity"]), ("reset_after", 7)):
        keap.sandbox.faults("keap", script=[{"match": {"method": "PATCH"}, "kind": kind}])
        with pytest.raises(requests.ConnectionError):
            keap.session.patch(url, json={"quantity": 7}, timeout=20)
        assert keap.get(f"subscriptions/{held['id']}").json()["quantity"] == expected


def test_an_answer_that_never_comes(keap: KeapCalls) -> None:
    keap.sandbox.faults("keap", script=[script("never")])
    with pytest.raises(requests.ReadTimeout):
        keap.session.get(f"{keap.sandbox.keap_url}/v2/tags", timeout=0.3)
    assert keap.get("tags").status_code == 200


def test_a_script_counts(keap: KeapCalls) -> None:
    keap.sandbox.faults("keap", script=[script("503", after=1, times=2)])
    assert [keap.get("tags").status_code for _ in range(4)] == [200, 503, 503, 200]


def test_a_share_fails_alike_for_one_seed(keap: KeapCalls) -> None:
    def run() -> list[int]:
        keap.sandbox.faults("keap", seed=5, rate=0.3, kinds=["500", "503"])
        return [keap.get("tags").status_code for _ in range(60)]

    first = run()
    assert run() == first
    assert 8 <= sum(status != 200 for status in first) <= 30
    keap.sandbox.faults("keap")
    assert keap.get("tags").status_code == 200


def test_latency(keap: KeapCalls) -> None:
    keap.sandbox.faults("keap", latency_ms=120)
    began = time.monotonic()
    keap.get("tags")
    assert time.monotonic() - began >= 0.12


@pytest.mark.parametrize(
    "plan", [{"rate": 0.5}, {"kinds": ["shoe"]}, {"script": [{"kind": "shoe"}]}, {"shoe_size": 43}]
)
def test_plans_that_make_no_sense(sandbox: Sandbox, plan: dict[str, object]) -> None:
    with pytest.raises(RuntimeError, match="400"):
        sandbox.faults("keap", **plan)


def test_the_log_counts_what_was_asked(keap: KeapCalls) -> None:
    keap.sandbox.clear_requests("keap")
    keap.get("tags", page_size=2)
    keap.get("orders/1")
    keap.get("orders/2")
    held = keap.sandbox.account()["subscriptions"][0]
    keap.session.patch(f"{keap.sandbox.keap_url}/v2/subscriptions/{held['id']}", json={"quantity": 2}, timeout=20)
    entries = keap.sandbox.requests("keap")
    seen = [(entry["method"], entry["path"].partition("/v2/")[2], entry["status"], entry["write"]) for entry in entries]
    assert seen == [
        ("GET", "tags", 200, False), ("GET", "orders/1", 404, False), ("GET", "orders/2", 404, False),
        ("PATCH", f"subscriptions/{held['id']}", 200, True),
    ]  # fmt: skip
    assert entries[0]["query"] == "page_size=2"
    summary = keap.sandbox.summary("keap")
    assert (summary["requests"], summary["writes"], summary["max_parallel"]) == (4, 1, 1)
    assert {(route["route"].partition("/v2/")[2], route["count"]) for route in summary["routes"]} == {
        ("tags", 1), ("orders/{id}", 2), ("subscriptions/{id}", 1),
    }  # fmt: skip
    assert [entry["n"] for entry in keap.sandbox.requests("keap", since=3)] == [4]


def test_reset_puts_everything_back(keap: KeapCalls) -> None:
    before = keap.sandbox.account()
    keap.sandbox.load({"contacts": []})
    keap.sandbox.faults("keap", rate=1, kinds=["500"])
    keap.sandbox.clock("2030-01-01T00:00:00Z")
    keap.sandbox.behaviour(edition="old")
    keap.sandbox.reset()
    assert keap.sandbox.account() == before
    assert keap.get("sales/payments", page_size=1).status_code == 200
    assert keap.sandbox.control("GET", "clock") == {"now": "2026-11-20T08:00:00Z"}
    assert keap.sandbox.summary("keap")["requests"] == 1
