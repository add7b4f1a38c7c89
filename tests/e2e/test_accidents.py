"""Each guard of rule 1.7 stops its accident before the first write; `force` lets it pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pipeline import Pipeline
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, activate, schema, state
from tests.support.singer_rows import Account, club_account

NOW = "2026-03-20T08:00:00Z"
CONTACTS = 12


def first_contacts(number: int) -> Account:
    return club_account(number)


def most_orders_are_gone() -> tuple[str, dict[str, object], str]:
    return account_messages(first_contacts(5)), {"hard_delete": True}, "invoices"


def all_contacts_fall_into_a_filter() -> tuple[str, dict[str, object], str]:
    rows = club_account(CONTACTS)
    for contact in rows["contacts"]:
        contact["tag_ids"] = ["9"]
    return account_messages(rows), {"hard_delete": True, "exclude_contact_tags": ["9"]}, "customers"


def no_subscription_is_left() -> tuple[str, dict[str, object], str]:
    """Keap answers an empty list, as it might while something is wrong there."""
    return schema("subscriptions") + activate("subscriptions") + state(), {}, "vanished"


def another_prefix() -> tuple[str, dict[str, object], str]:
    return account_messages(club_account(1)), {"external_id_prefix": "keap-", "store_path": None}, "external_id_prefix"


def a_state_without_content() -> tuple[str, dict[str, object], str]:
    messages = state(orders="2026-01-01T00:00:00Z") + account_messages(club_account(1))
    return messages, {"data_source_name": "New", "store_path": None}, "--full-refresh"


def another_source_than_the_ledgers() -> tuple[str, dict[str, object], str]:
    return account_messages(club_account(1)), {"data_source_name": "New"}, "would be created"


ACCIDENTS = [
    most_orders_are_gone,
    all_contacts_fall_into_a_filter,
    no_subscription_is_left,
    another_prefix,
    a_state_without_content,
    another_source_than_the_ledgers,
]


@pytest.mark.parametrize("accident", ACCIDENTS, ids=[each.__name__ for each in ACCIDENTS])
def test_rule_1_7(sandbox: Sandbox, tmp_path: Path, accident: Callable[[], tuple[str, dict[str, object], str]]) -> None:
    sandbox.no_limits()
    sandbox.clock(NOW)
    pipeline = Pipeline(sandbox, tmp_path, target={"now": NOW})
    pipeline.run(messages=account_messages(club_account(CONTACTS))).assert_fine()
    before = pipeline.content()
    messages, settings, word = accident()
    sandbox.clear_requests()
    stopped = pipeline.run(messages=messages, **settings)
    assert stopped.target_code == 8, stopped
    assert word in stopped.target_stderr.splitlines()[-1]
    assert (sandbox.writes(), stopped.state) == ([], None)
    assert pipeline.content() == before
    forced = pipeline.run(messages=messages, force=True, **settings)
    forced.assert_fine()
    assert sandbox.writes() != []
