"""The token store on S3: for runs that have no disk of their own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.s3_store import s3_store
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import arguments, oauth_config, run_tap

BUCKET = "tokens"
URL = f"s3://{BUCKET}/keap/tokens.json"
STREAMS = ("products",)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An S3 service on loopback with one bucket, and the environment that leads to it."""
    with s3_store(monkeypatch, BUCKET) as client:
        yield client


@pytest.fixture
def keap(sandbox: Sandbox) -> Sandbox:
    sandbox.clock(None)
    sandbox.no_limits(["keap"])
    return sandbox


def stored(client: object) -> dict[str, str]:
    body = client.get_object(Bucket=BUCKET, Key="keap/tokens.json")["Body"].read()  # type: ignore[attr-defined]
    pair: dict[str, str] = json.loads(body)
    return pair


def test_tokens_rotate_in_the_bucket(keap: Sandbox, store: object, tmp_path: Path) -> None:
    config = oauth_config(keap, URL)
    first = run_tap(tmp_path, config, streams=STREAMS)
    assert first.code == 0, first.stderr
    pair = stored(store)
    assert pair["access_token"] in {token["value"] for token in keap.tokens() if token["fate"] == "live"}
    expired = json.dumps({**pair, "expires_at": "2020-01-01T00:00:00.000Z"})
    store.put_object(Bucket=BUCKET, Key="keap/tokens.json", Body=expired.encode())  # type: ignore[attr-defined]
    assert run_tap(tmp_path, config, streams=STREAMS).code == 0
    assert stored(store)["refresh_token"] != pair["refresh_token"]
    names = [item["Key"] for item in store.list_objects_v2(Bucket=BUCKET)["Contents"]]  # type: ignore[attr-defined]
    assert names == ["keap/tokens.json"], "the lock is gone"


def test_three_machines_rotate_once(keap: Sandbox, store: object, tmp_path: Path) -> None:
    keap.faults("keap", latency_ms=200)
    command = arguments(tmp_path, oauth_config(keap, URL), streams=STREAMS)
    runs = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ.copy())
        for _ in range(3)
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0, 0]
    assert sum(entry["path"].endswith("/token") for entry in keap.requests("keap")) == 1


def test_the_lock_of_a_machine_that_died_is_broken(keap: Sandbox, store: object, tmp_path: Path) -> None:
    lease = json.dumps({"owner": "gone", "until": "2020-01-01T00:00:00.000Z"}).encode()
    store.put_object(Bucket=BUCKET, Key="keap/tokens.json.lock", Body=lease)  # type: ignore[attr-defined]
    run = run_tap(tmp_path, oauth_config(keap, URL), streams=STREAMS)
    assert run.code == 0, run.stderr
