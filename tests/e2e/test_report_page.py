"""The report's page in a real browser: its figures are the JSON's, the console stays silent, nothing is asked for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import run_target, target_config
from tests.support.worked_accounts import ACCOUNTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OUTSIDE = re.compile(r"""(?:src|href|action|url\()\s*=?\s*["']?(?!#|data:)(?:https?:)?//""")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=2000",
]


class Figures(HTMLParser):
    """Texts of the elements that name a figure: `data-count`, `data-mrr`, or an id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._open: str | None = None
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        self._open = named.get("data-count") or named.get("data-mrr") or named.get("id")

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.found.setdefault(self._open, data.strip())
            self._open = None


@pytest.fixture(name="report")
def fixture_report(sandbox: Sandbox, tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """A real run's JSON and page: an account with two cancellations, a reject and a dropped e-mail."""
    run = json.loads((ACCOUNTS / "06-inactive-without-end-date.json").read_text())["runs"][0]
    run["keap"]["contacts"][0]["email_addresses"] = [{"email": "<script>alert(1)</script>", "field": "EMAIL1"}]
    run["keap"]["orders"][0]["total"]["amount"] = "4900"
    sandbox.no_limits()
    sandbox.clock(run["now"])
    config = target_config(sandbox, now=run["now"], report_path=str(tmp_path / "report.html"))
    done = run_target(tmp_path, config, "".join(account_messages(run["keap"])))
    assert done.code == 7, done.stderr
    return json.loads((tmp_path / "report.json").read_text()), tmp_path / "report.html"


def money(hundredths: int) -> str:
    return f"{hundredths // 100:,}.{hundredths % 100:02d}"


def test_the_page_holds_everything_itself(report: tuple[dict[str, Any], Path]) -> None:
    page = report[1].read_text()
    assert not OUTSIDE.search(page)
    assert "<script" not in page
    assert "alert(1)" not in page
    assert "@example" not in page


def test_it_can_be_read_without_seeing_it(report: tuple[dict[str, Any], Path]) -> None:
    tags = Figures(report[1].read_text()).tags
    names = [tag for tag, _ in tags]
    assert ("html", {"lang": "en"}) in tags
    assert names.count("h1") == 1
    assert names.count("main") == 1
    ids = [attrs["id"] for _, attrs in tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    for tag, attrs in tags:
        if tag == "svg":
            assert attrs["role"] == "img"
            assert attrs["aria-label"]
        if tag == "section":
            assert attrs["aria-labelledby"] in ids
        if "scroll" in (attrs.get("class") or ""):
            assert attrs["tabindex"] == "0"
    assert names.count("caption") == names.count("table")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")
@pytest.mark.parametrize("mode", [[], ["--force-dark-mode"], ["--window-size=390,844"]], ids=["", "dark", "phone"])
def test_a_browser_shows_the_figures_of_the_json(
    report: tuple[dict[str, Any], Path], tmp_path: Path, mode: list[str]
) -> None:
    document, page = report
    shown = subprocess.run(
        [CHROMIUM, *FLAGS, *mode, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in shown.stderr
    found = Figures(shown.stdout).found
    for kind, counts in document["counts"].items():
        for what, number in counts.items():
            assert found[f"{kind}.{what}"] == str(number)
    months = document["mrr"]["months"]
    assert months
    for month, currencies in months.items():
        for currency, values in currencies.items():
            assert found[f"{currency}.{month}"] == money(values["mrr"])
    assert found["mrr-now-USD"] == money(months[max(months)]["USD"]["mrr"])
    assert found["trouble"] == str(len(document["rejects"]) + len(document["refusals"]))
    for entry in document["churn"]:
        assert f"<td>{entry['subscription']}</td>" in shown.stdout
        assert f"<td>{entry['effective_date'][:10]}</td>" in shown.stdout
