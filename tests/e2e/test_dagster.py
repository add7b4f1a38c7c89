"""Many accounts on Dagster, for real: one partition each; a worker is killed, the others go on, a retry finishes.

Opt-in (`make test-dagster`): Dagster lives in an environment of its own, whose `dagster` command `DAGSTER` names.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sandbox.sample import NOW, sample_account
from tests.support.sandbox_process import ROOT, Sandbox

pytestmark = [
    pytest.mark.orchestrator,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("DAGSTER" not in os.environ, reason="DAGSTER names no dagster command: make test-dagster"),
]
ACCOUNTS = ("acme", "globex")


@pytest.fixture(name="s3")
def fixture_s3() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    ).create_bucket(Bucket="accounts")
    yield address
    server.stop()


def environment(sandbox: Sandbox, s3: str, folder: Path) -> dict[str, str]:
    """Shared settings, and what belongs to one account under its name."""
    (folder / "accounts.txt").write_text("\n".join(ACCOUNTS))
    (folder / "home").mkdir()
    now = NOW.isoformat()
    own = {
        f"{account.upper()}__{name}": value
        for account in ACCOUNTS
        for name, value in {
            "TAP_KEAP_API_KEY": sandbox.keap_api_key,
            "TARGET_CHARTMOGUL_API_KEY": sandbox.chartmogul_api_key,
            "TARGET_CHARTMOGUL_DATA_SOURCE_NAME": account,
            "OUTPUT": str(folder / account),
        }.items()
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MELTANO")}
    return (
        inherited
        | own
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KEAP_ACCOUNTS": str(folder / "accounts.txt"),
            "DAGSTER_HOME": str(folder / "home"),
            "STORE": "s3://accounts/keap",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": s3,
            "TAP_KEAP_API_URL": sandbox.keap_url,
            "TAP_KEAP_NOW": now,
            "TARGET_CHARTMOGUL_API_URL": sandbox.chartmogul_url,
            "TARGET_CHARTMOGUL_NOW": now,
            "TARGET_CHARTMOGUL_LOAD_METHOD": "single",
        }
    )


def materialize(account: str, variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        return subprocess.Popen(
            [
                *(os.environ["DAGSTER"], "asset", "materialize"),
                *("-f", ROOT / "deploy" / "dagster" / "definitions.py"),
                *("--select", "chartmogul_data_source", "--partition", account),
            ],
            env=variables,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )


def kill_everything_of(account: str) -> int:
    """SIGKILL to every process that was started for an account; how many there were."""
    killed = 0
    mark = f"\0ACCOUNT={account}\0".encode()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in b"\0" + (place / "environ").read_bytes() + b"\0":
                    os.kill(int(place.name), signal.SIGKILL)
                    killed += 1
    return killed


def test_a_killed_worker_takes_only_its_account_along(sandbox: Sandbox, s3: str, tmp_path: Path) -> None:
    subprocess.run([Path(sys.executable).parent / "meltano", "install"], cwd=ROOT, check=True, capture_output=True)
    sandbox.no_limits()
    sandbox.clock(NOW.isoformat())
    account = sample_account()
    sandbox.load(account)
    variables = environment(sandbox, s3, tmp_path)
    subprocess.run([os.environ["DAGSTER"], "instance", "migrate"], env=variables, check=True, capture_output=True)
    running = {name: materialize(name, variables, tmp_path / f"{name}.log") for name in ACCOUNTS}
    deadline = time.monotonic() + 300
    while len(sandbox.writes()) < 200:
        assert time.monotonic() < deadline, (tmp_path / "acme.log").read_text()[-3000:]
        time.sleep(0.2)
    assert kill_everything_of("acme") >= 2
    assert running["globex"].wait(timeout=400) == 0, (tmp_path / "globex.log").read_text()[-3000:]
    # Dagster retries until the lock of the killed run is over, and finishes what it began.
    assert running["acme"].wait(timeout=900) == 0, (tmp_path / "acme.log").read_text()[-3000:]
    whole = sandbox.content("globex", NOW.isoformat())
    assert whole["invoices"]
    assert sandbox.content("acme", NOW.isoformat()) == whole
