"""`explain` of every record of the worked accounts, and of native rows (rules 7.4, 6.9)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from target_chartmogul.checks.explain import explain
from target_chartmogul.checks.from_store import reading
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.settings import load
from tests.support import native_rows
from tests.support.commands import ACCOUNTS, Synced, case_of, run_command
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_messages import STREAMS
from tests.support.target_process import run_target, target_config
from tests.support.worked_accounts import Case

MAPPING = (ROOT / "docs" / "mapping.md").read_text()
SECTIONS = set(re.findall(r"^## (\d)\.", MAPPING, re.MULTILINE))
RULE_LINE = re.compile(r"^ +((?:\d(?:\.\d+)?(?:, )?)+)  ")


def exists(rule: str) -> bool:
    """Whether the page of the mapping has a rule: `4.3` as a row or item of section 4, `8` as a section."""
    section, _, number = rule.partition(".")
    if section not in SECTIONS:
        return False
    if not number:
        return True
    text = re.split(r"^## ", MAPPING, flags=re.MULTILINE)
    own = next(each for each in text if each.startswith(f"{section}."))
    return re.search(rf"^(?:\| {re.escape(rule)} \||{number}\. )", own, re.MULTILINE) is not None


def rules_of(lines: list[str]) -> set[str]:
    found = [match[1].split(", ") for line in lines if (match := RULE_LINE.match(line))]
    return {rule for rules in found for rule in rules}


def synced(sandbox: Sandbox, folder: Path, case: Case) -> Synced:
    sandbox.no_limits()
    run = case.runs[-1]
    account = Synced(sandbox, folder, run.now.isoformat(), run.settings)
    account.sync(run.keap)
    return account


def subjects(account: Synced) -> list[str]:
    """Every record of the store, as it is named on the command line."""
    with reading(load(account.config())) as opened:
        streams = opened.source.streams
        records = [each for found in opened.store.accounts.all() for each in found.records]
        records += opened.store.records.catalogue()
    return [f"{streams[each.stream]}:{each.id_text or each.number}" for each in records]


def personal(keap: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Names and addresses of an account's contacts, as texts that nothing else says."""
    found: set[str] = set()
    for contact in keap.get("contacts", ()):
        found |= {str(contact.get(name)) for name in ("given_name", "family_name") if contact.get(name)}
        found |= {each["email"] for each in contact.get("email_addresses") or () if each.get("email")}
        found |= {each["line1"] for each in contact.get("addresses") or () if each.get("line1")}
    return {each for each in found if len(each) > 2}


@pytest.mark.parametrize("case", ACCOUNTS, ids=lambda case: case.id)
def test_rule_7_4_explain_of_every_record_names_rules_that_exist(sandbox: Sandbox, tmp_path: Path, case: Case) -> None:
    account = synced(sandbox, tmp_path, case)
    found = subjects(account)
    assert {each.partition(":")[0] for each in found} >= {"contacts", "products"} - {
        stream for stream in STREAMS if not case.runs[-1].keap.get(stream)
    }
    secret = personal(case.runs[-1].keap)
    with reading(load(account.config())) as opened:
        for subject in found:
            lines = list(explain(opened, subject))
            rules = rules_of(lines)
            assert rules, subject
            assert [each for each in sorted(rules) if not exists(each)] == [], subject
            assert [each for each in secret if re.search(rf"\b{re.escape(each)}\b", "\n".join(lines))] == [], subject


def test_rule_7_4_explain_asks_nobody_and_needs_no_key(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, case_of("09-late"))
    sandbox.clear_requests("chartmogul")
    before = account.store.read_bytes()
    shown = account.command("explain", "subscription:591", api_key=None, api_url=None)
    assert (shown.code, shown.stderr) == (0, "")
    assert "  6.3  cancellation 591-cancelled-2026-04-10 of customer 1207" in shown.stdout
    assert "    6.4  the open order was paid after the date" in shown.stdout
    assert "    6.9  the date is the end of the period that was paid late" in shown.stdout
    assert "9082-failed-" in account.command("explain", "order:9082").stdout
    assert "customer 1207: as it should be" in account.command("explain", "contact:1207").stdout
    assert (sandbox.requests("chartmogul"), account.store.read_bytes()) == ([], before)


