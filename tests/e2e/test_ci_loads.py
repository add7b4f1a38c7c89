"""CI without a disk: `deploy/sync.sh` as workflows call it, a fresh folder for every run, what lasts is on S3."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.support.keap_rows import Row, contact, order, payment, product, subscription, subscription_item
from tests.support.sandbox_process import ROOT, Sandbox

MONTHS = 5
BUCKET = "loads"
BIN = Path(sys.executable).parent
PROJECT = ("meltano.yml", "deploy", "tap-keap", "target-chartmogul", "requirements")


def account_after(month: int) -> dict[str, list[Row]]:
    """Three members: the second moves to another contact in March and pays April late in May, the third leaves."""
    rows: dict[str, list[Row]] = {"products": [product()], "contacts": [], "subscriptions": []}
    rows |= {name: [] for name in ("orders", "payments", "transactions", "order_payments")}
    for number in (1, 2, 3, 4):
        rows["contacts"].append(contact(f"120{number}", update_time="2026-01-02T00:00:00Z"))
    for member in (1, 2, 3):
        owner = "1204" if member == 2 and month >= 3 else f"120{member}"
        left = member == 3 and month >= 4
        rows["subscriptions"].append(
            subscription(
                f"50{member}",
                owner,
                active=not left,
                end_date="2026-04-20" if left else None,
                last_bill_date=f"2026-0{month}-10",
                modification_time=f"2026-0{month}-10T12:00:05Z",
            )
        )
        for place in range(1, month + 1):
            number, day = f"90{member}{place}", f"2026-0{place}-10"
            late = member == 2 and place == 4
            changed = "2026-05-12T12:00:03Z" if late and month >= 5 else f"{day}T12:00:03Z"
            payer = "1204" if member == 2 and place >= 3 else f"120{member}"
            rows["orders"].append(
                order(
                    number,
                    [subscription_item(f"{number}01", f"50{member}")],
                    4900,
                    payer,
                    time=f"{day}T12:00:00Z",
                    modification_time=changed,
                    invoice_id=f"7{number}",
                )
            )
            if not late or month >= 5:
                rows["payments"].append(
                    payment(f"8{number}", [number], 49.0, time=changed, update_time=changed, contact_id=payer)
                )
    return rows


@pytest.fixture(name="s3", scope="module")
def fixture_s3() -> Iterator[str]:
    """An S3 server on loopback with an empty bucket; yields its address."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="loads",
        aws_secret_access_key="loads",
    )
    client.create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


