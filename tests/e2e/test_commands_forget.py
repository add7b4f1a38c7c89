"""`forget`: a person goes, and does not return (rule 7.4)."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import native_rows
from tests.support.commands import Synced, case_of, run_command
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import SOURCE, run_target, target_config

WHO = "1207"


@pytest.fixture(name="synced")
def fixture_synced(sandbox: Sandbox, tmp_path: Path) -> Synced:
    sandbox.no_limits()
    case = case_of("01-monthly")
    folder = tmp_path / "account"
    folder.mkdir()
    synced = Synced(sandbox, folder, case.runs[-1].now.isoformat())
    synced.settings["report_path"] = str(folder / "report.html")
    synced.sync(case.runs[-1].keap)
    return synced


def personal() -> list[bytes]:
    """What identifies the contact, as it would stand in a file."""
    contact = next(each for each in case_of("01-monthly").runs[-1].keap["contacts"] if each["id"] == WHO)
    found = [contact["given_name"], contact["family_name"], contact["email_addresses"][0]["email"]]
    found += [contact["addresses"][0]["line1"], contact["addresses"][0]["postal_code"]] if contact["addresses"] else []
    return [each.encode() for each in found]


def holding(folder: Path, words: list[bytes]) -> set[str]:
    """Files of the store and the reports that have any of these in them."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name for path in files if any(each in path.read_bytes() for each in words)}


def test_rule_7_4_nothing_of_a_forgotten_person_is_left_on_the_disk(synced: Synced) -> None:
    damaged = synced.folder / "store.sqlite.damaged-20260101T000000Z"
    damaged.write_bytes(b"".join(personal()))
    before = holding(synced.folder, personal())
    assert {"store.sqlite", damaged.name} <= before
    done = synced.command("forget", f"contact:{WHO}", "--yes", api_key=None)
    assert (done.code, done.stderr) == (0, "")
    assert holding(synced.folder, personal()) == set()
    assert [path.name for path in synced.folder.glob("report.*")] == []
    assert f"Erased contacts:{WHO}: " in done.stdout
    assert f"ChartMogul still has customer {WHO}: delete it there." in done.stdout
    for name in ("report.html", "report.json", damaged.name):
        assert f"Deleted {name}" in done.stdout


def test_rule_7_4_a_forgotten_person_does_not_return(synced: Synced) -> None:
    """Neither from Keap, nor from a listing of ChartMogul, which still has the customer."""
    assert synced.command("forget", f"contacts:{WHO}", "--yes").code == 0
    synced.sandbox.clear_requests()
    again = run_target(
        synced.folder, synced.config(relist_days=0), account_messages(case_of("01-monthly").runs[-1].keap)
    )
    assert again.code == 0, again.stderr
    assert synced.sandbox.writes() == []
    assert WHO in synced.sandbox.content(SOURCE, synced.now)["customers"]
    names = {path.name for path in synced.folder.iterdir() if path.is_file()}
    assert holding(synced.folder, personal()) & names == set()
    unknown = synced.command("explain", f"contact:{WHO}")
    assert (unknown.code, unknown.last_line.lower().count("knows nothing")) == (2, 1)


def test_rule_7_4_forget_asks_on_a_terminal_only(synced: Synced) -> None:
    before = synced.store.read_bytes()
    refused = synced.command("forget", f"contact:{WHO}")
    assert (refused.code, refused.last_line.lower().count("add `--yes`")) == (2, 1)
    config = next(synced.folder.glob("command-*/c.json"))
    command = [sys.executable, "-m", "target_chartmogul", "forget", f"contact:{WHO}", "--config", str(config)]
    assert _on_a_terminal(command, b"n\n")[0] == 130
    assert synced.store.read_bytes() == before
    code, shown = _on_a_terminal(command, b"y\n")
    assert code == 0
    assert b"This cannot be undone." in shown
    assert holding(synced.folder, personal()) == set()


def _on_a_terminal(command: list[str], answer: bytes) -> tuple[int, bytes]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer)
    shown = b""
    while process.poll() is None or shown == b"":
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    code = process.wait(60)
    os.close(ours)
    return code, shown


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("order:9071", "Forget whom? Name a person by id: `contact:<id>`"),
        ("contact:77777", "The store knows nothing of contact:77777"),
        ("contact:x", "is not a Keap id"),
    ],
)
def test_mistakes_of_forget(synced: Synced, subject: str, words: str) -> None:
    before = synced.store.read_bytes()
    done = synced.command("forget", subject, "--yes")
    assert (done.code, done.stdout) == (2, "")
    assert words.lower() in done.last_line.lower()
    assert synced.store.read_bytes() == before


def test_rule_7_4_native_customers_are_forgotten_too(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    config = target_config(
        sandbox, store_path=str(tmp_path / "s.sqlite"), external_id_prefix="shop-", data_source_name="Shop"
    )
    rows = native_rows.shop()
    assert run_target(tmp_path, config, native_rows.messages(1, **rows)).code == 0
    whom = rows["customers"][0]
    words = [str(whom[name]).encode() for name in ("name", "email") if whom.get(name)]
    assert words
    assert "s.sqlite" in holding(tmp_path, words)
    shown = run_command(tmp_path, config, "preview", "--set", "hard_delete=true")
    assert (shown.code, "Nothing in ChartMogul would change" in shown.stdout) == (0, True)
    done = run_command(tmp_path, config, "forget", f"customer:{whom['external_id']}", "--yes")
    assert done.code == 0, done.stderr
    assert f"ChartMogul still has customer shop-{whom['external_id']}: delete it there." in done.stdout
    assert holding(tmp_path, words) == set()
    sandbox.clear_requests()
    again = run_target(tmp_path, {**config, "relist_days": 0}, native_rows.messages(2, **rows))
    assert (again.code, sandbox.writes()) == (0, []), again.stderr
    assert holding(tmp_path, words) == set()
