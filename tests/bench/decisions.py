"""Orders a second through `decide`, on one core: new ones, the same again, and one large account.

    python -m tests.bench.decisions [--contacts 1000] [--orders 12]

Counts processor time, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from typing import Any

from target_chartmogul.billing.calendar import Interval, plus
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.source import KeapSource
from target_chartmogul.sources.protocol import Context, StoredRecord
from tests.support.keap_rows import contact, order, payment, product, subscription, subscription_item

SOURCE = KeapSource()
BEGIN = datetime(2022, 1, 31, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FLOOR = 5_000
"""Orders a second, all rules together."""


def account(number: int, orders: int) -> dict[str, list[dict[str, Any]]]:
    """A contact with a monthly subscription, an order and a payment for each month."""
    name, keap = str(number), {"contacts": [contact(str(number))], "orders": [], "payments": []}
    for month in range(orders):
        when = plus(BEGIN, Interval(month, "month")).isoformat()
        each = f"{number}{month + 1:03d}"
        keap["orders"].append(order(each, [subscription_item(f"{each}1", name)], 4900, name, time=when))
        keap["payments"].append(payment(each, [each], 49.0, time=when))
    return keap | {"subscriptions": [subscription(name, name, start_date="2022-01-31")]}


def stored(keap: dict[str, list[dict[str, Any]]]) -> list[StoredRecord]:
    """The records of an account as they lie in the store."""
    found = []
    for stream, rows in keap.items():
        for row in rows:
            read, number = SOURCE.read(stream, json.dumps(row).encode()), SOURCE.streams.index(stream)
            found.append(StoredRecord(number, read.number, read.payload, gone=False, id_text=None))
    return found


def rate(
    accounts: list[list[StoredRecord]], orders: int, held: list[Decision] | None = None
) -> tuple[float, list[Decision]]:
    """Orders a second, reading their records included, and what was decided."""
    catalogue = SOURCE.catalogue(stored({"products": [product()]}), {})
    context = Context(settings=MappingSettings(), now=NOW, complete_reads={"subscriptions": NOW})
    before = held or [Decision() for _ in accounts]
    begin = time.process_time()
    decisions = [
        SOURCE.decide(
            records,
            Holdings(customers=each.customers, invoices=each.invoices, events=each.events),
            each.memories or [],
            catalogue,
            context,
        )
        for records, each in zip(accounts, before, strict=True)
    ]
    return orders / (time.process_time() - begin), decisions


def measure(contacts: int = 1_000, orders: int = 12) -> dict[str, Any]:
    """Orders a second: `new`, `again` (ChartMogul holds them), and `one_account` (all contacts decided as one)."""
    accounts = [stored(account(number, orders)) for number in range(1, contacts + 1)]
    rate(accounts[:50], 50 * orders)
    new, decisions = rate(accounts, contacts * orders)
    again, _ = rate(accounts, contacts * orders, decisions)
    large, _ = rate([[record for each in accounts for record in each]], contacts * orders)
    return {"orders": contacts * orders, "new": round(new), "again": round(again), "one_account": round(large)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000)
    parser.add_argument("--orders", type=int, default=12)
    arguments = parser.parse_args()
    found = measure(arguments.contacts, arguments.orders)
    print("orders a second by decide:", ", ".join(f"{name} {figure:,}" for name, figure in found.items()))


if __name__ == "__main__":
    main()
