"""Plain calls of ChartMogul's API for the contract tests."""

from __future__ import annotations

from datetime import date
from typing import Any, Self

import requests

from tests.support.sandbox_process import Sandbox


class Calls:
    """A session with a key; every call returns status and parsed body."""

    def __init__(self, sandbox: Sandbox, key: str = "chartmogul_api_key") -> None:
        sandbox.limits("chartmogul", enabled=False)
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (sandbox.keys[key], "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        answer = self.session.request(method, self.sandbox.chartmogul_url + path, json=body, params=query, timeout=10)
        return answer.status_code, answer.json() if answer.content else None

    def made(self, path: str, body: Any, status: int = 201) -> Any:
        got, answer = self.call("POST", path, body)
        assert got == status, (path, got, answer)
        return answer

    def source(self, name: str = "Keap") -> str:
        return self.made("/data_sources", {"name": name})["uuid"]

    def customer(self, source: str, external_id: str = "c1", **fields: Any) -> str:
        body = {"data_source_uuid": source, "external_id": external_id, **fields}
        return self.made("/customers", body)["uuid"]

    def plan(self, source: str, external_id: str = "p1", count: int = 1, unit: str = "month") -> str:
        body = {"data_source_uuid": source, "external_id": external_id, "name": external_id}
        return self.made("/plans", {**body, "interval_count": count, "interval_unit": unit})["uuid"]

    def invoice(self, customer: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.made(f"/import/customers/{customer}/invoices", {"invoices": [body]})["invoices"][0]

    def cancelled(
        self, source: str, when: str, external_id: str, customer: str = "c1", sub: str = "s1"
    ) -> dict[str, Any]:
        event = {
            "data_source_uuid": source, "external_id": external_id, "customer_external_id": customer,
            "subscription_external_id": sub, "event_type": "subscription_cancelled",
            "event_date": when, "effective_date": when,
        }  # fmt: skip
        return self.made("/subscription_events", {"subscription_event": event})


def line(plan: str, start: str = "2026-01-05", **changes: Any) -> dict[str, Any]:
    """A subscription line of 10.00 for a month from `start` on."""
    begun = date.fromisoformat(start)
    end = begun.replace(year=begun.year + begun.month // 12, month=begun.month % 12 + 1).isoformat()
    return {
        "type": "subscription", "external_id": "l1", "subscription_external_id": "s1", "plan_uuid": plan,
        "service_period_start": start, "service_period_end": end, "amount_in_cents": 1000, **changes,
    }  # fmt: skip


def invoice(plan: str, external_id: str = "i1", start: str = "2026-01-05", **line_changes: Any) -> dict[str, Any]:
    """An unpaid invoice with one such line, whose id begins with the invoice's."""
    item = line(plan, start, external_id=f"{external_id}-1", **line_changes)
    return {"external_id": external_id, "date": start, "currency": "USD", "line_items": [item]}


def payment(external_id: str, amount: int | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "external_id": external_id, "type": "payment", "date": "2026-01-06", "result": "successful",
        "amount_in_cents": amount, **changes,
    }  # fmt: skip
