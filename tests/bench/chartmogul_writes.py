"""Single writes to ChartMogul at 150 ms latency: apply, and the official client in a loop, under the sandbox's limits.

    python -m tests.bench.chartmogul_writes [--customers 600]

The floor is ChartMogul's own limit, 40 requests a second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import chartmogul

from target_chartmogul.apply.lanes import Applier
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import create_data_source
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.wire import Wire
from tests.support.billing_objects import PLAN, customer, invoice, line
from tests.support.memory_journal import MemoryJournal, create, root_of
from tests.support.sandbox_process import Sandbox

LIMIT = 40
LATENCY_MS = 150
PEER_CUSTOMERS = 30


def ours(sandbox: Sandbox, customers: int) -> dict[str, Any]:
    """Requests a second of apply: each customer with one invoice."""
    with tempfile.TemporaryDirectory() as folder:  # as beside a store, where processes meet
        gate = RequestGate(Path(folder), "bench")
        client = ChartMogulClient(sandbox.chartmogul_api_key, sandbox.chartmogul_url, gate=gate)
        return _write(sandbox, client, customers)


def _write(sandbox: Sandbox, client: ChartMogulClient, customers: int) -> dict[str, Any]:
    journal = MemoryJournal()
    wire = Wire("", create_data_source(client, "Keap").uuid)
    applier = Applier(client, wire, journal, root_of)
    applier.apply_plans([create("plan", PLAN)])
    applier.apply_lanes([(0, [create("customer", customer(0)), create("invoice", invoice("0", 0))])])
    lanes = [
        (
            number,
            [
                create("customer", customer(number)),
                create(
                    "invoice",
                    invoice(str(number), number, line_items=(line(str(number), subscription=str(number)),)),
                ),
            ],
        )
        for number in range(1, customers + 1)
    ]
    sandbox.clear_requests("chartmogul")
    begun = time.monotonic()
    applier.apply_lanes(lanes)
    seconds = time.monotonic() - begun
    statuses = [entry["status"] for entry in sandbox.requests("chartmogul")]
    summary = sandbox.summary("chartmogul")
    assert len(journal.acknowledgements) == 2 * customers + 3, journal.refusals[:3]
    return {
        "requests": len(statuses),
        "seconds": round(seconds, 2),
        "per_second": round(len(statuses) / seconds, 2),
        "status_429": statuses.count(429),
        "status_503": statuses.count(503),
        "summary": summary,
    }


def peer(sandbox: Sandbox) -> dict[str, Any]:
    """Requests a second of the official client, one after the other, for the same objects."""
    config = chartmogul.Config(sandbox.chartmogul_api_key)
    config.uri = sandbox.chartmogul_url
    source = chartmogul.DataSource.create(config, data={"name": "Peer"}).get().uuid
    plan = {
        "data_source_uuid": source,
        "name": "Club",
        "interval_count": 1,
        "interval_unit": "month",
        "external_id": "p",
    }
    plan_uuid = chartmogul.Plan.create(config, data=plan).get().uuid
    wire = Wire("", source)
    begun = time.monotonic()
    for number in range(1, PEER_CUSTOMERS + 1):
        body = {"data_source_uuid": source, **wire.new_customer(customer(number))}
        uuid = chartmogul.Customer.create(config, data=body).get().uuid
        bill = invoice(str(number), number)
        lines = [wire.line_item(each, {"plan_uuid": plan_uuid}) for each in bill.line_items]
        rows = [wire.transaction(each) for each in bill.transactions]
        data = {"invoices": [{**wire.new_invoice(bill), "line_items": lines, "transactions": rows}]}
        chartmogul.Invoice.create(config, uuid=uuid, data=data).get()
    seconds = time.monotonic() - begun
    return {
        "requests": 2 * PEER_CUSTOMERS,
        "seconds": round(seconds, 2),
        "per_second": round(2 * PEER_CUSTOMERS / seconds, 2),
    }


def measure(customers: int = 400) -> dict[str, Any]:
    """Both in one run: figure, peer, ratio, floor."""
    sandbox = Sandbox.start("--only", "chartmogul", "--account", "empty")
    try:
        sandbox.faults("chartmogul", latency_ms=LATENCY_MS)
        mine, theirs = ours(sandbox, customers), peer(sandbox)
    finally:
        sandbox.stop()
    return {
        "what": "writing, single objects, requests/s at 150 ms",
        "figure": mine["per_second"],
        "peer": theirs["per_second"],
        "ratio": round(mine["per_second"] / theirs["per_second"], 1),
        "floor": LIMIT,
        "share_of_floor": round(mine["per_second"] / LIMIT, 3),
        "detail": mine,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=400)
    print(measure(parser.parse_args().customers))
