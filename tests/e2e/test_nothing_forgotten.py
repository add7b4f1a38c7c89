"""Rules 1.2 and 1.5: what only the store knows holds until what it brings about is done, however a run ends.

Each case happens twice: in runs that all end well, and with one that is killed, or whose key is withdrawn, at the first
request that would change something. Contacts, orders and payments arrive only where they changed.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipeline import Pipeline
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages, state
from tests.support.singer_rows import Account, club_account

BOOKMARKS = dict.fromkeys(("contacts", "orders"), "2026-01-01T00:00:00Z")
"""Not later than any that a first run told: an older store would not be believed."""


def changed(account: Account, *streams: str) -> str:
    """Messages of an incremental run: what comes whole in every run, and some streams' rows."""
    some = {name: rows for name, rows in account.items() if name in {"products", "subscriptions", *streams}}
    return state(**BOOKMARKS) + changed_messages(some)


@dataclass
class Case:
    """What arrives when: the second run is the one that is ended."""

    runs: list[tuple[str, str]]
    settings: dict[str, Any] = field(default_factory=dict)


def around_its_day(before: Account, after: Account) -> list[tuple[str, str]]:
    """A whole read before 20 February; on that day two runs in which contacts, orders and payments do not come."""
    return [
        ("2026-02-10T08:00:00Z", account_messages(before)),
        ("2026-02-20T08:00:00Z", changed(after)),
        ("2026-02-20T09:00:00Z", changed(after)),
    ]


def scheduled_cancellation() -> Case:
    """6.3: its day comes while nothing arrives that would have the contact looked at."""
    account = club_account(3)
    account["subscriptions"][0]["end_date"] = "2026-02-20"
    return Case(around_its_day(account, account))


def order_dated_ahead() -> Case:
    """1.5: it waits in the store for its day."""
    account = club_account(3)
    account["orders"][1]["order_time"] = "2026-02-20T06:00:00Z"
    return Case(around_its_day(account, account))


def late_link() -> Case:
    """4.3: the subscription appears after its order was sent."""
    account = club_account(1, orders=1)
    account["orders"][0]["order_items"][0]["subscription_id"] = None
    before = {**account, "subscriptions": []}
    return Case(
        [
            ("2026-01-06T08:00:00Z", account_messages(before)),
            ("2026-01-07T08:00:00Z", changed(account)),
            ("2026-01-07T09:00:00Z", changed(account)),
        ]
    )


def attempts_of_an_unpaid_order() -> Case:
    """5.5, 6.4: read once, with an order that is not sent before it is paid."""
    account = club_account(1, orders=1)
    account["subscriptions"][0].update(active=False, end_date="2026-01-10")
    attempt = {"amount": 49.0, "status": "FAILED", "is_successful": False, "transaction_method": "CAPTURE"}
    attempt |= {"transaction_time": "2026-01-05T10:00:00Z", "contact_id": "1", "order_ids": ["101"]}
    unpaid = {**account["orders"][0], "status": "SENT"}
    before = {**account, "orders": [unpaid], "payments": [], "transactions": [attempt]}
    account["payments"][0]["payment_time"] = "2026-01-15T10:00:00Z"
    paid = changed(account, "contacts", "orders", "payments")
    return Case(
        [
            ("2026-01-12T08:00:00Z", account_messages(before)),
            ("2026-02-16T08:00:00Z", paid),
            ("2026-02-16T09:00:00Z", paid),
        ],
        {"unpaid_orders": "skip"},
    )


def vanished_subscription() -> Case:
    """6.7: it is gone from Keap; no record of its contact arrives any more."""
    account = club_account(3)
    after = {**account, "subscriptions": account["subscriptions"][1:]}
    return Case(around_its_day(account, after), {"max_delete_share": 1.0})


CASES = (scheduled_cancellation, order_dated_ahead, late_link, attempts_of_an_unpaid_order, vanished_subscription)


WRITTEN = "/(invoices|line_items|subscription_events|transactions)"


def content(pipeline: Pipeline, now: str) -> Mapping[str, Any]:
    found = pipeline.content(now)
    return {name: found[name] for name in ("customers", "invoices", "cancellations", "scheduled", "mrr")}


@pytest.fixture
def pipelines(sandbox: Sandbox, tmp_path: Path) -> Iterator[tuple[Pipeline, Pipeline]]:
    """One for runs that end well, one for the other."""
    sandbox.no_limits()
    yield tuple(  # type: ignore[misc]
        Pipeline(sandbox, tmp_path / name, target={"data_source_name": name, "load_method": "single"})
        for name in ("well", "ended")
    )
    sandbox.faults("chartmogul")


@pytest.mark.parametrize("how", ["killed", pytest.param("refused", marks=pytest.mark.long)])
@pytest.mark.parametrize("case", CASES, ids=[each.__name__ for each in CASES])
def test_what_a_broken_off_run_left_is_done_by_the_next(
    pipelines: tuple[Pipeline, Pipeline], case: Any, how: str
) -> None:
    well, ended = pipelines
    sandbox = well.sandbox
    told: Case = case()
    for number, (now, messages) in enumerate(told.runs):
        sandbox.clock(now)
        settings = {"now": now, **told.settings}
        well.run(messages=messages, **settings).assert_fine()
        if number != 1:
            ended.run(messages=messages, **settings).assert_fine()
            continue
        before = content(ended, now)
        sandbox.clear_requests()
        kind = {"killed": "never", "refused": "401"}[how]
        script = [
            {"match": {"method": each, "path_regex": WRITTEN}, "kind": kind, "times": 1000}
            for each in ("POST", "PATCH", "DELETE")
        ]
        sandbox.faults("chartmogul", script=script)
        running = ended.start(messages=messages, **settings)
        if how == "killed":
            assert running.wait_until(lambda: any(re.search(WRITTEN, each["path"]) for each in sandbox.writes()))
            running.target.send_signal(signal.SIGKILL)
        assert running.finish().target_code == {"killed": -signal.SIGKILL, "refused": 3}[how]
        sandbox.faults("chartmogul")
        assert content(ended, now) == before, "the run was ended before its first change"
        assert before != content(well, now), "there was something to do"
    assert content(ended, told.runs[-1][0]) == content(well, told.runs[-1][0])
