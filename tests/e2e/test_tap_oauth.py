"""Rotating refresh tokens: stored before they are used, by one process at a time, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import COMMAND, arguments, oauth_config, run_tap

STREAMS = ("products",)


@pytest.fixture
def keap(sandbox: Sandbox) -> Sandbox:
    sandbox.clock(None)
    sandbox.no_limits(["keap"])
    return sandbox


def expire(path: Path) -> None:
    """Make the stored access token look expired."""
    pair = json.loads(path.read_text())
    path.write_text(json.dumps({**pair, "expires_at": "2020-01-01T00:00:00.000Z"}))


def rotations(keap: Sandbox) -> int:
    return sum(entry["path"].endswith("/token") for entry in keap.requests("keap"))


def test_the_first_run_stores_the_pair_for_its_owner_only(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tokens.json"
    run = run_tap(tmp_path, oauth_config(keap, path), streams=STREAMS)
    assert run.code == 0, run.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pair = json.loads(path.read_text())
    live = {token["value"] for token in keap.tokens() if token["fate"] == "live"}
    assert {pair["access_token"], pair["refresh_token"]} == live
    again = run_tap(tmp_path, oauth_config(keap, path), streams=STREAMS)
    assert again.code == 0, again.stderr
    assert rotations(keap) == 1, "the second run used the stored access token"


def test_tokens_never_show(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    config = oauth_config(keap, path)
    run = run_tap(tmp_path, config, streams=STREAMS, environment={"TAP_KEAP_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"})
    pair = json.loads(path.read_text())
    for secret in (pair["access_token"], pair["refresh_token"], config["client_secret"], config["refresh_token"]):
        assert secret not in run.stderr
        assert secret not in json.dumps(run.messages)


def test_a_401_in_mid_run_rotates_once(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    keap.faults("keap", script=[{"match": {"path_regex": "/orders"}, "kind": "401", "times": 1, "after": 1}])
    run = run_tap(tmp_path, oauth_config(keap, path, page_size=500), streams=("orders",))
    assert run.code == 0, run.stderr
    assert len(run.ids("orders")) == len(keap.account()["orders"])
    assert rotations(keap) == 2


def test_refused_twice_is_for_a_person(keap: Sandbox, tmp_path: Path) -> None:
    keap.faults("keap", script=[{"match": {"path_regex": "/products"}, "kind": "401", "times": 5}])
    run = run_tap(tmp_path, oauth_config(keap, tmp_path / "tokens.json"), streams=STREAMS)
    assert run.code == 3
    assert "tap-keap auth login" in run.last_line


def test_a_dead_refresh_token_says_how_to_log_in_again(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, oauth_config(keap, tmp_path / "tokens.json", refresh_token="dead"), streams=STREAMS)
    assert run.code == 3
    assert "Log in again: tap-keap auth login" in run.last_line
    assert "dead" not in run.last_line.replace("dead token", "")


def test_a_wrong_client_is_said_so(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, oauth_config(keap, tmp_path / "tokens.json", client_secret="wrong"), streams=STREAMS)
    assert run.code == 3
    assert "client_secret" in run.last_line


def test_a_refresh_token_set_anew_replaces_the_stored_pair(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    assert run_tap(tmp_path, oauth_config(keap, path), streams=STREAMS).code == 0
    fresh = json.loads(path.read_text())["refresh_token"]
    path.write_text(json.dumps({**json.loads(path.read_text()), "refresh_token": "dead", "access_token": "dead"}))
    assert run_tap(tmp_path, oauth_config(keap, path), streams=STREAMS).code == 3
    assert run_tap(tmp_path, oauth_config(keap, path, refresh_token=fresh), streams=STREAMS).code == 0


def test_two_processes_at_once_rotate_once(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    assert run_tap(tmp_path, oauth_config(keap, path), streams=STREAMS).code == 0
    expire(path)
    before = rotations(keap)
    keap.faults("keap", latency_ms=150)
    command = arguments(tmp_path, oauth_config(keap, path), streams=STREAMS)
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0, 0]
    assert rotations(keap) - before == 1


class SlowAnswer(BaseHTTPRequestHandler):
    """Passes a token request on at once, and gives the answer back late: Keap has rotated, nobody knows it yet."""

    target = ""
    handled = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        answer = requests.post(self.target, data=body, headers=headers, timeout=10)
        self.handled.set()
        time.sleep(0.7)
        try:
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)
        except OSError:
            return

    def log_message(self, *args: object) -> None:
        return


@pytest.mark.parametrize("delay", [0.0, 0.3, 0.75])
def test_kill_9_during_a_rotation_strands_nobody(keap: Sandbox, tmp_path: Path, delay: float) -> None:
    path = tmp_path / "tokens.json"
    config = oauth_config(keap, path)
    assert run_tap(tmp_path, config, streams=STREAMS).code == 0
    expire(path)
    old = json.loads(path.read_text())["refresh_token"]
    SlowAnswer.target = config["token_url"]
    SlowAnswer.handled.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowAnswer) as slow:
        threading.Thread(target=slow.serve_forever, daemon=True).start()
        slow_config = {**config, "token_url": f"http://127.0.0.1:{slow.server_address[1]}/token"}
        process = subprocess.Popen(
            arguments(tmp_path, slow_config, streams=STREAMS),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert SlowAnswer.handled.wait(30)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
        assert next(token["fate"] for token in keap.tokens() if token["value"] == old) == "used"
        after = run_tap(tmp_path, config, streams=STREAMS)
        slow.shutdown()
    assert after.code == 0, after.stderr
    assert rotations(keap) == 2, "the next run waited for the pair that was on its way"


def test_login_stores_the_first_pair(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    config = oauth_config(keap, path)
    del config["refresh_token"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [*COMMAND, "auth", "login", "--config", str(tmp_path / "config.json"), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(line.strip() for line in process.stderr if "http" in line)
        query = parse_qs(urlsplit(address).query)
        assert (query["response_type"], query["scope"]) == (["code"], ["full"])
        forged = requests.get(query["redirect_uri"][0].replace("/callback", "/elsewhere"), timeout=10)
        assert forged.status_code == 404
        answer = requests.get(address + "&auto=1", timeout=10)
        assert "go back to the terminal" in answer.text
        rest = process.stderr.read()
        assert process.wait(timeout=20) == 0
    assert "stored" in rest
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run_tap(tmp_path, config, streams=STREAMS).code == 0
    assert datetime.fromisoformat(json.loads(path.read_text())["expires_at"]) > datetime.now(UTC)


def test_login_refuses_an_answer_to_another_question(keap: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(oauth_config(keap, tmp_path / "tokens.json")))
    command = [*COMMAND, "auth", "login", "--config", str(tmp_path / "config.json"), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(line.strip() for line in process.stderr if "http" in line)
        redirect = parse_qs(urlsplit(address).query)["redirect_uri"][0]
        requests.get(f"{redirect}?code=abc&state=forged", timeout=10)
        assert "wrong state" in process.stderr.read()
        assert process.wait(timeout=20) == 3
    assert not (tmp_path / "tokens.json").exists()


def test_login_before_any_token(keap: Sandbox, tmp_path: Path) -> None:
    config = oauth_config(keap, tmp_path / "tokens.json")
    del config["refresh_token"]
    run = run_tap(tmp_path, config, streams=STREAMS)
    assert run.code == 3
    assert "Log in: tap-keap auth login" in run.last_line


def test_a_file_that_holds_no_tokens(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text('{"token": 1}')
    run = run_tap(tmp_path, oauth_config(keap, path), streams=STREAMS)
    assert run.code == 2
    assert "not a token file" in run.last_line
