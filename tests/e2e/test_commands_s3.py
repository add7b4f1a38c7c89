"""The commands with a store behind `s3://` (rules 1.6, 7.4)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Synced, case_of
from tests.support.s3_store import s3_store
from tests.support.sandbox_process import Sandbox

BUCKET, KEY = "stores", "keap/store.sqlite"


@pytest.fixture(name="store")
def fixture_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with s3_store(monkeypatch, BUCKET) as client:
        yield client


def body(store: Any) -> bytes:
    """The store as it lies there, unpacked."""
    return gzip.decompress(store.get_object(Bucket=BUCKET, Key=KEY)["Body"].read())


def test_rule_7_4_commands_read_and_write_a_remote_store(sandbox: Sandbox, tmp_path: Path, store: Any) -> None:
    sandbox.no_limits()
    case = case_of("04-end-date")
    account = Synced(sandbox, tmp_path, case.runs[0].now.isoformat(), {"store_path": f"s3://{BUCKET}/{KEY}"})
    nothing = account.command("status")
    assert (nothing.code, nothing.last_line.lower().count("there is no store yet; run the pipeline first")) == (2, 1)
    account.sync(case.runs[0].keap)
    before = body(store)
    for arguments in (("status",), ("preview", "--set", "trial_source=none"), ("explain", "contact:1207"), ("verify",)):
        done = account.command(*arguments)
        assert done.code == 0, (arguments, done.stderr)
    assert body(store) == before
    shown = json.loads(account.command("status", "--format", "json").stdout)
    assert shown["store_path"] == f"s3://{BUCKET}/{KEY}"
    assert account.command("sync", trial_source="none", force=True).code == 0
    assert body(store) != before
    email = next(each for each in case.runs[0].keap["contacts"] if each["id"] == "1207")["email_addresses"][0]["email"]
    assert email.encode() in body(store)
    assert account.command("forget", "contact:1207", "--yes").code == 0
    assert email.encode() not in body(store)
    assert [each["Key"] for each in store.list_objects_v2(Bucket=BUCKET)["Contents"]] == [KEY, f"{KEY}.writer"]
