"""Odd and hostile answers of Keap: each costs a row, a try or the run, and is named in one sentence."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.tap_process import TapRun, key_config, oauth_config, run_tap

ORDERS = ("orders",)


@pytest.fixture
def keap(sandbox: Sandbox) -> Sandbox:
    sandbox.no_limits(["keap"])
    return sandbox


def answer(keap: Sandbox, kind: str, path: str = "/orders$", **more: Any) -> None:
    keap.faults("keap", script=[{"match": {"path_regex": path, **more.pop("match", {})}, "kind": kind, **more}])


def all_ids(keap: Sandbox, stream: str = "orders") -> set[str]:
    return {row["id"] for row in keap.account()[stream]}


def one_sentence(run: TapRun) -> None:
    assert "Traceback" not in run.stderr
    assert "Unexpected" not in run.stderr
    if run.code:
        assert " | ERROR " in run.last_line
        assert run.last_line.endswith(f"(exit code {run.code})")


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("nan_row", "it is not valid JSON"),
        ("half_character_row", "it is not valid JSON"),
        ("deep_row", None),
        ("null_row", "the row is null"),
        ("text_row", "expected an object"),
        ("row_without_id", "field id: missing"),
        ("date_text", "expected a date-time"),
    ],
)
def test_a_row_that_cannot_be_read_costs_only_itself(
    keap: Sandbox, tmp_path: Path, kind: str, reason: str | None
) -> None:
    answer(keap, kind)
    run = run_tap(tmp_path, key_config(keap), streams=ORDERS)
    one_sentence(run)
    if reason is None and run.code == 0:  # what was odd is a field that no schema knows, or the page came again
        assert set(run.ids("orders")) == all_ids(keap)
        return
    assert run.code == 7, run.stderr
    assert reason is None or reason in run.stderr
    assert len(all_ids(keap)) - 1 <= len(run.ids("orders")) <= len(all_ids(keap))
    assert "orders" not in run.activated
    assert run.state["keap_read"]["complete"] == ["orders"]


@pytest.mark.parametrize("kind", ["amount_text", "amount_float", "lists_null_in_row", "token_number", "odd_id_row"])
def test_forms_that_lose_nothing_are_read(keap: Sandbox, tmp_path: Path, kind: str) -> None:
    answer(keap, kind)
    run = run_tap(tmp_path, key_config(keap, page_size=1000), streams=ORDERS)
    one_sentence(run)
    assert run.code in ({0, 4} if kind == "token_number" else {0, 7}), run.stderr
    assert len(run.ids("orders")) >= 1000


@pytest.mark.parametrize("kind", ["list_number", "list_true", "bad_gzip", "not_utf8", "empty_200", "deep", "html_200"])
def test_an_answer_that_is_not_understood_is_asked_for_again(keap: Sandbox, tmp_path: Path, kind: str) -> None:
    answer(keap, kind, times=2)
    run = run_tap(tmp_path, key_config(keap), streams=ORDERS)
    one_sentence(run)
    assert run.code == 0, run.stderr
    assert set(run.ids("orders")) == all_ids(keap)
    assert "trying again in" in run.stderr


def test_an_answer_that_is_never_understood_names_the_stream(keap: Sandbox, tmp_path: Path) -> None:
    answer(keap, "list_true", times=None)
    config = key_config(keap, max_run_minutes=0.05)
    run = run_tap(tmp_path, config, streams=ORDERS)
    one_sentence(run)
    assert run.code == 6
    assert "(stream orders, page 1): an answer that is not understood; trying again" in run.stderr


# -- page tokens -------------------------------------------------------------------------------------------------------


def test_an_empty_page_with_a_used_token_ends_the_list(keap: Sandbox, tmp_path: Path) -> None:
    answer(keap, "repeated_token_empty", after=1, times=None)
    run = run_tap(tmp_path, key_config(keap, page_size=1000), streams=ORDERS, timeout=30)
    one_sentence(run)
    assert run.code == 0, run.stderr
    assert len(run.ids("orders")) == 1000


@pytest.mark.parametrize(("kind", "asked"), [("repeated_token", 3), ("alternating_tokens", 5)])
def test_a_used_token_with_rows_ends_the_run(keap: Sandbox, tmp_path: Path, kind: str, asked: int) -> None:
    answer(keap, kind, after=1, times=None)
    run = run_tap(tmp_path, key_config(keap, page_size=100), streams=ORDERS, timeout=30)
    one_sentence(run)
    assert run.code == 4
    assert "a page token of orders for the second time" in run.last_line
    assert len(keap.requests("keap")) <= asked


# -- sizes and times ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gzip_bomb", "large"])
def test_a_large_answer_takes_no_memory(keap: Sandbox, tmp_path: Path, kind: str) -> None:
    answer(keap, kind, times=1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    run = run_tap(tmp_path, key_config(keap), streams=ORDERS)
    one_sentence(run)
    assert run.code == 0, run.stderr
    assert "an answer of more than 64 MB; trying again" in run.stderr
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak == before or peak < 320 << 10, "kilobytes"


def test_an_answer_that_trickles(keap: Sandbox, tmp_path: Path) -> None:
    answer(keap, "trickle", times=1)
    started = time.monotonic()
    run = run_tap(tmp_path, key_config(keap, request_timeout=2), streams=ORDERS)
    one_sentence(run)
    assert run.code == 0, run.stderr
    assert "an answer that was not complete after 2 s; trying again" in run.stderr
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("kind", ["429_year", "429_date", "503_year"])
def test_a_wait_of_a_year_ends_the_run_and_says_until_when(keap: Sandbox, tmp_path: Path, kind: str) -> None:
    answer(keap, kind, times=None, after=1)
    started = time.monotonic()
    run = run_tap(tmp_path, key_config(keap, page_size=100), streams=ORDERS)
    one_sentence(run)
    assert run.code == 5
    assert f"Keap answered {kind[:3]} and asks to wait. Come back after 2027-11-2" in run.last_line
    assert time.monotonic() - started < 10
    assert run.bookmark("orders")["full_read"]["after_id"] == run.ids("orders")[-1]


@pytest.mark.parametrize("kind", ["429_odd", "429_second", "429_empty", "429_html", "odd_quota_headers"])
def test_odd_headers_do_no_harm(keap: Sandbox, tmp_path: Path, kind: str) -> None:
    answer(keap, kind, times=2)
    run = run_tap(tmp_path, key_config(keap), streams=ORDERS)
    one_sentence(run)
    assert run.code == 0, run.stderr
    assert set(run.ids("orders")) == all_ids(keap)


@pytest.mark.parametrize("kind", ["redirect", "redirect_to_itself"])
def test_a_redirect_is_named(keap: Sandbox, tmp_path: Path, kind: str) -> None:
    answer(keap, kind, times=None)
    run = run_tap(tmp_path, key_config(keap), streams=ORDERS)
    one_sentence(run)
    assert run.code == 4
    assert "was answered with a redirect (30" in run.last_line
    assert "check `api_url`" in run.last_line


# -- what files and names may do ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry", ["machine 127.0.0.1 login someone password secret", "default login a password secret"]
)
@pytest.mark.parametrize("oauth", [False, True])
def test_netrc_has_no_say(keap: Sandbox, tmp_path: Path, entry: str, *, oauth: bool) -> None:
    (tmp_path / ".netrc").write_text(entry + "\n")
    (tmp_path / ".netrc").chmod(0o600)
    config = oauth_config(keap, tmp_path / "tokens.json") if oauth else key_config(keap)
    run = run_tap(tmp_path, config, streams=("products",), environment={"HOME": str(tmp_path)})
    assert run.code == 0, run.stderr


def test_an_id_cannot_forge_a_log_line(keap: Sandbox, tmp_path: Path) -> None:
    order = keap.account()["orders"][0]
    forged = "9\n2026-11-27 | INFO | tap-keap | all is well \x1b[31m\u2028\x07"
    keap.put("orders", {**order, "id": forged, "order_time": "yesterday"})
    run = run_tap(tmp_path, key_config(keap), streams=ORDERS)
    assert run.code == 7
    lines = [line for line in run.stderr.splitlines() if "all is well" in line]
    assert len(lines) == 1
    assert "record 9\\n2026-11-27" in lines[0]
    for character in ("\x1b", "\u2028", "\x07"):
        assert character not in run.stderr


def test_a_state_or_catalog_that_is_nested_too_deeply(keap: Sandbox, tmp_path: Path) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text('{"bookmarks": ' + "[" * 100_000 + "]" * 100_000 + "}")
    for option in ("--state", "--catalog", "--config"):
        run = run_tap(tmp_path, key_config(keap), option, str(deep))
        assert run.code == 2
        assert "not valid JSON" in run.last_line
        one_sentence(run)


@pytest.mark.parametrize("state", [[], 5, "x", {"bookmarks": []}, {"bookmarks": {"orders": [1]}}])
def test_a_state_that_is_none(keap: Sandbox, tmp_path: Path, state: Any) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state))
    run = run_tap(tmp_path, key_config(keap), "--state", str(path))
    one_sentence(run)
    assert run.code == 2
    assert "state" in run.last_line.lower()
