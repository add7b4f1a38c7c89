"""Compares what a data source came to with a fresh full run, but for what Keap has forgotten (rule 1.2)."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.support.histories import History
from tests.support.keap_edits import Rows
from tests.support.pipeline import differences

SECTIONS = ("customers", "plans", "invoices", "cancellations", "scheduled")


@dataclass
class Past:
    """What ChartMogul held at any time before the last run."""

    links: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """`<order>-<item>` -> subscriptions."""
    plans: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """`<order>-<item>` -> plans."""
    events: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)

    def saw(self, content: dict[str, Any]) -> None:
        """It held this."""
        for name, line in lines_of(content):
            if "subscription" in line:
                self.links[name].add(line["subscription"])
                self.plans[name].add(line["plan"])
        self.customers |= content["customers"].keys()
        self.events |= content["cancellations"].keys() | content["scheduled"].keys()

    def told_to(self, rows: Rows, found: dict[str, Any]) -> Rows:
        """An account whose orders tell the links that were made before and still stand (rule 4.3)."""
        held = dict(lines_of(found))
        rows = copy.deepcopy(rows)
        for order in rows["orders"]:
            for item in order["order_items"]:
                name = f"{order['id']}-{item['id']}"
                linked = held.get(name, {}).get("subscription")
                if not item["subscription_id"] and linked and linked in self.links[name]:
                    item["subscription_id"] = linked
        return rows


def lines_of(content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """`<order>-<item>` and line, of all invoices."""
    return [
        (f"{invoice_id.partition('-')[0]}-{line_id.rpartition('-')[2]}", line)
        for invoice_id, invoice in content["invoices"].items()
        for line_id, line in invoice["line_items"].items()
    ]


def unlike(found: dict[str, Any], fresh: dict[str, Any], history: History, past: Past) -> list[str]:
    """Differences that rule 1.2 does not allow."""
    found, fresh = copy.deepcopy(found), copy.deepcopy(fresh)
    gone = history.gone
    orders = gone["orders"]
    contacts = gone["contacts"] | _contacts_of(history, orders)
    subscriptions = _subscriptions_of(history, orders)
    sharing = _sharing_payments(history, orders)
    altered = _altered_subscriptions(history)
    _keep_plans(found, fresh, past)
    for content in (found, fresh):
        content["invoices"] = {
            name: each for name, each in content["invoices"].items() if name.partition("-")[0] not in orders
        }
        for name, each in content["invoices"].items():
            if name.partition("-")[0] in sharing:
                del each["transactions"]
        used = {line.get("plan") for each in content["invoices"].values() for line in each["line_items"].values()}
        content["plans"] = {name: each for name, each in content["plans"].items() if name in used}
        content["customers"] = {name: each for name, each in content["customers"].items() if name not in contacts}
        for section in ("cancellations", "scheduled"):
            content[section] = {
                name: each for name, each in content[section].items() if each["subscription"] not in subscriptions
            }
    for section in ("cancellations", "scheduled"):
        found[section] = {
            name: each
            for name, each in found[section].items()
            if name in fresh[section] or name not in past.events or each["subscription"] not in altered
        }
    return differences(found, fresh, SECTIONS)


def _keep_plans(found: dict[str, Any], fresh: dict[str, Any], past: Past) -> None:
    """A line keeps the plan with which it was sent (rule 3.6)."""
    expected = dict(lines_of(fresh))
    for name, line in lines_of(found):
        other = expected.get(name, {})
        if "plan" in line and "plan" in other and line["plan"] != other["plan"] and line["plan"] in past.plans[name]:
            for each in ("plan", "service_period_end"):
                other[each] = line[each]
            fresh["plans"].setdefault(line["plan"], found["plans"].get(line["plan"]))


def _contacts_of(history: History, orders: set[str]) -> set[str]:
    return {row["contact"]["id"] for moment in history.moments for row in moment.rows["orders"] if row["id"] in orders}


def _subscriptions_of(history: History, orders: set[str]) -> set[str]:
    return {
        item["subscription_id"]
        for moment in history.moments
        for row in moment.rows["orders"]
        if row["id"] in orders
        for item in row["order_items"]
    }


def _altered_subscriptions(history: History) -> set[str]:
    """Those whose end Keap showed otherwise at an earlier moment: what was written of it may stay (rule 6.5)."""
    return {
        row["id"]
        for moment in history.moments
        for row in moment.rows["subscriptions"]
        if (not row["active"] or row["end_date"])
        and len(set(map(_end, history.versions("subscriptions", row["id"])))) > 1
    }


def _end(row: dict[str, Any] | None) -> tuple[Any, ...]:
    return (
        () if row is None else tuple(row[name] for name in ("active", "end_date", "next_bill_date", "last_bill_date"))
    )


def _sharing_payments(history: History, orders: set[str]) -> set[str]:
    """Orders that were paid together with any of these."""
    return {
        each
        for moment in history.moments
        for row in moment.rows["payments"]
        if orders & set(row["order_ids"])
        for each in row["order_ids"]
    }
