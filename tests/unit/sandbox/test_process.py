"""``python -m sandbox`` as a process: starting, refusing to start, ending."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from tests.support.sandbox_process import ROOT, Sandbox


def fails(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_it_ends_at_once_even_while_somebody_waits(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    running = Sandbox.start("--only", "keap", "--account", "empty", "--ready-file", str(ready))
    assert json.loads(ready.read_text(encoding="utf-8"))["keap_api_url"] == running.keap_url
    running.faults("keap", script=[{"match": {}, "kind": "never"}])
    broken = threading.Event()

    def wait() -> None:
        headers = {"Authorization": f"Bearer {running.keap_api_key}"}
        try:
            requests.get(f"{running.keap_url}/v2/tags", headers=headers, timeout=30)
        except requests.ConnectionError:
            broken.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not running.requests("keap"):
        time.sleep(0.02)
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 3
    waiting.join(timeout=10)
    assert broken.is_set()


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"shoes": []}', "unknown streams: shoes"), ('{"orders": 3}', "orders: not a list"), ("{", "Expecting")],
)
def test_an_account_that_makes_no_sense(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "account.json"
    path.write_text(content, encoding="utf-8")
    done = fails("--only", "keap", "--account", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_addresses_and_clocks_that_make_no_sense(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = fails("--account", "empty", "--only", "keap", "--port", str(taken.getsockname()[1]))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "in use" in done.stderr
    assert fails("--account", "empty", "--now", "2026-01-01T00:00:00").returncode == 2
    assert fails("--account", str(tmp_path / "missing.json")).returncode == 2


def test_accounts_from_files_are_served(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox.sample", "--contacts", "30", "--orders", "60"]
    served = []
    for name, more in (("account.json", []), ("account.jsonl", ["--singer"])):
        path = tmp_path / name
        with path.open("wb") as out:
            subprocess.run([*command, *more], cwd=ROOT, stdout=out, check=True, timeout=60)
        running = Sandbox.start("--only", "keap", "--account", str(path))
        try:
            headers = {"Authorization": f"Bearer {running.keap_api_key}"}
            query = "page_size=1000&order_by=modification_time%20desc"
            answer = requests.get(f"{running.keap_url}/v2/orders?{query}", headers=headers, timeout=20).json()
            running.put("orders", {**answer["orders"][0], "title": "Changed"})
            again = requests.get(f"{running.keap_url}/v2/orders?{query}", headers=headers, timeout=20).json()
            running.reset()
            after = requests.get(f"{running.keap_url}/v2/orders?{query}", headers=headers, timeout=20).json()
            assert after == answer
            served.append((answer, again))
        finally:
            running.stop()
    assert served[0] == served[1]
    assert len(served[0][0]["orders"]) == 60
    assert served[0][1]["orders"][0]["title"] == "Changed"


def test_today_is_the_machines_clock_and_the_guide_says_what_to_do_next(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "sandbox", "--now", "today", "--guide", "--ready-file", str(ready)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip() for _ in range(16)]
            where = json.loads(ready.read_text(encoding="utf-8"))
            for name, key in (("TAP_KEAP_API_KEY", "keap_api_key"), ("TAP_KEAP_API_URL", "keap_api_url"),
                              ("TARGET_CHARTMOGUL_API_KEY", "chartmogul_api_key")):  # fmt: skip
                assert f"export {name}={where[key]}" in lines
            assert "meltano --environment=sandbox run tap-keap target-chartmogul" in lines
            clock = requests.get(f"{where['control_url']}/clock", timeout=20).json()["now"]
            assert abs(datetime.now(UTC) - datetime.fromisoformat(clock)) < timedelta(seconds=30)
            newest = max(order["creation_time"] for order in account(where)["orders"])
            assert datetime.now(UTC) - timedelta(days=40) < datetime.fromisoformat(newest) <= datetime.now(UTC)
        finally:
            process.terminate()
    assert process.returncode == 0


def account(where: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = requests.get(f"{where['control_url']}/keap/account", timeout=20).json()
    return found


def test_make_sandbox_serves_what_meltano_asks() -> None:
    """The address of Meltano's environment is the one of the Makefile, and the time is the machine's for both."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    environment = (ROOT / "meltano.yml").read_text(encoding="utf-8").partition("- name: prod")[0]
    assert "-m sandbox --port 8765 --now today --guide" in recipe
    assert environment.count("http://127.0.0.1:8765/") == 3
    assert "now:" not in environment
