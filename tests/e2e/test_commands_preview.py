"""`preview --set` says what the next run with that setting does (rules 1.10, 7.4)."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from target_chartmogul.sources.keap.settings import MappingSettings
from tests.support.commands import Synced, all_rows
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import record, schema
from tests.support.target_process import run_target

NOW = "2026-11-05T08:00:00+00:00"
IN_EVERY_RUN = frozenset(
    {
        "trial_source",
        "interval_source",
        "late_payment",
        "plan_change",
        "customer_tags",
        "unpaid_orders",
        "credits",
        "full_refund",
        "exclude_products",
        "resend",
    }
)
"""The others are tried by `make test-long`."""

TRIED: dict[str, Any] = {
    "date_timezone": "America/Los_Angeles",
    "keap_timezone": "Asia/Tokyo",
    "currency": "EUR",
    "trial_source": "subscription",
    "interval_source": "subscription",
    "churn_fallback": "modified",
    "email_fields": ["EMAIL1", "EMAIL2"],
    "subscription_owner": "order",
    "late_payment": "ignore",
    "plan_change": "switch",
    "plan_change_products": [["31", "40"]],
    "cancellation_overrides": {"591": "none"},
    "customer_scope": "all",
    "customer_tags": {"101": "vip"},
    "customer_attributes": {"7": "Region"},
    "unpaid_orders": "skip",
    "zero_decimal_amounts": "units",
    "credits": "ignore",
    "non_cash_payment_types": ["Credit", "Adjustment", "Write Off", "Check"],
    "full_refund": "remove_mrr",
    "exclude_contact_tags": ["101"],
    "include_contact_tags": ["101"],
    "exclude_products": ["54"],
    "one_time_products": ["31"],
    "invoices_since": "2026-03-01",
    "hard_delete": True,
    "only_contacts": ["1207"],
    "resend": True,
}
"""A value of each setting of the contract that is not its default."""
WITH: dict[str, dict[str, Any]] = {
    "keap_timezone": {"trial_source": "subscription"},
    "plan_change_products": {"plan_change": "switch"},
    "exclude_contact_tags": {"hard_delete": True},
    "include_contact_tags": {"hard_delete": True},
}
"""What else a setting needs to have an effect."""
WITHOUT_EFFECT = frozenset({"customer_attributes", "only_contacts", "resend"})
"""A custom field that was not on the allow-list is not in the store; the others say what one run looks at."""
GONE = "9071"
"""An order that is gone from Keap."""


@pytest.fixture(scope="module", name="synced")
def fixture_synced(sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    sandbox_process.reset()
    sandbox_process.no_limits()
    synced = Synced(sandbox_process, tmp_path_factory.mktemp("preview"), NOW)
    rows = all_rows()
    some = rows["orders"][0]
    rows["orders"] += [{**some, "id": "9990", "total": {**some["total"], "currency_code": None}, "order_items": []}]
    rows["orders"][-1]["order_items"] = [
        {
            **item,
            "id": f"99{item['id']}",
            "subscription_id": None,
            "price_per_unit": {"amount": 900},
            "item_type": "OTHER",
        }
        for item in some["order_items"]
    ]
    rows["contacts"][0]["email_addresses"] = [
        {"email": "nobody@", "field": "EMAIL1"},
        {"email": "somebody@example.com", "field": "EMAIL2"},
    ]
    synced.sync(rows)
    gone = {**next(row for row in rows["orders"] if row["id"] == GONE), "_sdc_deleted_at": NOW}
    assert run_target(synced.folder, synced.config(), schema("orders") + record("orders", gone)).code in {0, 7}
    yield synced
    sandbox_process.reset()


def assigned(name: str) -> list[str]:
    tried = {name: TRIED[name], **WITH.get(name, {})}
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in tried.items()]


def previewed(synced: Synced, *assignments: str, **more: Any) -> dict[str, Any]:
    sets = [part for each in assignments for part in ("--set", each)]
    done = synced.command("preview", *sets, "--format", "json", **more)
    assert done.code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def months(found: dict[str, dict[str, dict[str, int]]]) -> dict[str, int]:
    return {month: total for month, row in found.items() if (total := sum(each["mrr"] for each in row.values()))}


def without_zeros(found: dict[str, int]) -> dict[str, int]:
    return {month: mrr for month, mrr in found.items() if mrr}


def test_every_setting_of_the_contract_is_tried() -> None:
    assert TRIED.keys() == set(MappingSettings.__struct_fields__) - {"account_currency"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in IN_EVERY_RUN else pytest.mark.long) for name in TRIED]
)
def test_rule_7_4_a_preview_says_what_the_next_run_with_the_setting_does(synced: Synced, name: str) -> None:
    """MRR of every month before and after, and the number of objects created, updated, deleted and moved."""
    before = without_zeros(synced.mrr())
    writes = len(synced.sandbox.writes())
    found = previewed(synced, *assigned(name), api_key=None, api_url=None)
    touched = sum(each[word] for each in found["counts"].values() for word in ("created", "updated", "deleted"))
    assert bool(touched) == (name not in WITHOUT_EFFECT)
    assert len(synced.sandbox.writes()) == writes
    assert months(found["months_before"]) == before
    done = synced.command("sync", force=True, **{name: TRIED[name], **WITH.get(name, {})})
    assert done.code in {0, 7}, done.stderr
    assert months(found["months"]) == without_zeros(synced.mrr())
    counts = synced.report["counts"]
    for kind, each in found["counts"].items():
        done_of_kind = {word: counts[kind][word] for word in ("created", "deleted", "moved")}
        assert {word: each[word] for word in done_of_kind} == done_of_kind, kind
    back = synced.command("sync", force=True, resend=name == "resend")
    assert back.code in {0, 7}, back.stderr


def test_rule_1_9_a_preview_leaves_the_store_as_it_was(synced: Synced) -> None:
    before = synced.store.read_bytes()
    found = previewed(synced, *assigned("one_time_products"))
    assert found["accounts"]
    assert synced.store.read_bytes() == before


def test_rule_7_4_a_preview_without_settings_that_differ_changes_nothing(synced: Synced) -> None:
    found = previewed(synced, "interval_source=product")
    assert (found["settings"], found["accounts"]) == ({}, [])
    assert found["months"] == found["months_before"]
    assert "Nothing in ChartMogul would change" in synced.command("preview").stdout


def test_rule_1_10_a_preview_shows_the_setting_the_months_and_the_accounts(synced: Synced) -> None:
    done = synced.command("preview", "--set", *assigned("one_time_products"))
    assert done.code == 0, done.stderr
    assert 'one_time_products: not set → ["31"]' in done.stdout
    assert "Accounts that change:" in done.stdout
    assert re.search(r"contacts:\d+ +-[\d.,]+ USD", done.stdout)
    assert re.search(r"contacts:\d+ .* (1 line item|\d+ line items|1 invoice|\d+ invoices)\b", done.stdout)
    assert "A run would stop before its first write, unless `force` is set: changed settings" in done.stdout
    assert done.stderr == ""


def test_rule_7_4_a_preview_writes_the_report_and_its_page(synced: Synced, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = synced.command("preview", "--set", *assigned("full_refund"), "--report", str(page))
    assert done.code == 0, done.stderr
    found = json.loads(page.with_suffix(".json").read_text())
    assert found["run"]["dry_run"] is True
    assert found["mrr"]["months_before"] != found["mrr"]["months"]
    text = page.read_text()
    assert "MRR before" in text
    assert "rehearsal: nothing was written" in text


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("interval=subscription", "Unknown setting `interval`; did you mean `interval_source`?"),
        ("interval_source", "NAME=VALUE"),
        ("interval_source=both", "one of `product`, `subscription`"),
        ("exclude_products=x", "must be a list as JSON"),
        ("hard_delete=perhaps", "must be JSON"),
        ("date_timezone=Mars", "no such time zone"),
        ("api_key=x", "does not say what ChartMogul should hold"),
        ("external_id_prefix=x", "does not say what ChartMogul should hold"),
    ],
)
def test_mistakes_of_preview(synced: Synced, assignment: str, words: str) -> None:
    done = synced.command("preview", "--set", assignment)
    assert (done.code, done.stdout) == (2, "")
    assert words.lower() in done.last_line.lower()


def test_rule_7_4_a_preview_needs_a_store(synced: Synced, tmp_path: Path) -> None:
    without = synced.command("preview", store_path=None)
    assert (without.code, without.last_line.lower().count("`store_path` is not set")) == (2, 1)
    nothing = synced.command("preview", store_path=str(tmp_path / "other.sqlite"))
    assert (nothing.code, nothing.last_line.lower().count("run the pipeline first")) == (2, 1)
    assert list(tmp_path.iterdir()) == []
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(synced.store.read_bytes()[:20_000])
    broken = synced.command("preview", store_path=str(damaged))
    assert (broken.code, broken.last_line.lower().count("the store is damaged")) == (2, 1)
    other = synced.command("preview", external_id_prefix="x-")
    assert (other.code, other.last_line.lower().count("another `external_id_prefix`")) == (2, 1)


def test_rule_7_4_a_preview_refuses_while_the_first_read_is_unfinished(sandbox: Sandbox, tmp_path: Path) -> None:
    synced = Synced(sandbox, tmp_path, NOW)
    rows = all_rows()
    cut = schema("contacts") + "".join(record("contacts", row) for row in rows["contacts"])
    marker = '{"type":"STATE","value":{"bookmarks":{},"keap_read":{"selected":["contacts","orders"],"complete":[]}}}\n'
    assert run_target(tmp_path, synced.config(), cut + marker).code == 6
    for command in ("preview", "sync"):
        done = synced.command(command)
        assert (done.code, done.last_line.lower().count("the first read is not complete yet")) == (6, 1)
    shown = json.loads(synced.command("status", "--format", "json").stdout)
    assert shown["first_read"] == "unfinished"
    assert shown["streams"]["contacts"]["records"] == len(rows["contacts"])
    assert sandbox.writes() == []
    shutil.rmtree(tmp_path)
