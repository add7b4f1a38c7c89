"""Cancellations by the command line beyond the worked accounts: overrides, product groups, due and first-seen dates."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages
from tests.support.target_process import SOURCE, run_target, target_config
from tests.support.worked_accounts import Case, cases

Account = dict[str, list[dict[str, Any]]]


def account_of(name: str) -> tuple[Case, Account]:
    case = next(case for case in cases() if case.id.startswith(name) and "[" not in case.id)
    return case, copy.deepcopy(case.runs[-1].keap)


def events(sandbox: Sandbox, now: str) -> dict[str, str]:
    """Id -> effective time of all cancellations, done or to come."""
    content = sandbox.content(SOURCE, now)
    return {
        name: each["effective_date"]
        for section in ("cancellations", "scheduled")
        for name, each in content[section].items()
    }


def sync(sandbox: Sandbox, tmp_path: Path, keap: Account, now: str, *, lasting: bool = True, **settings: Any) -> None:
    """A run; settings that change may change months that are over (rule 1.7)."""
    sandbox.clock(now)
    path = str(tmp_path / "store.sqlite") if lasting else None
    config = target_config(sandbox, store_path=path, now=now, force=True, **settings)
    done = run_target(tmp_path, config, account_messages(keap))
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("none", {}),
        ("2026-02-14", {"551-cancelled-2026-02-14": "2026-02-14T00:00:00Z"}),
        ("2027-01-01", {"551-scheduled-2027-01-01": "2027-01-01T00:00:00Z"}),
    ],
)
def test_rule_6_8_cancellation_overrides(
    sandbox: Sandbox, tmp_path: Path, override: str, expected: dict[str, str]
) -> None:
    """Set after a first run has written what Keap says; taken back, Keap counts again."""
    sandbox.no_limits()
    _, keap = account_of("05-end-date")
    now = "2026-04-20T08:00:00Z"
    by_keap = {"551-cancelled-2026-03-10": "2026-03-10T14:00:01Z"}

    def of_551() -> dict[str, str]:
        return {name: each for name, each in events(sandbox, now).items() if name.startswith("551-")}

    sync(sandbox, tmp_path, keap, now)
    assert of_551() == by_keap
    others = {name: each for name, each in events(sandbox, now).items() if not name.startswith("551-")}
    sync(sandbox, tmp_path, keap, now, cancellation_overrides={"551": override})
    assert of_551() == expected
    assert {name: each for name, each in events(sandbox, now).items() if not name.startswith("551-")} == others
    sync(sandbox, tmp_path, keap, now)
    assert of_551() == by_keap


def test_rule_6_6_plan_change_products_are_one_product(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    case, keap = account_of("22-plan")
    now = case.runs[-1].now.isoformat()
    follower = next(row for row in keap["subscriptions"] if row["id"] == "722")
    follower["product_id"] = "42"
    for order in keap["orders"]:
        for item in order["order_items"]:
            if item["subscription_id"] == "722":
                item["product"]["id"] = "42"
    sync(sandbox, tmp_path, keap, now, plan_change="switch")
    assert events(sandbox, now) == {"721-cancelled-2026-04-10": "2026-04-10T00:00:00Z"}
    sync(sandbox, tmp_path, keap, now, plan_change="switch", plan_change_products=[["31", "42"]])
    assert events(sandbox, now) == {"721-cancelled-2026-03-25": "2026-03-25T16:00:00Z"}


def test_rule_6_3_due_dates_are_found_though_nothing_changed(sandbox: Sandbox, tmp_path: Path) -> None:
    """Only the streams that arrive whole come again: no order, no payment, no contact."""
    sandbox.no_limits()
    keap = account_of("04-end-date")[0].runs[0].keap
    sync(sandbox, tmp_path, keap, "2026-03-20T08:00:00Z")
    whole = {name: rows for name, rows in keap.items() if name in {"products", "subscription_plans", "subscriptions"}}
    for now in ("2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z"):
        sandbox.clear_requests("chartmogul")
        sandbox.clock(now)
        config = target_config(sandbox, store_path=str(tmp_path / "store.sqlite"), now=now)
        done = run_target(tmp_path, config, changed_messages(whole))
        assert done.code == 0, done.stderr
        is_due = now.startswith("2026-05")
        kind = "cancelled" if is_due else "scheduled"
        assert f"542-{kind}-2026-05-01" in events(sandbox, now)
        # the preflight asks with a write that can do nothing whether the key may write
        done_writes = [each["method"] for each in sandbox.writes() if each["status"] < 400]
        assert done_writes == (["POST", "DELETE"] if is_due else [])
    assert "542-scheduled-2026-05-01" not in events(sandbox, now)


@pytest.mark.parametrize("lasting", [True, False])
def test_rule_6_1_the_day_first_seen_stays(sandbox: Sandbox, tmp_path: Path, lasting: bool) -> None:
    """Inactive, and Keap says nothing of when: the day of the run that saw it first, until it is active again."""
    sandbox.no_limits()
    case, keap = account_of("06-inactive")
    del case
    row = next(row for row in keap["subscriptions"] if row["id"] == "563")
    keap["subscriptions"] = [row]
    row.update(next_bill_date=None, last_bill_date=None, modification_time=None)

    def of_563(now: str) -> dict[str, str]:
        return {name: each for name, each in events(sandbox, now).items() if name.startswith("563-")}

    for now in ("2026-05-05T08:00:00Z", "2026-05-07T08:00:00Z"):
        sync(sandbox, tmp_path, keap, now, lasting=lasting)
        assert of_563(now) == {"563-cancelled-2026-05-05": "2026-05-05T00:00:00Z"}
    row["active"] = True
    sync(sandbox, tmp_path, keap, "2026-05-08T08:00:00Z", lasting=lasting)
    assert of_563(now) == {}
    row["active"] = False
    sync(sandbox, tmp_path, keap, "2026-05-09T08:00:00Z", lasting=lasting)
    assert of_563(now) == {"563-cancelled-2026-05-09": "2026-05-09T00:00:00Z"}
