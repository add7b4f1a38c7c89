"""Under a tenth of failing requests: the same content, nothing doubled, and nothing told that nobody may read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_target_runs import NOW, Bridge, account
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import run_target

KINDS = ["500", "502", "503", "504_html", "429", "reset_before", "reset_after", "truncated", "never"]


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    sandbox.no_limits()
    sandbox.clock(NOW)
    return Bridge(sandbox, tmp_path)


def people(rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Give every contact a name and an address that stand out; what nobody may read."""
    secret = []
    for contact in rows["contacts"]:
        given, address = f"Zebulon{contact['id']}", f"zebulon{contact['id']}@quagmire.example"
        contact |= {"given_name": given, "email_addresses": [{"email": address, "field": "EMAIL1"}]}
        secret += [given, address]
    return secret


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("lasting", [True, False], ids=["ledger", "no-ledger"])
def test_a_tenth_of_all_requests_fails(bridge: Bridge, seed: int, lasting: bool) -> None:
    rows = account(12)
    secret = [*people(rows), bridge.sandbox.chartmogul_api_key]
    report = bridge.folder / "report.json"
    config = bridge.config(report_path=str(report), request_timeout=2, **({} if lasting else {"store_path": None}))
    bridge.sandbox.faults("chartmogul", seed=seed, rate=0.1, kinds=KINDS)
    done = run_target(bridge.folder, config, account_messages(rows), environment={"LOGLEVEL": "DEBUG"})
    assert done.code == 0, done.stderr[-3000:]
    bridge.sandbox.faults("chartmogul")
    content = bridge.content()
    assert (len(content["customers"]), len(content["invoices"])) == (12, 24)
    assert content["customers"]["3"]["name"] == "Zebulon3"
    assert all(len(invoice["transactions"]) == 1 for invoice in content["invoices"].values())
    told = done.stderr + done.stdout + report.read_text()
    assert [each for each in secret if each in told] == []
    assert json.loads(report.read_text())["requests"]["retries"] > 0
    bridge.sandbox.clear_requests()
    assert bridge.run(account_messages(rows), store_path=None).code == 0
    assert bridge.writes() == 0, "what the ledger believed is what is there"


def test_it_goes_down_in_the_middle_and_the_next_run_goes_on(bridge: Bridge) -> None:
    """4: run again later. What was not sent waits in the ledger."""
    rows = account(15)
    script = [{"match": {"method": "POST", "path_regex": "/invoices"}, "kind": "500", "times": 100_000, "after": 10}]
    bridge.sandbox.faults("chartmogul", script=script)
    running = bridge.start(account_messages(rows))
    bridge.wait_for_writes(40)
    running.terminate()
    stdout, stderr = running.communicate(timeout=120)
    assert running.returncode == 143, stderr
    assert stdout, "the state goes out: the ledger keeps the rest"
    bridge.sandbox.faults("chartmogul")
    rest = {name: rows[name] for name in ("products", "subscriptions")}
    assert bridge.run(account_messages(rest, whole=["subscriptions"])).code == 0
    assert len(bridge.content()["invoices"]) == 30
