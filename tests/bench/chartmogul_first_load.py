"""The first load of an account, in bulk and by single requests, under the sandbox's limits at 150 ms latency.

    python -m tests.bench.chartmogul_first_load [--customers 600]

Each customer has two paid orders and every fifth a cancellation. Imports take the sandbox two seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from target_chartmogul.apply.bulk import BulkLoader
from target_chartmogul.apply.lanes import Applier
from target_chartmogul.billing.changes import Change
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import create_data_source
from target_chartmogul.chartmogul.json_imports import JsonImports
from target_chartmogul.chartmogul.wire import Wire
from tests.support.billing_objects import PLAN, cancellation, customer, invoice, line, on
from tests.support.memory_journal import MemoryJournal, create, root_of
from tests.support.sandbox_process import Sandbox

LATENCY_MS = 150
ORDERS = 2


def account(customers: int) -> dict[int, list[Change]]:
    """Lanes by number."""
    return {number: lane(number) for number in range(1, customers + 1)}


def lane(number: int) -> list[Change]:
    changes = [create("customer", customer(number))]
    for month in range(1, ORDERS + 1):
        order = f"{number}{month:02d}"
        period = {
            "service_period_start": on(f"2025-{month:02d}-01"),
            "service_period_end": on(f"2025-{month + 1:02d}-01"),
        }
        lines = (line(order, subscription=str(number), **period),)
        changes.append(create("invoice", invoice(order, number, line_items=lines)))
    if number % 5 == 0:
        changes.append(create("event", cancellation(str(number), number)))
    return changes


def load(sandbox: Sandbox, name: str, lanes: dict[int, list[Change]], *, bulk: bool) -> dict[str, Any]:
    """Seconds and requests of one load into a data source of its own."""
    client = ChartMogulClient(sandbox.chartmogul_api_key, sandbox.chartmogul_url)
    journal = MemoryJournal()
    wire = Wire("", create_data_source(client, name).uuid)
    applier = Applier(client, wire, journal, root_of)
    applier.apply_plans([create("plan", PLAN)])
    sandbox.clear_requests("chartmogul")
    begun = time.monotonic()
    if bulk:
        with tempfile.TemporaryDirectory() as folder:
            imports = JsonImports(client, wire)
            imports.finish_earlier()
            with BulkLoader(client, wire, journal, imports, Path(folder) / "bulk.sqlite") as loader:
                loader.load(lanes.items())
                applier.apply_lanes(loader.leftovers(lanes.__getitem__))
    else:
        applier.apply_lanes(lanes.items())
    seconds = time.monotonic() - begun
    entries = sandbox.requests("chartmogul")
    client.close()
    assert len(journal.acknowledgements) == 1 + sum(map(len, lanes.values())), journal.refusals[:3]
    imports_of = [entry for entry in entries if "json_imports" in entry["path"]]
    return {
        "seconds": round(seconds, 2),
        "requests": len(entries),
        "import_posts": sum(entry["method"] == "POST" for entry in imports_of),
        "polls": sum(entry["method"] == "GET" for entry in imports_of),
        "lists": sum(entry["method"] == "GET" for entry in entries) - sum(e["method"] == "GET" for e in imports_of),
        "status_429": sum(entry["status"] == 429 for entry in entries),
    }


def measure(customers: int = 600) -> dict[str, Any]:
    """Both in one run: figure, peer (single mode), ratio."""
    sandbox = Sandbox.start("--only", "chartmogul", "--account", "empty")
    try:
        sandbox.control("PUT", "chartmogul/settings", {"import_queued": 0.5, "import_processing": 1.5})
        sandbox.faults("chartmogul", latency_ms=LATENCY_MS)
        lanes = account(customers)
        bulk = load(sandbox, "Bulk", lanes, bulk=True)
        single = load(sandbox, "Single", lanes, bulk=False)
    finally:
        sandbox.stop()
    return {
        "what": f"first load, {customers} customers and {ORDERS * customers} orders, seconds",
        "figure": bulk["seconds"],
        "peer": single["seconds"],
        "ratio": round(single["seconds"] / bulk["seconds"], 1),
        "most_import_posts": customers // 50,
        "most_lists": customers * ORDERS // 200 + customers // 200 + 20,
        "bulk": bulk,
        "single": single,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=600)
    print(measure(parser.parse_args().customers))
