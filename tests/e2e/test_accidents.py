"""Each guard of rule 1.7 stops its accident before the first write; `force` lets it pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pipeline import Pipeline
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, changed_messages, state, whole_stream
from tests.support.singer_rows import club_account

NOW = "2026-03-20T08:00:00Z"
CONTACTS = 12


def most_orders_are_gone() -> tuple[str, dict[str, object], str]:
    return account_messages(club_account(5)), {"hard_delete": True}, "14 of 24 invoices"


def all_contacts_fall_into_a_filter() -> tuple[str, dict[str, object], str]:
    rows = club_account(CONTACTS)
    for contact in rows["contacts"]:
        contact["tag_ids"] = ["9"]
    return account_messages(rows), {"hard_delete": True, "exclude_contact_tags": ["9"]}, "12 of 12 customers"


def no_subscription_is_left() -> tuple[str, dict[str, object], str]:
    """Keap answers an empty list, as it might while something is wrong there."""
    return whole_stream("subscriptions", []) + state(), {}, "gone from their source"


def another_prefix() -> tuple[str, dict[str, object], str]:
    return account_messages(club_account(1)), {"external_id_prefix": "keap-", "store_path": None}, "external_id_prefix"


def another_source_than_the_stores() -> tuple[str, dict[str, object], str]:
    return account_messages(club_account(CONTACTS)), {"data_source_name": "New"}, "would be created"


def settings_change_months_that_are_over() -> tuple[str, dict[str, object], str]:
    return account_messages(club_account(CONTACTS)), {"one_time_products": ["31"]}, "MRR"


ACCIDENTS = [
    most_orders_are_gone,
    all_contacts_fall_into_a_filter,
    no_subscription_is_left,
    another_prefix,
    another_source_than_the_stores,
    settings_change_months_that_are_over,
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
    assert sandbox.writes() == []
    assert pipeline.content() == before
    forced = pipeline.run(messages=messages, force=True, **settings)
    forced.assert_fine()
    assert sandbox.writes() != []


@pytest.mark.parametrize(("contacts", "gone", "stops"), [(40, 3, False), (40, 4, True), (2, 1, False), (3, 3, True)])
def test_few_losses_are_no_accident(sandbox: Sandbox, tmp_path: Path, contacts: int, gone: int, stops: bool) -> None:
    """Five invoices may go whatever their share, six of eighty may not, nor all that there are (two per contact)."""
    sandbox.no_limits()
    sandbox.clock(NOW)
    pipeline = Pipeline(sandbox, tmp_path, target={"now": NOW, "hard_delete": True})
    rows = club_account(contacts)
    pipeline.run(messages=account_messages(rows)).assert_fine()
    left = 2 * contacts - 2 * gone + (1 if gone == 3 and contacts > 3 else 0)
    rows["orders"], rows["payments"] = rows["orders"][:left], rows["payments"][:left]
    done = pipeline.run(messages=account_messages(rows))
    assert done.target_code == (8 if stops else 0), done
    assert len(pipeline.content()["invoices"]) == (2 * contacts if stops else left)


def test_another_data_source_gets_everything_from_the_store(sandbox: Sandbox, tmp_path: Path) -> None:
    """With `force`, and no record of an order comes again."""
    sandbox.no_limits()
    sandbox.clock(NOW)
    pipeline = Pipeline(sandbox, tmp_path, target={"now": NOW})
    rows = club_account(3)
    pipeline.run(messages=account_messages(rows)).assert_fine()
    before = pipeline.content()
    quiet = changed_messages({name: rows[name] for name in ("products", "subscriptions")})
    pipeline.target["data_source_name"] = "New"
    pipeline.run(messages=quiet, force=True).assert_fine()
    assert pipeline.content() == before
