"""The official Python SDK writes and reads, against the sandbox, what the target does."""

from __future__ import annotations

from typing import Any

import chartmogul
import pytest

from tests.support.chartmogul_calls import invoice
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"


class Account:
    """A source with a customer and a plan, made by the SDK."""

    def __init__(self, config: chartmogul.Config) -> None:
        self.config = config
        self.source = chartmogul.DataSource.create(config, data={"name": "Keap"}).get().uuid
        owned = {"data_source_uuid": self.source}
        customer = {**owned, "external_id": "c1", "name": "Mara Quill"}
        self.customer = chartmogul.Customer.create(config, data=customer).get().uuid
        plan = {**owned, "external_id": "p1", "name": "Gold", "interval_count": 1, "interval_unit": "month"}
        self.plan = chartmogul.Plan.create(config, data=plan).get().uuid

    def send(self, external_id: str, **changes: Any) -> Any:
        body = {"invoices": [invoice(self.plan, external_id, **changes)]}
        return chartmogul.Invoice.create(self.config, uuid=self.customer, data=body).get().invoices[0]

    def mrr(self) -> int:
        found: int = chartmogul.Customer.retrieve(self.config, uuid=self.customer).get().mrr
        return found


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    sandbox.clock(NOW)
    sandbox.no_limits()
    config = chartmogul.Config(sandbox.chartmogul_api_key, max_retries=0)
    config.uri = sandbox.chartmogul_url
    return Account(config)


def test_event_order_and_status(account: Account) -> None:
    sent = account.send("10002", amount_in_cents=2000, event_order=2**31 + 7)
    assert sent.line_items[0].event_order == 2**31 + 7
    account.send("9998", event_order=9998)
    assert account.mrr() == 2000
    ids = {"data_source_uuid": account.source, "external_id": "10002"}
    chartmogul.Invoice.update_status(account.config, data={"status": "voided"}, **ids).get()
    assert account.mrr() == 1000
    assert {i.external_id: i.status for i in chartmogul.Invoice.all(account.config).get().invoices} == {
        "10002": "voided", "9998": "open",
    }  # fmt: skip


def test_a_change_that_changes_nothing(sandbox: Sandbox, account: Account) -> None:
    """The SDK takes 304 as a success without a body."""
    sandbox.settings(unchanged_patch="304")
    change = {"uuid": account.customer, "data": {"name": "Mara Quill"}}
    assert chartmogul.Customer.modify(account.config, **change).get() is None
    assert chartmogul.Customer.modify(account.config, uuid=account.customer, data={"name": "Li"}).get().name == "Li"


def test_an_import_that_fails_late(sandbox: Sandbox, account: Account) -> None:
    instant = {"import_queued": 0, "import_processing": 0, "validation_delay": 0}
    sandbox.settings(**instant, late_failures=["A-1"])
    body = {
        "external_id": "load-1",
        "invoices": [{"external_id": "A-1", "date": "2026-01-05", "currency": "USD", "customer_external_id": "c1"}],
    }
    made = chartmogul.JsonImport.create(account.config, data_source_uuid=account.source, data=body).get()
    done = chartmogul.JsonImport.retrieve(account.config, data_source_uuid=account.source, id=made.id).get()
    assert done.status == "completed"
    found = chartmogul.Invoice.all(account.config, validation_type="invalid").get().invoices
    assert [(i.external_id, i.errors) for i in found] == [("A-1", {"currency": ["Currency must be supported"]})]
    source = chartmogul.DataSource.retrieve(account.config, uuid=account.source, with_processing_status=True).get()
    assert (source.processing_status.failed, source.processing_status.pending) == (1, 0)
