"""What the machine around the tap does: signals, outputs that nobody takes, full disks, hosts, environments."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import arguments, key_config, oauth_config, parse, run_tap


@pytest.fixture
def keap(sandbox: Sandbox) -> Sandbox:
    sandbox.no_limits(["keap"])
    return sandbox


# -- signals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "code"), [(signal.SIGINT, signal.SIGTERM, 130), (signal.SIGTERM, signal.SIGINT, 143)]
)
def test_two_signals_within_a_second_are_one(
    keap: Sandbox, tmp_path: Path, first: signal.Signals, second: signal.Signals, code: int
) -> None:
    keap.faults("keap", latency_ms=400)
    config = key_config(keap, page_size=100, exit_code_file=str(tmp_path / "code"))
    with subprocess.Popen(
        arguments(tmp_path, config, streams=("orders",)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1] and b'"full_read"' not in lines[-1]:
            lines.append(process.stdout.readline())
        process.send_signal(first)
        time.sleep(0.1)
        process.send_signal(second)
        out, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert (tmp_path / "code").read_text() == f"{code}\n"
    messages = parse((b"".join(lines) + out).decode())
    assert messages[-1]["type"] == "STATE"
    last = errors.decode().strip().splitlines()[-1]
    assert f"ERROR    | tap-keap                       | Stopped by {first.name};" in last
    assert last.endswith(f"(exit code {code})")
    keap.faults("keap")
    ids = {message["record"]["id"] for message in messages if message["type"] == "RECORD"}
    rest = run_tap(tmp_path, key_config(keap), state=messages[-1]["value"], streams=("orders",))
    assert ids | set(rest.ids("orders")) == {row["id"] for row in keap.account()["orders"]}


def test_a_later_second_signal_ends_the_run_at_once(keap: Sandbox, tmp_path: Path) -> None:
    """The tap waits for a reader that does not read, and so reaches no safe point."""
    with subprocess.Popen(
        arguments(tmp_path, key_config(keap)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        time.sleep(1.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 130


# -- outputs -----------------------------------------------------------------------------------------------------------


def with_output(command: list[str], redirection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", *command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "words"),
    [
        (">/dev/full", "The output of this tap cannot be written: the disk is full. (exit code 4)"),
        (">&-", "The output of this tap is closed. (exit code 4)"),
        ("| head -c 10 >/dev/null; exit ${PIPESTATUS[0]}", "The reader of this tap's output is gone;"),
    ],
)
def test_outputs_that_nobody_takes(keap: Sandbox, tmp_path: Path, redirection: str, words: str) -> None:
    done = with_output(arguments(tmp_path, key_config(keap)), redirection)
    assert done.returncode == 4, done.stderr
    assert words in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_closed_input_is_not_needed(keap: Sandbox, tmp_path: Path) -> None:
    done = with_output(arguments(tmp_path, key_config(keap), streams=("tags",)), "<&- >/dev/null")
    assert done.returncode == 0, done.stderr


# -- too little of something -------------------------------------------------------------------------------------------


def limited(kind: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (most, most))


def test_a_full_disk_rotates_nothing(keap: Sandbox, tmp_path: Path) -> None:
    """Room for the new pair is reserved before Keap is asked; here no file may have more than 4 kB."""
    path = tmp_path / "tokens.json"
    config = oauth_config(keap, path)
    assert run_tap(tmp_path, config, streams=("products",)).code == 0
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "expires_at": "2020-01-01T00:00:00.000Z"}))
    keap.clear_requests("keap")
    command = arguments(tmp_path, config, streams=("products",))
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limited(resource.RLIMIT_FSIZE, 4096),
    )
    assert done.returncode == 2, done.stderr
    assert "`token_path` cannot be used: File too large. Nothing was rotated." in done.stderr
    assert keap.requests("keap") == []
    assert [each.name for each in tmp_path.glob(".tokens*")] == []
    again = run_tap(tmp_path, config, streams=("products",))
    assert again.code == 0, again.stderr


# -- hosts and environments --------------------------------------------------------------------------------------------


def test_a_host_whose_name_is_unknown(tmp_path: Path) -> None:
    config = {"api_key": "KeapAK-0000", "api_url": "https://keap.invalid/crm/rest"}
    started = time.monotonic()
    run = run_tap(tmp_path, config)
    assert time.monotonic() - started < 15
    assert run.code == 4
    assert "keap.invalid cannot be reached: its name cannot be resolved." in run.last_line


def trickling_headers(listener: socket.socket) -> None:
    """Answer with a header that never ends, a byte at a time."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            connection.sendall(b"a")
            time.sleep(0.3)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_headers_that_trickle(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickling_headers, args=(listener,), daemon=True)
        thread.start()
        config = {"api_key": "KeapAK-0000", "request_timeout": 1, "requests_per_minute": 100_000,
                  "api_url": f"http://127.0.0.1:{listener.getsockname()[1]}/crm/rest"}  # fmt: skip
        run = run_tap(tmp_path, config, streams=("tags",), timeout=80)
        thread.join(timeout=10)
    assert run.code == 4
    assert "the answer began, but did not come to an end within `request_timeout`." in run.last_line


def test_a_host_that_does_not_speak_tls(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap, api_url=keap.keap_url.replace("http://", "https://")))
    assert run.code == 4
    assert "cannot be reached: its certificate or TLS connection is not valid." in run.last_line


@pytest.mark.parametrize(
    ("name", "near"), [("TAP_KEAP_APIKEY", "TAP_KEAP_API_KEY"), ("TAP_KEAP_LOOKBACK", "TAP_KEAP_LOOKBACK_DAYS")]
)
def test_an_environment_variable_that_is_not_a_setting(keap: Sandbox, tmp_path: Path, name: str, near: str) -> None:
    run = run_tap(tmp_path, key_config(keap), environment={name: "secret"})
    assert run.code == 2
    assert f"The environment variable {name} is not a setting. Did you mean '{near}'?" in run.last_line
    assert "secret" not in run.stderr
    assert not run.messages


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"TAP_KEAP_PAGE_SIZE": "many"}, "does not have the type of its setting"),
        ({"TAP_KEAP_MAX_RUN_MINUTES": "long"}, "Setting 'max_run_minutes': expected number."),
        ({"TAP_KEAP_PAGE_SIZE": "0"}, "Setting 'page_size': minimum is 1."),
    ],
)
def test_environment_variables_of_the_wrong_type(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    run = run_tap(tmp_path, {}, "--config", "ENV", environment=variables)
    assert run.code == 2
    assert words in run.last_line


def test_settings_from_the_environment(keap: Sandbox, tmp_path: Path) -> None:
    variables: dict[str, Any] = {
        "TAP_KEAP_API_KEY": f"{keap.keap_api_key}\n",
        "TAP_KEAP_API_URL": f"{keap.keap_url}/v2",
        "TAP_KEAP_MAX_RUN_MINUTES": "1.5",
        "TAP_KEAP_REQUESTS_PER_MINUTE": "100000",
        "TAP_KEAP_ADDITIONAL_FIELDS": "true",
    }
    run = run_tap(tmp_path, {}, "--config", "ENV", environment={**os.environ, **variables}, streams=("tags",))
    assert run.code == 0, run.stderr
    assert run.rows["tags"]
