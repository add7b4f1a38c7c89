"""`verify`: the store against what ChartMogul lists, to the cent (rule 7.5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import native_rows
from tests.support.commands import ACCOUNTS, Synced, all_rows, case_of, run_command
from tests.support.sandbox_process import Sandbox
from tests.support.target_process import SOURCE, run_target, target_config
from tests.support.worked_accounts import Case

NOW = "2026-11-05T08:00:00+00:00"


@pytest.fixture(name="synced")
def fixture_synced(sandbox: Sandbox, tmp_path: Path) -> Synced:
    """The worked account of refunds: payments, refunds, an excess, and a cancellation."""
    sandbox.no_limits()
    synced = Synced(sandbox, tmp_path, NOW)
    synced.sync({stream: [*rows] for stream, rows in all_rows().items()})
    sandbox.clear_requests("chartmogul")
    return synced


def verified(synced: Synced, *arguments: str, code: int = 0, **more: Any) -> dict[str, Any]:
    done = synced.command("verify", "--format", "json", *arguments, **more)
    assert done.code == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["content"]
    return found


def open_differences(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in found["differences"] if not each["is_meant"]]


@pytest.mark.parametrize("case", ACCOUNTS, ids=lambda case: case.id)
def test_rule_7_5_every_difference_after_a_sync_is_meant_by_a_rule(
    sandbox: Sandbox, tmp_path: Path, case: Case
) -> None:
    sandbox.no_limits()
    run = case.runs[-1]
    synced = Synced(sandbox, tmp_path, run.now.isoformat(), run.settings)
    synced.sync(run.keap)
    found = verified(synced)
    assert open_differences(found) == []
    assert all(each["because"] for each in found["differences"])
    content = sandbox.content(SOURCE, synced.now)
    for what, total in (
        ("payments", _moved(content, "payment")),
        ("refunds", _moved(content, "refund")),
        ("cancellations", len(content["cancellations"])),
    ):
        assert sum(row["chartmogul"] for row in found["totals"] if row["what"] == what) == total, what


def _moved(content: dict[str, Any], kind: str) -> int:
    return sum(
        row["amount_in_cents"]
        for invoice in content["invoices"].values()
        for row in invoice["transactions"].values()
        if (row["type"], row["result"]) == (kind, "successful")
    )


def test_rule_7_5_verify_reads_and_writes_nothing(synced: Synced) -> None:
    before = synced.store.read_bytes()
    verified(synced)
    assert synced.store.read_bytes() == before
    assert {each["method"] for each in synced.sandbox.requests("chartmogul")} == {"GET"}


def edited(synced: Synced, kind: str, external_id: str, **what: Any) -> None:
    synced.sandbox.control("POST", "chartmogul/edit", {"kind": kind, "external_id": external_id, **what})


def first(synced: Synced, section: str, **having: Any) -> tuple[str, dict[str, Any]]:
    """An object of the sandbox with such fields; of an invoice, one of its transactions."""
    content = synced.sandbox.content(SOURCE, synced.now)
    if section != "transactions":
        return next(iter(content[section].items()))
    return next(
        (key, {**row, "invoice": name})
        for name, invoice in content["invoices"].items()
        for key, row in invoice["transactions"].items()
        if row["result"] == "successful" and having.items() <= row.items()
    )


def test_rule_7_5_a_deleted_invoice_is_found_with_its_order_and_payments(synced: Synced) -> None:
    payment, row = first(synced, "transactions", type="payment")
    order = row["invoice"].partition("-")[0]
    edited(synced, "invoice", row["invoice"], delete=True)
    found = open_differences(verified(synced, code=7))
    assert ("orders", order) in {(each["what"], each["id"]) for each in found}
    paid = next(each for each in found if each["what"] == "payments")
    assert paid["records"] == [f"payments:{payment.partition('-')[0]}", f"orders:{order}"]
    assert (paid["store"], paid["chartmogul"]) == (row["amount_in_cents"], 0)
    assert {(each["rule"], each["text"]) for each in paid["because"]} == {
        ("6.8", f"a person deleted invoice {row['invoice']} in ChartMogul")
    }


@pytest.mark.parametrize("kind", ["payment", "refund"])
def test_rule_7_5_a_payment_or_refund_changed_by_a_cent_is_found(synced: Synced, kind: str) -> None:
    name, row = first(synced, "transactions", type=kind)
    edited(synced, "transaction", name, changes={"amount_in_cents": row["amount_in_cents"] + 1})
    (found,) = open_differences(verified(synced, code=7))
    assert found["what"] == f"{kind}s"
    assert found["id"] in {name, name.partition("-")[0]}
    assert f"orders:{row['invoice'].partition('-')[0]}" in found["records"]
    assert found["chartmogul"] - found["store"] == 1
    assert [each["rule"] for each in found["because"]] == ["6.8"]


def test_rule_7_5_a_line_changed_by_a_cent_and_a_moved_date_are_found(synced: Synced) -> None:
    name, invoice = first(synced, "invoices")
    line, row = next(iter(invoice["line_items"].items()))
    edited(synced, "line_item", line, changes={"amount_in_cents": row["amount_in_cents"] - 1})
    (found,) = open_differences(verified(synced, code=7))
    assert (found["what"], found["id"], found["chartmogul"] - found["store"]) == ("orders", name, -1)
    assert found["month"] == invoice["date"][:7]


def test_rule_7_5_a_cancellation_that_is_gone_is_found_with_its_subscription(synced: Synced) -> None:
    name, _ = first(synced, "cancellations")
    edited(synced, "subscription_event", name, delete=True)
    (found,) = open_differences(verified(synced, code=7))
    assert (found["what"], found["store"], found["chartmogul"]) == ("cancellations", 1, 0)
    assert found["records"] == [f"subscriptions:{name.partition('-')[0]}"]


def test_rule_7_5_what_the_next_run_would_change_is_called_so(synced: Synced) -> None:
    found = open_differences(verified(synced, code=7, unpaid_orders="skip"))
    assert found
    assert {reason["rule"] for each in found for reason in each["because"]} >= {"1.1"}


def test_rule_7_5_the_text_shows_differences_and_with_all_everything(synced: Synced, tmp_path: Path) -> None:
    name, row = first(synced, "transactions", type="payment")
    edited(synced, "transaction", name, changes={"amount_in_cents": row["amount_in_cents"] + 1})
    shown = synced.command("verify")
    assert shown.code == 7
    assert "Differences that need a look: 1; meant by a rule:" in shown.stdout
    assert f"payments {name.partition('-')[0]} (payments:" in shown.stdout
    assert "6.8  a person changed invoice" in shown.stdout
    everything = synced.command("verify", "--all", "--output", str(tmp_path / "v.txt"))
    assert (everything.code, everything.stdout) == (7, "")
    text = (tmp_path / "v.txt").read_text()
    assert len(text.splitlines()) > 2 * len(shown.stdout.splitlines())
    assert "5.3  the order is paid more than its total" in text


def test_mistakes_of_verify(synced: Synced) -> None:
    other = synced.command("verify", data_source_name="Another")
    assert (other.code, other.last_line.lower().count("no such data source in chartmogul yet")) == (2, 1)
    keyless = synced.command("verify", api_key=None)
    assert (keyless.code, keyless.last_line.lower().count("`api_key` is missing")) == (2, 1)
    wrong = synced.command("verify", api_key="wrong")
    assert wrong.code == 3, wrong.stderr


def test_rule_7_5_verify_of_native_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    config = target_config(
        sandbox, store_path=str(tmp_path / "s.sqlite"), external_id_prefix="shop-", data_source_name="Shop"
    )
    done = run_target(tmp_path, config, native_rows.messages(1, **native_rows.shop()))
    assert done.code == 0, done.stderr
    shown = run_command(tmp_path, config, "verify", "--format", "json")
    found = json.loads(shown.stdout)["content"]
    assert (shown.code, found["differences"]) == (0, [])
    assert {row["what"] for row in found["totals"]} >= {"orders", "payments"}
    content = sandbox.content("Shop", prefix="shop-")
    name = next(iter(content["invoices"]))
    sandbox.control(
        "POST",
        "chartmogul/edit",
        {"kind": "invoice", "external_id": name, "delete": True, "data_source": "Shop"},
    )
    lost = run_command(tmp_path, config, "verify", "--format", "json")
    assert lost.code == 7
    assert {each["because"][0]["rule"] for each in json.loads(lost.stdout)["content"]["differences"]} == {"6.8"}


def test_rule_7_5_case_of_refunds_has_both_sides_even(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    case = case_of("16-refunds")
    synced = Synced(sandbox, tmp_path, case.runs[-1].now.isoformat())
    synced.sync(case.runs[-1].keap)
    texts = {each["text"] for row in verified(synced)["differences"] for each in row["because"]}
    assert "an excess and its refund cancel each other out" in texts
