"""Orders a second through `decide`, on one core: new ones, the same again, and one large group.

    python -m tests.bench.decisions [--contacts 1000] [--orders 12]

Counts processor time, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any

from target_chartmogul.billing.calendar import Interval, plus
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.sources.keap.account import Arrived, Catalog, Group
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.support.keap_rows import contact, order, payment, product, subscription, subscription_item
from tests.support.worked_accounts import catalog_of, group_of

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


def one_group(accounts: list[dict[str, list[dict[str, Any]]]]) -> Group:
    return group_of({stream: [row for each in accounts for row in each[stream]] for stream in accounts[0]})


def rate(groups: list[Group], catalog: Catalog) -> tuple[float, list[Decision]]:
    orders = sum(len(group.orders) for group in groups)
    arrived, settings = Arrived(subscriptions_whole=True), MappingSettings()
    begin = time.process_time()
    decisions = [decide(group, catalog, arrived, settings, NOW) for group in groups]
    return orders / (time.process_time() - begin), decisions


def measure(contacts: int = 1_000, orders: int = 12) -> dict[str, Any]:
    """Orders a second: `new`, `again` (ChartMogul holds them), and `one_group` (all contacts tied together)."""
    accounts = [account(number, orders) for number in range(1, contacts + 1)]
    catalog = catalog_of({"products": [product()]})
    groups = [group_of(each) for each in accounts]
    rate(groups[:50], catalog)
    new, decisions = rate(groups, catalog)
    for group, decision in zip(groups, decisions, strict=True):
        group.existing = Holdings(customers=decision.customers, invoices=decision.invoices, events=decision.events)
        group.remembered = decision.remembered
    again, _ = rate(groups, catalog)
    large, _ = rate([one_group(accounts)], catalog)
    return {"orders": contacts * orders, "new": round(new), "again": round(again), "one_group": round(large)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000)
    parser.add_argument("--orders", type=int, default=12)
    arguments = parser.parse_args()
    found = measure(arguments.contacts, arguments.orders)
    print("orders a second by decide:", ", ".join(f"{name} {figure:,}" for name, figure in found.items()))


if __name__ == "__main__":
    main()