class Machine:
    """What a scheduler gives a run: a checkout, keys in the environment, and nothing of an earlier run."""

    def __init__(self, folder: Path, sandbox: Sandbox, s3: str, account: str) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.s3 = s3
        self.account = account

    def checkout(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir()
        for each in PROJECT:
            source = ROOT / each
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, place / each)
        return place

    def run(self, name: str, now: str, *, oauth: bool = False) -> tuple[subprocess.CompletedProcess[str], Path]:
        place = self.checkout(name)
        keys = (
            {
                "TAP_KEAP_CLIENT_ID": self.sandbox.keys["keap_client_id"],
                "TAP_KEAP_CLIENT_SECRET": self.sandbox.keys["keap_client_secret"],
                "TAP_KEAP_REFRESH_TOKEN": self.sandbox.keys["keap_refresh_token"],
                "TAP_KEAP_TOKEN_URL": self.sandbox.urls["keap_token_url"],
            }
            if oauth
            else {"TAP_KEAP_API_KEY": self.sandbox.keap_api_key}
        )
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MELTANO")}
        done = subprocess.run(
            ["bash", place / "deploy" / "sync.sh"],
            cwd=place,
            env=inherited
            | keys
            | {
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "UV_COMPILE_BYTECODE": "0",
                "STORE": f"s3://{BUCKET}/keap",
                "ACCOUNT": self.account,
                "AWS_ACCESS_KEY_ID": "loads",
                "AWS_SECRET_ACCESS_KEY": "loads",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": self.s3,
                "TAP_KEAP_API_URL": self.sandbox.keap_url,
                "TAP_KEAP_NOW": now,
                "TARGET_CHARTMOGUL_API_URL": self.sandbox.chartmogul_url,
                "TARGET_CHARTMOGUL_API_KEY": self.sandbox.chartmogul_api_key,
                "TARGET_CHARTMOGUL_NOW": now,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        return done, place


def moment(month: int) -> str:
    return f"2026-0{month}-25T08:00:00Z"


def whole_run(sandbox: Sandbox, tmp_path: Path, now: str) -> dict[str, Any]:
    """The content after one run over the last state, in an empty source."""
    from tests.support.tap_process import key_config, run_tap
    from tests.support.target_process import run_target, target_config

    tap = run_tap(tmp_path / "tap", key_config(sandbox))
    messages = "".join(json.dumps(each) + "\n" for each in tap.messages)
    done = run_target(tmp_path / "whole", target_config(sandbox, now=now), messages)
    assert done.code == 0, done.stderr
    return sandbox.content("Keap", now)


@pytest.mark.parametrize(
    ("months", "oauth"),
    [
        pytest.param([2, 5], False, id="two-loads", marks=pytest.mark.long),
        pytest.param(list(range(1, MONTHS + 1)), True, id="five-loads-with-rotating-tokens", marks=pytest.mark.long),
    ],
)
def test_loads_on_fresh_machines_end_as_one(
    sandbox: Sandbox, s3: str, tmp_path: Path, months: list[int], oauth: bool
) -> None:
    """Five incremental loads, each on a machine that knows nothing: the same content as one."""
    sandbox.no_limits()
    machine = Machine(tmp_path, sandbox, s3, f"account-{len(months)}")
    for month in months:
        sandbox.clock(moment(month))
        sandbox.load(account_after(month))
        sandbox.clear_requests()
        done, place = machine.run(f"machine-{month}", moment(month), oauth=oauth)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        report = json.loads((place / "output" / machine.account / "report.json").read_text())
        assert report["run"]["outcome"] == "finished"
        reads = [each for each in sandbox.requests("keap") if "orders" in each["path"]]
        incremental = any("modified_since_time" in str(each["query"]) for each in reads)
        assert incremental == (month != months[0])
    loaded = sandbox.content("Keap", moment(MONTHS))
    assert len(loaded["invoices"]) == 3 * MONTHS
    if len(months) == MONTHS:
        again, _ = machine.run("machine-again", moment(MONTHS), oauth=oauth)
        assert again.returncode == 0, again.stdout[-3000:]
        assert sandbox.content("Keap", moment(MONTHS)) == loaded

    sandbox.reset()
    sandbox.no_limits()
    sandbox.clock(moment(MONTHS))
    sandbox.load(account_after(MONTHS))
    assert loaded == whole_run(sandbox, tmp_path, moment(MONTHS))


@pytest.mark.long
def test_a_load_with_rejects_fails_and_says_so(sandbox: Sandbox, s3: str, tmp_path: Path) -> None:
    sandbox.no_limits()
    account = account_after(2)
    account["orders"][0]["total"] = {"amount": 4900, "currency_code": "XYZ"}
    sandbox.clock(moment(2))
    sandbox.load(account)
    done, place = Machine(tmp_path, sandbox, s3, "rejects").run("machine", moment(2))
    assert done.returncode != 0
    report = json.loads((place / "output" / "rejects" / "report.json").read_text())
    assert [each["id"] for each in report["rejects"]] == [account["orders"][0]["id"]]
    assert report["run"]["exit_code"] == 7


def test_without_a_store_it_says_what_is_missing(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "STORE"}
    done = subprocess.run(
        ["bash", ROOT / "deploy" / "sync.sh"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "STORE" in done.stderr


LINTERS = {
    "github": [
        "check-jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        "deploy/github/workflows/keap-to-chartmogul.yml",
    ],
    "zizmor": ["zizmor", "--offline", "--quiet", "deploy/github/workflows/keap-to-chartmogul.yml"],
    "gitlab": [
        "check-jsonschema",
        "--builtin-schema",
        "vendor.gitlab-ci",
        "--data-transform",
        "gitlab-ci",
        "deploy/gitlab-ci.yml",
    ],
    "docker": ["hadolint", "deploy/Dockerfile"],
}


@pytest.mark.parametrize("name", LINTERS)
def test_what_lies_in_deploy_passes_its_linter(name: str) -> None:
    program, *arguments = LINTERS[name]
    done = subprocess.run([BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schedulers_call_what_is_tested_here() -> None:
    workflow = yaml.safe_load((ROOT / "deploy/github/workflows/keap-to-chartmogul.yml").read_text())
    commands = [step.get("run", "") for step in workflow["jobs"]["sync"]["steps"]]
    assert any("deploy/sync.sh" in each for each in commands)
    assert (
        "deploy/sync.sh" in yaml.safe_load((ROOT / "deploy/gitlab-ci.yml").read_text())["keap-to-chartmogul"]["script"]
    )
    assert 'ENTRYPOINT ["deploy/sync.sh"]' in (ROOT / "deploy/Dockerfile").read_text()
