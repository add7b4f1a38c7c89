"""`report_path`: the page beside the JSON by default, earlier runs with an index, an address instead of a path."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from target_chartmogul.report.history import KEPT, PastRun, keep, past_runs
from target_chartmogul.report.place import ReportPlace
from tests.support.bridge import Bridge
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.singer_rows import club_account

ROWS = club_account(2)


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    return Bridge(sandbox, tmp_path)


@pytest.mark.parametrize("name", ["report.json", "report.html"])
def test_page_json_and_history(bridge: Bridge, name: str) -> None:
    """A good run, a rehearsal and one with rejects: all are kept, the last one is also at `report_path`."""
    folder = bridge.folder / "reports"
    path = str(folder / name)
    bridge.good(account_messages(ROWS), report_path=path)
    bridge.good(account_messages(ROWS), report_path=path, dry_run=True)
    bad = account_messages({**ROWS, "payments": [*ROWS["payments"], {"id": "33", "amount": "x"}]})
    assert bridge.run(bad, report_path=path).code == 7
    assert sorted(each.name for each in folder.iterdir()) == ["report-runs", "report.html", "report.json"]
    runs = json.loads((folder / "report-runs" / "runs.json").read_text())
    assert [(each["exit_code"], each["dry_run"]) for each in runs] == [(7, False), (0, True), (0, False)]
    assert runs[2]["mrr"] == {"USD": 9800}
    assert runs[0]["rejected"] == 1
    index = (folder / "report-runs" / "index.html").read_text()
    for each in runs:
        assert f'href="{each["name"]}.html"' in index
        kept = json.loads(gzip.decompress((folder / "report-runs" / f"{each['name']}.json.gz").read_bytes()))
        assert kept["run"]["exit_code"] == each["exit_code"]
        page = (folder / "report-runs" / f"{each['name']}.html").read_text()
        assert f"{each['name']}.json.gz" in page
    assert "98.00 USD" in re.sub(r"\s+", " ", index)
    assert "report.json" in (folder / "report.html").read_text()


def test_the_last_thirty_are_kept(tmp_path: Path) -> None:
    place = ReportPlace(str(tmp_path / "r.json"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "j").write_text("{}")
    for number in range(KEPT + 3):
        run = {"started_at": f"2026-01-{number + 1:02}T08:00:00.000000+00:00", "seconds": 1, "dry_run": False}
        report = {"run": {**run, "outcome": "finished", "exit_code": 0}, "counts": {}, "rejects": [], "refusals": []}
        keep(place, report, scratch / "j", "<p>page</p>", scratch)
    runs: list[PastRun] = past_runs(place)
    assert len(runs) == KEPT
    assert runs[0].started_at.startswith("2026-01-33")
    files = [each.name for each in (tmp_path / "r-runs").iterdir()]
    assert len(files) == 2 * KEPT + 2


@pytest.fixture(name="s3")
def fixture_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server on loopback with an empty bucket; yields its address."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "k", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="reports")
    yield address
    server.stop()


def test_reports_on_s3(bridge: Bridge, s3: str) -> None:
    done = bridge.good(account_messages(ROWS), report_path="s3://reports/keap/report.json")
    assert (
        "Report: s3://reports/keap/report.html (earlier runs: s3://reports/keap/report-runs/index.html)" in done.stderr
    )
    files = boto3.client("s3", endpoint_url=s3)
    names = [each["Key"] for each in files.list_objects_v2(Bucket="reports")["Contents"]]
    assert {"keap/report.json", "keap/report.html", "keap/report-runs/index.html"} <= set(names)
    page = files.get_object(Bucket="reports", Key="keap/report.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    bridge.good(account_messages(ROWS), report_path="s3://reports/keap/report.json")
    runs = json.loads(files.get_object(Bucket="reports", Key="keap/report-runs/runs.json")["Body"].read())
    assert len(runs) == 2


@pytest.mark.parametrize("path", ["s3://no-such-bucket/report.json", "nothing://x/report.json"])
def test_an_address_that_cannot_be_is_refused_before_the_run(bridge: Bridge, s3: str, path: str) -> None:
    done = bridge.run(account_messages(ROWS), report_path=path)
    assert done.code == 2, done.stderr
    assert "Setting `report_path`" in done.last_line
    assert bridge.writes() == 0
