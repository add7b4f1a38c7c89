"""The worked accounts of `tests/accounts/`, read as test cases and compared section by section."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from target_chartmogul.billing.objects import (
    CANCELLED,
    Customer,
    Invoice,
    LineItem,
    Plan,
    SubscriptionEvent,
    Transaction,
)
from target_chartmogul.sources.keap.account import Account, Catalogue
from target_chartmogul.sources.keap.records import decode
from target_chartmogul.sources.keap.settings import MappingSettings

ACCOUNTS = Path(__file__).parents[1] / "accounts"
BY_ID = ("contacts", "subscriptions", "orders", "payments")
SECTIONS = ("customers", "plans", "invoices", "cancellations", "scheduled", "mrr")


class Run(NamedTuple):
    now: datetime
    keap: dict[str, list[dict[str, Any]]]
    expect: dict[str, Any]
    settings: dict[str, Any]
    """All that are in force: the account's, the variant's, and the run's own above them."""

    @property
    def mapping(self) -> MappingSettings:
        return msgspec.convert(self.settings, MappingSettings)


class Case(NamedTuple):
    """One account, or one variant of it; `id` names it in pytest."""

    id: str
    settings: dict[str, Any]
    runs: list[Run]


def cases() -> Iterator[Case]:
    for path in sorted(ACCOUNTS.glob("[0-9]*.json")):
        account = json.loads(path.read_text(encoding="utf-8"))
        yield _case(path.stem, account, {}, [{}] * len(account["runs"]))
        for variant in account.get("variants", []):
            label = ",".join(f"{key}={value}" for key, value in variant["settings"].items())
            yield _case(f"{path.stem}[{label}]", account, variant["settings"], variant["expect"])


def _case(name: str, account: dict[str, Any], settings: dict[str, Any], differing: list[dict[str, Any]]) -> Case:
    common = {**account["settings"], **settings}
    runs = [
        Run(
            now=datetime.fromisoformat(run["now"]),
            keap=run["keap"],
            expect={**run["expect"], **other},
            settings={**common, **run.get("settings", {})},
        )
        for run, other in zip(account["runs"], differing, strict=True)
    ]
    return Case(name, common, runs)


def decoded(stream: str, rows: list[dict[str, Any]]) -> list[Any]:
    return [decode(stream, json.dumps(row).encode()) for row in rows]


def account_of(keap: Mapping[str, list[dict[str, Any]]]) -> Account:
    """All records of an account; without what ChartMogul holds."""
    return Account(
        **{stream: {row.id: row for row in decoded(stream, keap.get(stream, []))} for stream in BY_ID},
        transactions=decoded("transactions", keap.get("transactions", [])),
        order_payments=decoded("order_payments", keap.get("order_payments", [])),
    )


def catalogue_of(keap: Mapping[str, list[dict[str, Any]]]) -> Catalogue:
    return Catalogue(
        products={row.id: row for row in decoded("products", keap.get("products", []))},
        plans={row.id: row for row in decoded("subscription_plans", keap.get("subscription_plans", []))},
        free_trials={row.id: row for row in decoded("free_trial_discounts", keap.get("free_trial_discounts", []))},
    )


# -- ChartMogul's objects as the accounts write them


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def shown_customer(customer: Customer) -> dict[str, Any]:
    row = {
        "name": customer.name,
        "company": customer.company,
        "email": customer.email,
        "country": customer.country,
        "state": customer.state,
        "city": customer.city,
        "zip": customer.zip,
        "lead_created_at": _instant(customer.lead_created_at),
        "free_trial_started_at": _instant(customer.free_trial_started_at),
    }
    return _present(row)


def shown_plan(plan: Plan) -> dict[str, Any]:
    return {"name": plan.name, "interval_count": plan.interval_count, "interval_unit": plan.interval_unit}


def shown_line(line: LineItem) -> dict[str, Any]:
    row = {
        "type": line.type,
        "subscription": line.subscription_external_id,
        "plan": line.plan_external_id,
        "description": line.description,
        "amount_in_cents": line.amount_in_cents,
        "quantity": line.quantity,
        "tax_amount_in_cents": line.tax_amount_in_cents,
        "discount_amount_in_cents": line.discount_amount_in_cents,
        "service_period_start": _instant(line.service_period_start),
        "service_period_end": _instant(line.service_period_end),
        "balance_transfer": line.balance_transfer,
    }
    return _present(row)


def shown_transaction(transaction: Transaction) -> dict[str, Any]:
    return {
        "type": transaction.type,
        "result": transaction.result,
        "date": _instant(transaction.date),
        "amount_in_cents": transaction.amount_in_cents,
    }


def shown_invoice(invoice: Invoice) -> dict[str, Any]:
    """An invoice; the hex digits of failed attempts and refunds are counted by date (`-failed-#1`)."""
    transactions: dict[str, Any] = {}
    counted = {"failed": 0, "refund": 0}
    for each in sorted(invoice.transactions, key=lambda each: each.date):
        name = each.external_id
        for kind, before in counted.items():
            if name.startswith(f"{invoice.external_id}-{kind}-"):
                counted[kind] = before + 1
                name = f"{invoice.external_id}-{kind}-#{before + 1}"
        transactions[name] = shown_transaction(each)
    row = {
        "customer": invoice.customer_external_id,
        "date": _instant(invoice.date),
        "due_date": _instant(invoice.due_date),
        "currency": invoice.currency,
        "status": invoice.status,
        "line_items": {line.external_id: shown_line(line) for line in invoice.line_items},
        "transactions": transactions,
    }
    return _present(row)


def shown_event(event: SubscriptionEvent) -> dict[str, Any]:
    row = {
        "customer": event.customer_external_id,
        "subscription": event.subscription_external_id,
        "effective_date": _instant(event.effective_date),
        "event_date": None if event.event_type == CANCELLED else _instant(event.event_date),
    }
    return _present(row)


def shown(objects: Mapping[str, Any], how: Callable[[Any], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: how(each) for key, each in objects.items()}
