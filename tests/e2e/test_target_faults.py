"""Under a tenth of failing requests: the same content, nothing doubled, and nothing told that nobody may read."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.bridge import Bridge
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages
from tests.support.singer_rows import club_account

KINDS = ["500", "502", "503", "504_html", "429", "reset_before", "reset_after", "truncated", "never"]


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    return Bridge(sandbox, tmp_path)


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.long), 2])
def test_a_tenth_of_all_requests_fails(bridge: Bridge, seed: int) -> None:
    rows = club_account(12)
    secret = ["Zenobia3", "Quillfeather3", "zenobia3@quillfeather.example", bridge.sandbox.chartmogul_api_key]
    report = bridge.folder / "report.json"
    bridge.sandbox.faults("chartmogul", seed=seed, rate=0.1, kinds=KINDS)
    done = bridge.run(
        account_messages(rows), environment={"LOGLEVEL": "DEBUG"}, report_path=str(report), request_timeout=3
    )
    assert done.code == 0, done.stderr[-3000:]
    bridge.sandbox.faults("chartmogul")
    content = bridge.content()
    assert (len(content["customers"]), len(content["invoices"])) == (12, 24)
    assert content["customers"]["3"]["name"] == "Zenobia3 Quillfeather3"
    assert all(len(invoice["transactions"]) == 1 for invoice in content["invoices"].values())
    told = done.stderr + done.stdout + report.read_text()
    assert [each for each in secret if each in told] == []
    assert json.loads(report.read_text())["requests"]["retries"] > 0
    bridge.sandbox.clear_requests()
    bridge.good(account_messages(rows), store_path=None)
    assert bridge.writes() == 0, "what the store believed is what is there"


def test_it_goes_down_in_the_middle_and_the_next_run_goes_on(bridge: Bridge) -> None:
    """What was not sent is marked in the store."""
    rows = club_account(15)
    script = [{"match": {"method": "POST", "path_regex": "/invoices"}, "kind": "500", "times": 100_000, "after": 10}]
    bridge.sandbox.faults("chartmogul", script=script)
    running = bridge.start(account_messages(rows))
    bridge.wait_for_writes(40)
    running.process.send_signal(signal.SIGTERM)
    done = running.finish()
    assert done.code == 143, done.stderr
    assert done.state is not None
    bridge.sandbox.faults("chartmogul")
    bridge.good(changed_messages({name: rows[name] for name in ("products", "subscriptions")}))
    assert len(bridge.content()["invoices"]) == 30
