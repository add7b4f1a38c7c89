"""The sample account shows every case of billing, and its figures add up."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.clock import format_instant, parse_instant
from sandbox.sample import NOW, sample_account
from sandbox.sample.evolve import evolve
from sandbox.sample.generate import generate_account, generate_lives

ACCOUNTS = Path(__file__).parents[2] / "accounts"


@pytest.fixture(scope="module")
def account() -> dict[str, Any]:
    return sample_account()


def items(account: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for order in account["orders"] for item in order["order_items"]]


def minor(amount: float, currency: str) -> int:
    return int(Decimal(str(amount)) * (1 if currency == "JPY" else 100))


def test_it_is_the_same_every_time(account: dict[str, Any]) -> None:
    assert json.dumps(sample_account()) == json.dumps(account)


def test_it_is_large_enough(account: dict[str, Any]) -> None:
    assert len(account["contacts"]) >= 200
    times = sorted(order["order_time"] for order in account["orders"])
    assert times[0] < "2023-11-21"
    assert times[-1] > "2026-11-20"  # one in the future


def test_every_kind_of_plan_and_item(account: dict[str, Any]) -> None:
    intervals = {(row["billing_cycle"], row["billing_frequency"]) for row in account["subscriptions"]}
    assert intervals >= {("MONTH", 1), ("MONTH", 3), ("YEAR", 1), ("WEEK", 1), ("WEEK", 2), ("DAY", 30)}
    kinds = {item["item_type"] for item in items(account)}
    assert kinds >= {
        "SUBSCRIPTION", "PRODUCT", "PROGRAM", "SHIPPING", "TAX", "DISCOUNT_ORDER_TOTAL", "DISCOUNT_PRODUCT",
        "DISCOUNT_SHIPPING", "DISCOUNT_FREE_TRIAL", "FEE", "TIP", "FINANCE_CHARGE",
    }  # fmt: skip
    assert {order["total"]["currency_code"] for order in account["orders"]} == {"USD", "JPY"}
    assert {order["status"] for order in account["orders"]} == {"DRAFT", "SENT", "VIEWED", "PAID"}
    assert any(item["quantity"] > 1 and item["item_type"] == "SUBSCRIPTION" for item in items(account))
    assert any(item["price_per_unit"]["amount"] < 0 and item["discount"] is None for item in items(account))
    assert any(item["special"] and not item["discount"]["amount"] for item in items(account) if item["discount"])


def test_every_end_of_a_subscription(account: dict[str, Any]) -> None:
    today = NOW.date().isoformat()
    ends = {(row["active"], "none" if row["end_date"] is None else "past" if row["end_date"] < today else "future")
            for row in account["subscriptions"]}  # fmt: skip
    assert ends >= {(True, "none"), (True, "past"), (True, "future"), (False, "none"), (False, "past")}
    unknown = [row for row in account["subscriptions"] if not row["active"] and row["end_date"] is None]
    assert {
        (row["next_bill_date"] is None, row["last_bill_date"] is None, row["modification_time"] is None)
        for row in unknown
    } >= {(False, False, False), (True, False, False), (True, True, False), (True, True, True)}
    assert any(row["next_bill_date"] and row["next_bill_date"] < row["last_bill_date"] for row in unknown)
    last = {
        item["subscription_id"]: order["order_time"][:10]
        for order in account["orders"]
        for item in order["order_items"]
    }
    assert any(row["end_date"] == last.get(row["id"]) for row in account["subscriptions"])
    assert any((row["end_date"] or "9") < last.get(row["id"], "0") for row in account["subscriptions"])


def test_plans_and_intervals_that_disagree(account: dict[str, Any]) -> None:
    monthly = {"MONTHLY": "MONTH", "YEARLY": "YEAR", "WEEKLY": "WEEK", "DAILY": "DAY"}
    plans = {
        plan["id"]: (monthly[plan["billing_cycle"]], plan["billing_frequency"])
        for product in account["products"]
        for plan in product["subscription_plans"]
    }
    own = [
        (row["subscription_plan_id"], (row["billing_cycle"], row["billing_frequency"]))
        for row in account["subscriptions"]
    ]
    assert any(plan is not None and plans[plan] != interval for plan, interval in own)
    assert any(plan is None for plan, _ in own)


def test_money_that_is_not_plain(account: dict[str, Any]) -> None:
    payments = account["payments"]
    assert {row["type"] for row in payments} >= {
        "Credit Card", "Cash", "Check", "PayPal", "Credit", "Adjustment", "Write Off", "Refund",
    }  # fmt: skip
    assert any(row["amount"] < 0 for row in payments)
    assert any(not row["order_ids"] for row in payments)
    assert sum(len(row["order_ids"]) == 2 for row in payments) >= 3
    assert any(row["status"] == "PENDING" for row in payments)
    assert {(row["transaction_method"], row["status"]) for row in account["transactions"]} >= {
        ("CAPTURE", "APPROVED"), ("CAPTURE", "FAILED"), ("CAPTURE", "ERROR"), ("CAPTURE", "PENDING"),
        ("REFUND", "APPROVED"), ("VOID", "APPROVED"), ("MANUAL", "APPROVED"),
    }  # fmt: skip
    assert any(order["total_paid"]["amount"] > order["total"]["amount"] for order in account["orders"])
    assert any(order["payment_plan"] for order in account["orders"])


def test_owners_links_and_what_is_gone(account: dict[str, Any]) -> None:
    contacts = {row["id"] for row in account["contacts"]}
    held = {row["id"]: row["contact_id"] for row in account["subscriptions"]}
    owners = [
        {held[item["subscription_id"]] for item in order["order_items"] if item["subscription_id"] in held}
        for order in account["orders"]
    ]
    assert any(len(found) == 2 for found in owners)
    assert any(
        found and order["contact"]["id"] not in found for found, order in zip(owners, account["orders"], strict=True)
    )
    named = {item["subscription_id"] for item in items(account)}
    assert named - {None} - set(held)
    assert any(item["item_type"] == "SUBSCRIPTION" and item["subscription_id"] is None for item in items(account))
    assert {order["contact"]["id"] for order in account["orders"]} - contacts


def test_people_with_and_without_addresses(account: dict[str, Any]) -> None:
    emails = [[entry["email"] for entry in row["email_addresses"]] for row in account["contacts"]]
    assert ["n/a"] in emails
    assert [] in emails
    assert any(len(found) == 2 for found in emails)
    assert any(row["given_name"] is None and row["company"] is None for row in account["contacts"])
    codes = {entry["country_code"] for row in account["contacts"] for entry in row["addresses"]}
    assert codes >= {"USA", "DEU", "JPN", "GBR"}


def test_what_was_paid_adds_up(account: dict[str, Any]) -> None:
    voided = {row["payment_id"] for row in account["transactions"] if row["transaction_method"] == "VOID"}
    refunds = {row["refund_payment_id"] for row in account["payments"]}
    paid: dict[str, int] = defaultdict(int)
    currency = {order["id"]: order["total"]["currency_code"] for order in account["orders"]}
    for row in account["payments"]:
        if len(row["order_ids"]) == 1 and row["id"] not in voided | refunds:
            paid[row["order_ids"][0]] += minor(row["amount"], currency[row["order_ids"][0]])
    shared = {order_id for row in account["payments"] if len(row["order_ids"]) > 1 for order_id in row["order_ids"]}
    for order in account["orders"]:
        if order["id"] not in shared:
            assert order["total_paid"]["amount"] == paid[order["id"]], order["id"]


def test_ids_are_unique(account: dict[str, Any]) -> None:
    for stream in ("contacts", "subscriptions", "orders", "payments", "order_payments", "notes", "tags"):
        counts = Counter(row["id"] for row in account[stream])
        assert max(counts.values()) == 1, stream
    assert max(Counter(order["invoice_id"] for order in account["orders"]).values()) == 1
    assert max(Counter(item["id"] for item in items(account)).values()) == 1


def test_rows_have_all_fields_of_the_worked_accounts(account: dict[str, Any]) -> None:
    for path in sorted(ACCOUNTS.glob("*.json")):
        for run in json.loads(path.read_text(encoding="utf-8"))["runs"]:
            for stream, rows in run["keap"].items():
                own = {name for row in account[stream] for name in row}
                assert {name for row in rows for name in row} <= own, (path.name, stream)


def test_nothing_was_changed_in_the_future(account: dict[str, Any]) -> None:
    latest = format_instant(NOW)
    for stream, column in (
        ("contacts", "update_time"), ("subscriptions", "modification_time"), ("orders", "modification_time"),
        ("payments", "update_time"), ("payments", "payment_time"), ("transactions", "transaction_time"),
    ):  # fmt: skip
        late = [row.get("id") for row in account[stream] if (row[column] or "") > latest]
        assert late == [], stream


def test_a_seed_decides_an_account() -> None:
    one = generate_account(3, contacts=12, months=10)
    assert one == generate_account(3, contacts=12, months=10)
    assert one != generate_account(4, contacts=12, months=10)
    assert len(one["contacts"]) == 12
    latest = format_instant(NOW)
    assert all(order["order_time"] <= latest for order in one["orders"])
    assert all(row["payment_time"] <= latest for row in one["payments"])


@pytest.mark.parametrize(("contacts", "orders"), [(7, 20), (5, 5), (3, 0)])
def test_lives_share_the_orders_out(contacts: int, orders: int) -> None:
    parts = list(generate_lives(1, contacts, orders))
    assert [len(part["contacts"]) for part in parts] == [1] * contacts
    counts = [len(part["orders"]) for part in parts]
    assert sum(counts) == orders
    assert max(counts) - min(counts) <= 1
    identities = [row["id"] for part in parts for row in part["orders"]]
    assert len(set(identities)) == orders


def test_later_states_are_plausible() -> None:
    first = generate_account(8, contacts=80, months=12)
    kept = json.dumps(first)
    later = NOW + timedelta(days=45)
    second = evolve(first, 5, before=NOW, now=later)
    assert json.dumps(first) == kept
    assert second == evolve(first, 5, before=NOW, now=later)
    assert second != evolve(first, 6, before=NOW, now=later)
    window = format_instant(NOW), format_instant(later)
    for stream, column in (
        ("contacts", "update_time"), ("subscriptions", "modification_time"), ("products", "update_time"),
    ):  # fmt: skip
        old = {row["id"]: row for row in first[stream]}
        changed = [row for row in second[stream] if old.get(row["id"], row) != row]
        assert changed, stream
        assert all(window[0] <= row[column] <= window[1] for row in changed), stream
    with pytest.raises(ValueError, match="later"):
        evolve(first, 5, before=later, now=NOW)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("step", [timedelta(hours=5), timedelta(days=1), timedelta(days=3), timedelta(days=45)])
def test_whatever_is_new_happened_in_between(seed: int, step: timedelta) -> None:
    first = generate_account(seed, contacts=25, months=8)
    second = evolve(first, seed, before=NOW, now=NOW + step)
    window = format_instant(NOW), format_instant(NOW + step)
    counts: Counter[str] = Counter()
    for stream, columns in {
        "contacts": ("create_time", "update_time"), "subscriptions": ("modification_time",),
        "orders": ("order_time", "creation_time", "modification_time"), "payments": ("payment_time", "update_time"),
    }.items():  # fmt: skip
        old = {row["id"] for row in first[stream]}
        for row in second[stream]:
            if row["id"] not in old:
                counts[stream] += 1
                assert [row[column] for column in columns if not window[0] < row[column] <= window[1]] == [], row
    shown = {
        order_id
        for row in second["payments"]
        if window[0] < row["payment_time"] <= window[1]
        for order_id in row["order_ids"]
    }
    before = {row["id"]: row for row in first["orders"]}
    for row in second["orders"]:
        if before.get(row["id"], row) != row and row["id"] not in shown:
            assert window[0] < row["modification_time"] <= window[1], row
    old_attempts = len(first["transactions"])
    for row in second["transactions"][old_attempts:]:
        assert window[0] < row["transaction_time"] <= window[1]
    if step.days > 3:
        assert counts["orders"] > 5
        assert counts["contacts"] > 0


def test_a_long_history_shows_every_kind_of_change() -> None:
    account, now = generate_account(2, contacts=120, months=12), NOW
    seen: set[str] = set()
    for seed in range(12):
        later = now + timedelta(days=20)
        following = evolve(account, seed, before=now, now=later)
        before = {row["id"]: row for row in account["subscriptions"]}
        for row in following["subscriptions"]:
            old = before.get(row["id"], row)
            seen |= {name for name in ("contact_id", "active", "end_date") if old[name] != row[name]}
            seen |= {"came back"} if row["active"] and not old["active"] else set()
        for stream in ("contacts", "subscriptions", "orders"):
            gone = {row["id"] for row in account[stream]} - {row["id"] for row in following[stream]}
            seen |= {f"{stream} deleted"} if gone else set()
        seen |= {"void"} if any(row["transaction_method"] == "VOID" for row in following["transactions"]) else set()
        seen |= {"refund"} if any(row["amount"] < 0 for row in following["payments"]) else set()
        account, now = following, later
    assert seen == {
        "contact_id", "active", "end_date", "came back", "contacts deleted", "subscriptions deleted",
        "orders deleted", "void", "refund",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("clock", "ends"),
    [("2026-12-19T23:59:59Z", "2026-11-20"), ("2026-12-20T08:00:00Z", "2026-12-20"),
     ("2027-03-01T00:00:00Z", "2027-02-20"), ("2027-11-27T10:00:00Z", "2027-11-20"),
     ("2028-03-01T00:00:00Z", "2028-02-20")],
)  # fmt: skip
def test_it_follows_the_clock(account: dict[str, Any], clock: str, ends: str) -> None:
    """The same stories, told later: nothing has happened after the clock, and the latest is a month old at most."""
    later = sample_account(parse_instant(clock))
    happened = [
        *(row["creation_time"] for row in later["orders"]), *(row["modification_time"] for row in later["orders"]),
        *(row["payment_time"] for row in later["payments"]), *(row["create_time"] for row in later["contacts"]),
        *(row["transaction_time"] for row in later["transactions"]),
        *(row["modification_time"] or "" for row in later["subscriptions"]),
    ]  # fmt: skip
    assert max(happened) <= clock
    assert max(row["payment_time"] for row in later["payments"]) > f"{ends[:8]}14"
    today = clock[:10]
    assert any((row["end_date"] or "") > today for row in later["subscriptions"]), "an end that is still to come"
    told = [[row["given_name"] for row in rows["contacts"] if int(row["id"]) < 1000] for rows in (account, later)]
    assert told[0] == told[1]
