"""What goes wrong around the tap: settings, keys, networks, limits, quotas, time. One line, one exit code each."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.tap_process import discovered, key_config, oauth_config, run_tap

STREAMS = ("orders",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_kee": "secret-value"}, "Unknown setting 'api_kee'. Did you mean 'api_key'?"),
        ({"api_key": 51515}, "Setting 'api_key': expected string."),
        ({"page_size": 1001}, "Setting 'page_size': maximum is 1000."),
        ({"api_key_header": "cookie"}, "Setting 'api_key_header': expected one of authorization, x-keap-api-key."),
        ({"api_url": "http://keap.example.com"}, "Setting 'api_url': expected an https address"),
        ({"start_date": "soon"}, "Setting 'start_date': expected a date"),
        ({"api_key": None}, "No credentials: set `api_key`"),
    ],
)
def test_settings_that_cannot_be_used(sandbox: Sandbox, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    config = {name: value for name, value in key_config(sandbox, **settings).items() if value is not None}
    run = run_tap(tmp_path, config)
    assert run.code == 2, run.stderr
    assert words in run.last_line
    assert "Traceback" not in run.stderr
    for value in (config.get("api_key"), "secret-value"):
        assert str(value) not in run.stderr


@pytest.mark.parametrize(("text", "code"), [("{nonsense", 2), (None, 2)])
def test_files_that_cannot_be_read(tmp_path: Path, text: str | None, code: int) -> None:
    path = tmp_path / "config.json"
    config: dict[str, Any] = {}
    run = run_tap(tmp_path, config)
    if text is None:
        run = run_tap(tmp_path, config, "--config", str(tmp_path / "none.json"))
    else:
        (tmp_path / "broken.json").write_text(text)
        run = run_tap(tmp_path, config, "--config", str(tmp_path / "broken.json"))
    assert run.code == code
    assert "Traceback" not in run.stderr
    assert "ERROR" in run.last_line
    assert run.last_line.endswith("(exit code 2)")
    assert path.exists()


def test_an_address_without_streams(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    run = run_tap(tmp_path, key_config(sandbox, api_url=f"{sandbox.keap_url}/elsewhere"))
    assert run.code == 2
    assert "check `api_url`" in run.last_line
    assert not run.activated


def test_a_wrong_key(sandbox: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(sandbox, api_key="KeapAK-wrong"))
    assert run.code == 3
    assert "Keap refuses the credentials." in run.last_line
    assert "KeapAK-wrong" not in run.stderr
    assert "Traceback" not in run.stderr


def test_a_revoked_key_in_mid_run_keeps_the_state(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    sandbox.faults("keap", script=[{"match": {"path_regex": "/orders"}, "kind": "401", "times": 9, "after": 3}])
    run = run_tap(tmp_path, key_config(sandbox, page_size=100), streams=STREAMS)
    assert run.code == 3
    assert len(run.ids("orders")) == 300
    assert run.bookmark("orders")["full_read"]["after_id"] == run.ids("orders")[-1]


def test_nobody_listens(tmp_path: Path, sandbox: Sandbox) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        config = key_config(sandbox, api_url=f"http://127.0.0.1:{port}/crm/rest")
        started = time.monotonic()
        run = run_tap(tmp_path, config)
    assert run.code == 4
    assert time.monotonic() - started < 15
    assert f"127.0.0.1:{port} cannot be reached: the connection was refused. Check `api_url`" in run.last_line
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "kind", ["500", "502", "503", "504_html", "reset_before", "reset_after", "truncated", "html_200", "429"]
)
def test_passing_trouble_is_tried_again(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    sandbox.no_limits(["keap"])
    sandbox.faults("keap", script=[{"match": {"path_regex": "/orders"}, "kind": kind, "times": 2, "after": 1}])
    run = run_tap(tmp_path, key_config(sandbox, page_size=900), streams=STREAMS)
    assert run.code == 0, run.stderr
    assert sorted(run.ids("orders")) == sorted(row["id"] for row in sandbox.account()["orders"])
    assert re.search(r"GET /v2/orders \(stream orders, page \d\): .*trying again in", run.stderr)


def test_an_answer_that_never_comes(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    sandbox.faults("keap", script=[{"match": {"path_regex": "/orders"}, "kind": "never", "times": 1}])
    run = run_tap(tmp_path, key_config(sandbox, request_timeout=1), streams=STREAMS)
    assert run.code == 0, run.stderr
    assert "ReadTimeout; trying again" in run.stderr


@pytest.mark.long
def test_a_third_of_all_requests_fails(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    clean = run_tap(tmp_path, key_config(sandbox), streams=("orders", "payments", "contacts"))
    sandbox.faults("keap", seed=7, rate=0.33, kinds=["500", "reset_before", "truncated", "html_200"])
    shaky = run_tap(tmp_path, key_config(sandbox, page_size=400), streams=("orders", "payments", "contacts"))
    assert shaky.code == 0, shaky.stderr
    assert {stream: sorted(shaky.ids(stream)) for stream in shaky.rows} == {
        stream: sorted(clean.ids(stream)) for stream in clean.rows
    }


def test_the_pace_stays_within_the_keys_limits(sandbox: Sandbox, tmp_path: Path) -> None:
    config = key_config(sandbox, page_size=50)
    del config["requests_per_minute"]
    sandbox.clear_requests("keap")
    run = run_tap(tmp_path, config, streams=STREAMS)
    assert run.code == 0, run.stderr
    entries = sandbox.requests("keap")
    assert len(entries) >= 30
    refused = [entry for entry in entries if entry["status"] == 429]
    assert len(refused) <= 1, "arrival jitter may cost one spike arrest, not more"


def test_own_limit_of_requests_a_minute(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    config = key_config(sandbox, page_size=500, requests_per_minute=3, max_run_minutes=0.1)
    run = run_tap(tmp_path, config, streams=STREAMS)
    assert run.code == 6
    assert len(run.ids("orders")) <= 3 * 500


def test_when_the_day_is_spent_the_run_ends_with_state(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.clock(None)
    sandbox.limits("keap", per_day=5, per_second=1000, per_minute=1000)
    started = time.monotonic()
    run = run_tap(tmp_path, key_config(sandbox, page_size=100), streams=STREAMS)
    assert run.code == 5
    assert re.search(r"daily quota.*Come back after \d{4}-\d\d-\d\dT00:00:00Z\.", run.last_line)
    assert time.monotonic() - started < 60, "it does not sleep"
    got = run.ids("orders")
    assert len(got) == 500
    assert run.bookmark("orders")["full_read"]["after_id"] == got[-1]
    sandbox.no_limits(["keap"])
    rest = run_tap(tmp_path, key_config(sandbox), state=run.state, streams=STREAMS)
    assert set(got) | set(rest.ids("orders")) == {row["id"] for row in sandbox.account()["orders"]}


def test_a_reserve_is_left_for_others(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.clock(None)
    sandbox.limits("keap", per_day=20, per_second=1000, per_minute=1000)
    run = run_tap(tmp_path, key_config(sandbox, page_size=100, daily_quota_reserve=12), streams=STREAMS)
    assert run.code == 5
    assert "down to 12 requests" in run.last_line
    assert len(run.ids("orders")) == 800


def test_a_429_for_the_day_without_warning(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    sandbox.faults("keap", script=[{"match": {"path_regex": "/orders"}, "kind": "429_day", "times": 99, "after": 2}])
    run = run_tap(tmp_path, key_config(sandbox, page_size=100), streams=STREAMS)
    assert run.code == 5, run.stderr
    assert len(run.ids("orders")) == 200


def test_max_run_minutes_stops_with_state_and_goes_on(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    sandbox.faults("keap", latency_ms=300)
    run = run_tap(tmp_path, key_config(sandbox, page_size=100, max_run_minutes=0.03), streams=STREAMS)
    assert run.code == 6
    assert "max_run_minutes" in run.last_line
    sandbox.faults("keap")
    rest = run_tap(tmp_path, key_config(sandbox), state=run.state, streams=STREAMS)
    assert set(run.ids("orders")) | set(rest.ids("orders")) == {row["id"] for row in sandbox.account()["orders"]}
    assert len(rest.ids("orders")) < len(sandbox.account()["orders"])


def test_nothing_personal_in_logs_at_any_level(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits(["keap"])
    contact = sandbox.account()["contacts"][0]
    person = {**contact, "id": "990009", "given_name": "Zebulon", "birth_date": "Zebulon",
              "email_addresses": [{"email": "zebulon@example.com", "field": "EMAIL1"}]}  # fmt: skip
    sandbox.put("contacts", person)
    sandbox.faults("keap", rate=0.2, kinds=["500", "truncated"])
    run = run_tap(tmp_path, key_config(sandbox), environment={"TAP_KEAP_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"})
    assert run.code in {0, 7}, run.last_line
    lowered = run.stderr.lower()
    for secret in ("zebulon", "@example.com", sandbox.keap_api_key.lower(), contact["given_name"].lower() + " "):
        assert secret not in lowered
    assert "zebulon" not in json.dumps(run.state).lower()


def test_the_catalog_needs_no_credentials() -> None:
    streams = {entry["stream"]: entry for entry in json.loads(discovered())["streams"]}
    assert len(streams) == 29
    assert streams["orders"]["replication_key"] == "modification_time"
    assert streams["transactions"]["key_properties"] == ["transaction_key"]


def test_version_is_quick() -> None:
    import subprocess

    from tests.support.tap_process import COMMAND

    times = []
    for _ in range(3):
        started = time.monotonic()
        answer = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
        times.append(time.monotonic() - started)
    assert answer.stdout.startswith("tap-keap v")
    assert min(times) <= 0.6


def test_oauth_without_token_path_is_said_so(sandbox: Sandbox, tmp_path: Path) -> None:
    config = oauth_config(sandbox, tmp_path / "tokens.json")
    del config["token_path"]
    run = run_tap(tmp_path, config)
    assert run.code == 2
    assert "Missing: token_path" in run.last_line


def test_the_reader_goes_away(sandbox: Sandbox, tmp_path: Path) -> None:
    import subprocess

    from tests.support.sandbox_process import ROOT
    from tests.support.tap_process import arguments

    sandbox.no_limits(["keap"])
    command = arguments(tmp_path, key_config(sandbox))
    with (tmp_path / "errors").open("w+") as errors:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=60) == 4
        errors.seek(0)
        text = errors.read()
    assert "The reader of this tap's output is gone;" in text
    assert "Traceback" not in text
