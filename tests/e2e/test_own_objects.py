"""Prefix, and what others keep in the same data source (rules 1.4, 2.2), over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support.keap_rows import Row, contact, order, payment, product, subscription, subscription_item
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import SOURCE, run_target, target_config

NOW = "2026-06-01T08:00:00Z"
PREFIX = "keap-"


def account(amount: int = 4900) -> dict[str, list[Row]]:
    return {
        "contacts": [contact()],
        "products": [product()],
        "subscriptions": [subscription(active=False, next_bill_date="2026-02-10")],
        "orders": [order("9000", [subscription_item("1", "501", amount)], amount)],
        "payments": [payment("17", ["9000"], amount / 100)],
    }


class Someone:
    """A person or another program that writes into the same data source."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._url = sandbox.chartmogul_url
        self._auth = (sandbox.chartmogul_api_key, "")
        self.source = self.call("GET", "data_sources", name=SOURCE)["data_sources"][0]["uuid"]

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = requests.request(method, f"{self._url}/{path}", json=body, params=query, auth=self._auth, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def write(self, name: str) -> None:
        """A customer with an invoice and a cancellation, all under ids of their own making."""
        made = self.call(
            "POST", "customers", {"data_source_uuid": self.source, "external_id": name, "name": "Someone else's"}
        )
        plan = {"data_source_uuid": self.source, "external_id": f"{name}-gold", "name": f"{name} gold"}
        plan_uuid = self.call("POST", "plans", {**plan, "interval_count": 1, "interval_unit": "month"})["uuid"]
        line = {
            "type": "subscription",
            "external_id": f"{name}-line",
            "subscription_external_id": f"{name}-sub",
            "plan_uuid": plan_uuid,
            "service_period_start": "2026-01-01T00:00:00Z",
            "service_period_end": "2026-02-01T00:00:00Z",
            "amount_in_cents": 700,
        }
        invoice = {
            "external_id": f"{name}-inv",
            "date": "2026-01-01T00:00:00Z",
            "currency": "USD",
            "line_items": [line],
        }
        self.call("POST", f"import/customers/{made['uuid']}/invoices", {"invoices": [invoice]})

    def everything(self, name: str) -> dict[str, Any]:
        listed = {
            "customers": self.call("GET", "customers", data_source_uuid=self.source)["entries"],
            "plans": self.call("GET", "plans", data_source_uuid=self.source)["plans"],
            "invoices": self.call("GET", "invoices", data_source_uuid=self.source)["invoices"],
        }
        return {kind: [row for row in rows if row["external_id"].startswith(name)] for kind, rows in listed.items()}


@pytest.mark.parametrize("foreign", ["acme", "keap-acme"])
def test_rules_1_4_and_2_2_only_objects_with_our_prefix_and_of_our_form_are_touched(
    sandbox: Sandbox, tmp_path: Any, foreign: str
) -> None:
    sandbox.no_limits()
    sandbox.clock(NOW)
    settings = {"now": NOW, "external_id_prefix": PREFIX, "hard_delete": True}
    first = run_target(tmp_path, target_config(sandbox, **settings), account_messages(account()))
    assert first.code == 0, first.stderr
    someone = Someone(sandbox)
    ours = someone.everything(PREFIX)
    assert {row["external_id"] for row in ours["customers"]} == {"keap-1207"}
    assert {row["external_id"] for row in ours["plans"]} == {"keap-31-7-1month"}
    assert {row["external_id"] for row in ours["invoices"]} == {"keap-9000"}
    (invoice,) = ours["invoices"]
    assert [row["external_id"] for row in invoice["line_items"]] == ["keap-9000-1"]
    assert [row["external_id"] for row in invoice["transactions"]] == ["keap-17-9000"]
    assert invoice["line_items"][0]["subscription_external_id"] == "keap-501"
    someone.write(foreign)
    before = someone.everything(foreign)
    assert all(len(rows) == 1 for rows in before.values())
    second = run_target(tmp_path, target_config(sandbox, **settings), account_messages(account(5900)))
    assert second.code == 0, second.stderr
    assert someone.everything(foreign) == before
    (invoice,) = (row for row in someone.everything(PREFIX)["invoices"] if row["external_id"] == "keap-9000")
    assert [row["amount_in_cents"] for row in invoice["line_items"]] == [5900]


def test_rule_1_4_ids_of_any_form_do_not_break_a_listing(sandbox: Sandbox, tmp_path: Any) -> None:
    """Each run without a store lists the data source; numbers that no id of Keap's can be ended it."""
    sandbox.no_limits()
    sandbox.clock(NOW)
    config = target_config(sandbox, now=NOW, hard_delete=True)
    assert run_target(tmp_path, config, account_messages(account())).code == 0
    someone = Someone(sandbox)
    names = ["12345678901234567890", "9" * 200, "007", "٣", "0", "../..", "cus_1"]
    for name in names:
        someone.write(name)
    before = someone.everything("")
    again = run_target(tmp_path, config, account_messages(account()))
    assert again.code == 0, again.stderr
    assert someone.everything("") == before