def test_rule_4_4_explain_says_which_discount_went_where(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, case_of("11-tax"))
    shown = account.command("explain", "order:9101").stdout
    assert "4.4  discounts, in the currency's smallest unit: item" in shown
    assert "4.5  the order's tax" in shown


def test_rule_5_1_explain_says_what_a_payment_counts_as(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, case_of("16-refunds"))
    shown = {each: account.command("explain", each).stdout for each in subjects(account) if each.startswith("pay")}
    text = "\n".join(shown.values())
    assert "5.1  it counts as a refund" in text
    assert "5.1  it was voided at the gateway: it never was" in text
    assert re.search(r"attempt at a gateway: transaction:\d+", text)


def test_rule_1_5_explain_says_that_a_record_waits_or_cannot_be_used(sandbox: Sandbox, tmp_path: Path) -> None:
    case = case_of("24-filters")
    sandbox.no_limits()
    account = Synced(sandbox, tmp_path, case.runs[0].now.isoformat(), case.settings)
    keap = {stream: [*rows] for stream, rows in case.runs[0].keap.items()}
    keap["orders"] = [*keap["orders"], {**keap["orders"][0], "id": "9999", "total": {"amount": "much"}}]
    account.sync(keap)
    waiting = account.command("explain", "order:9237").stdout
    assert re.search(r"1\.5  it waits until [\d-]+ [\d:]+ UTC: its date is in the future", waiting)
    assert "What ChartMogul has\n  nothing of it" in waiting
    invalid = account.command("explain", "orders:9999").stdout
    assert "1.5  the last version cannot be used: its field `total.amount`" in invalid
    assert "left out by `exclude_products`" in account.command("explain", "order:9231").stdout


def test_rule_6_8_explain_says_what_a_person_did_in_chartmogul(sandbox: Sandbox, tmp_path: Path) -> None:
    account = synced(sandbox, tmp_path, case_of("01-monthly"))
    order = next(each.partition(":")[2] for each in subjects(account) if each.startswith("orders:"))
    assert f"invoice {order}: as it should be" in account.command("explain", f"order:{order}").stdout
    sandbox.control("POST", "chartmogul/edit", {"kind": "invoice", "external_id": order, "delete": True})
    assert f"invoice {order}: as it should be" in account.command("explain", f"order:{order}").stdout
    assert account.command("sync", relist_days=0).code == 0
    shown = account.command("explain", f"order:{order}").stdout
    assert f"6.8  invoice {order}: a person deleted it there" in shown


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("order:999999", "The store knows nothing of orders:999999"),
        ("invoice:1", "`order:<id>`"),
        ("order:x", "is not a Keap id"),
        ("order", "`order:<id>`"),
    ],
)
def test_mistakes_of_explain(sandbox: Sandbox, tmp_path: Path, subject: str, words: str) -> None:
    account = synced(sandbox, tmp_path, case_of("01-monthly"))
    done = account.command("explain", subject)
    assert (done.code, done.stdout) == (2, "")
    assert words.lower() in done.last_line.lower()


def test_rule_7_4_explain_of_native_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    config = target_config(
        sandbox, store_path=str(tmp_path / "s.sqlite"), external_id_prefix="shop-", data_source_name="Shop"
    )
    done = run_target(tmp_path, config, native_rows.messages(1, **native_rows.shop()))
    assert done.code == 0, done.stderr
    with reading(load(config)) as opened:
        streams = opened.source.streams
        records = [each for found in opened.store.accounts.all() for each in found.records]
        found = [f"{streams[each.stream]}:{each.id_text}" for each in [*records, *opened.store.records.catalogue()]]
        assert {each.partition(":")[0] for each in found} == {each for each in streams if each}
        for subject in found:
            rules = rules_of(list(explain(opened, subject)))
            assert rules, subject
            assert all(map(exists, rules)), (subject, rules)
        with pytest.raises(ConfigurationError, match="knows nothing"):
            list(explain(opened, "invoice:none"))
    invoice = next(each for each in found if each.startswith("invoices:"))
    shown = run_command(tmp_path, config, "explain", invoice)
    assert "What its row says" in shown.stdout
    assert "as it should be" in shown.stdout
    assert json.dumps("@") not in shown.stdout
