"""`sync`: a run without input (rule 7.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tests.support.commands import Synced, case_of
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import record, schema
from tests.support.target_process import SOURCE, run_target


def synced(sandbox: Sandbox, folder: Path, name: str, run: int = -1) -> Synced:
    sandbox.no_limits()
    case = case_of(name)
    account = Synced(sandbox, folder, case.runs[run].now.isoformat(), case.settings)
    account.sync(case.runs[run].keap)
    sandbox.clear_requests()
    return account


def test_rule_1_3_a_sync_with_nothing_due_writes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, "01-monthly")
    before = account.store.read_bytes()
    done = account.command("sync")
    assert (done.code, done.stdout, sandbox.writes()) == (0, "", [])
    assert account.store.read_bytes() == before
    assert account.report["run"]["outcome"] == "finished"


def test_rule_6_3_a_sync_carries_out_what_is_due(sandbox: Sandbox, tmp_path: Path) -> None:
    """A cancellation that lies ahead in the first run of this account, and has come in the second one."""
    account = synced(sandbox, tmp_path, "04-end-date", run=0)
    content = sandbox.content(SOURCE, account.now)
    scheduled = {name: row["effective_date"] for name, row in content["scheduled"].items()}
    assert scheduled
    due = max(datetime.fromisoformat(each) for each in scheduled.values()) + timedelta(hours=1)
    sandbox.clock(due.isoformat())
    done = account.command("sync", now=due.isoformat())
    assert done.code == 0, done.stderr
    after = sandbox.content(SOURCE, due.isoformat())
    assert after["scheduled"] == {}
    assert {name.replace("scheduled", "cancelled") for name in scheduled} <= set(after["cancellations"])


def test_rule_1_10_a_sync_applies_changed_settings(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, "03-interval")
    before = account.mrr()
    stopped = account.command("sync", interval_source="subscription")
    assert (stopped.code, account.mrr(), sandbox.writes()) == (8, before, [])
    assert "Set `force: true` to carry out this plan anyway" in stopped.last_line
    done = account.command("sync", interval_source="subscription", force=True)
    assert done.code == 0, done.stderr
    assert account.mrr() != before
    assert account.report["mrr"]["months_before"] != account.report["mrr"]["months"]


def test_rule_1_5_a_sync_tries_again_once_a_day_what_was_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """ChartMogul, whose clock is late here, refuses a cancellation that it takes for one to come."""
    account = synced(sandbox, tmp_path, "04-end-date", run=0)
    scheduled = sandbox.content(SOURCE, account.now)["scheduled"]
    due = max(datetime.fromisoformat(row["effective_date"]) for row in scheduled.values()) + timedelta(hours=1)

    def at(moment: datetime) -> tuple[int, set[tuple[str, str | None, bool]]]:
        done = account.command("sync", now=moment.isoformat())
        return done.code, {(each["id"], each["since"], each["new"]) for each in account.report["refusals"]}

    code, refused = at(due)
    since = f"{due:%Y-%m-%dT%H:%M:%SZ}"
    assert code == 7
    assert refused
    assert {each[1:] for each in refused} == {(since, True)}
    known = {(name, since, False) for name, _, _ in refused}
    sandbox.clear_requests()
    assert at(due + timedelta(hours=1)) == (7, known)
    assert sandbox.writes() == []
    day_after = due + timedelta(days=1, minutes=1)
    assert at(day_after) == (7, known)
    assert sandbox.writes() != []
    sandbox.clock((day_after + timedelta(days=2)).isoformat())
    assert at(day_after + timedelta(days=2)) == (0, set())


def test_rule_1_8_a_sync_leaves_what_a_cut_off_input_touched(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, "01-monthly")
    contact = {**case_of("01-monthly").runs[-1].keap["contacts"][0], "given_name": "Renamed"}
    marker = '{"type":"STATE","value":{"bookmarks":{},"keap_read":null}}\n'
    cut = run_target(account.folder, account.config(), schema("contacts") + record("contacts", contact) + marker)
    assert cut.code == 6, cut.stderr
    done = account.command("sync")
    assert (done.code, sandbox.writes()) == (0, [])


def test_mistakes_of_sync(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, "01-monthly")
    for words, more in (
        ("`api_key` is missing", {"api_key": None}),
        ("`store_path` is not set", {"store_path": None}),
        ("run the pipeline first", {"store_path": str(tmp_path / "other.sqlite")}),
    ):
        done = account.command("sync", **more)
        assert (done.code, done.stdout) == (2, "")
        assert words.lower() in done.last_line.lower()
    assert not (tmp_path / "other.sqlite").exists()
