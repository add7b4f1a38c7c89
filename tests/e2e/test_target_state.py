"""STATE, bookmarks and inputs that were cut off (rules 1.6, 1.8): nothing is decided from a part of the facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Bridge
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import (
    ALWAYS_WHOLE,
    STREAMS,
    account_messages,
    changed_messages,
    record,
    schema,
    state,
    whole_stream,
)
from tests.support.singer_rows import Account, club_account

HEALING = '{"bookmarks":{}}\n'
BEGUN = {"orders": "2026-02-05T10:00:00Z"}
"""The bookmark of a read that `club_account` was."""
CONTACTS = {"contacts": "2026-01-01T00:00:03Z"}


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path) -> Bridge:
    return Bridge(sandbox, tmp_path)


def read_until(account: Account, last: str, *, end: str) -> str:
    """A read that ended behind a stream, and the STATE that the tap wrote at its end."""
    parts = []
    for stream in STREAMS:
        rows = account.get(stream, ())
        parts += [whole_stream(stream, rows)] if stream in ALWAYS_WHOLE else [schema(stream)]
        parts += [] if stream in ALWAYS_WHOLE else [record(stream, row) for row in rows]
        if stream == last:
            break
    return "".join(parts) + end


def marker(last: str, **more: Any) -> dict[str, Any]:
    return {"selected": list(STREAMS), "complete": list(STREAMS[: STREAMS.index(last) + 1]), **more}


# -- what goes out


def test_state_goes_out_when_all_is_stored(bridge: Bridge) -> None:
    done = bridge.good(account_messages(club_account(2)))
    assert [each["bookmarks"]["orders"]["replication_key_value"] for each in done.states] == ["2026-02-05T10:00:00Z"]


def test_without_a_store_no_state_goes_out(bridge: Bridge) -> None:
    done = bridge.good(account_messages(club_account(2)), store_path=None)
    assert done.stdout == ""
    assert len(bridge.content()["invoices"]) == 4


@pytest.mark.parametrize("settings", [{"dry_run": True}, {"dry_run": True, "store_path": None}])
def test_a_rehearsal_says_nothing(bridge: Bridge, settings: dict[str, Any]) -> None:
    assert bridge.good(account_messages(club_account(2)), **settings).stdout == ""


def test_many_states_of_one_minute_are_one(bridge: Bridge) -> None:
    """A commit for each would cost more than the records; the last one always goes out."""
    rows = club_account(3)
    steps = [
        schema("orders"),
        *(record("orders", row) + state(orders=row["modification_time"]) for row in rows["orders"]),
    ]
    done = bridge.good("".join(steps) + account_messages(rows))
    assert len(done.states) == 1


def test_state_does_not_wait_for_chartmogul(bridge: Bridge) -> None:
    """What was not sent is marked in the store: the next run sends it though no record comes again."""
    script = [{"match": {"method": "POST", "path_regex": "/invoices"}, "kind": "401", "times": 1000, "after": 3}]
    bridge.sandbox.faults("chartmogul", script=script)
    rows = club_account(10)
    done = bridge.run(account_messages(rows))
    assert done.code == 3, done.stderr
    assert done.state is not None
    assert len(bridge.content()["invoices"]) < 20
    bridge.sandbox.faults("chartmogul")
    bridge.good(changed_messages({name: rows[name] for name in ("products", "subscriptions")}))
    assert len(bridge.content()["invoices"]) == 20


# -- a bookmark that the store does not know


@pytest.mark.parametrize("store", ["never", "lost", "damaged"])
def test_a_bookmark_without_its_store_reads_again(bridge: Bridge, store: str) -> None:
    """Exit 10, STATE exactly without bookmarks, nothing written; the whole read that follows heals."""
    rows = club_account(3)
    if store != "never":
        bridge.good(account_messages(rows))
        rows["orders"][0]["due_time"] = "2026-02-01T00:00:00Z"
    if store == "lost":
        bridge.store.unlink()
    elif store == "damaged":
        content = bridge.store.read_bytes()
        bridge.store.write_bytes(content[: len(content) // 2])
    bridge.sandbox.clear_requests()
    changed = state(**BEGUN) + changed_messages({**rows, "orders": rows["orders"][:1]})
    done = bridge.run(changed)
    assert done.code == 10, done.stderr
    assert done.stdout == HEALING
    assert "reads everything" in done.last_line
    assert bridge.writes() == 0
    bridge.good(account_messages(rows))
    content = bridge.content()
    assert (len(content["customers"]), len(content["invoices"])) == (3, 6)
    assert store == "never" or content["invoices"]["101"]["due_date"] == "2026-02-01T00:00:00Z"


def test_a_bookmark_without_store_path_reads_again(bridge: Bridge) -> None:
    done = bridge.run(state(**BEGUN) + changed_messages(club_account(1)), store_path=None)
    assert (done.code, done.stdout) == (10, HEALING), done.stderr
    assert "`store_path` is not set" in done.last_line
    assert bridge.writes() == 0


def test_a_bookmark_that_the_store_knows_goes_on(bridge: Bridge) -> None:
    rows = club_account(3)
    first = bridge.good(account_messages(rows))
    told = json.dumps({"type": "STATE", "value": first.state}) + "\n"
    bridge.good(told + changed_messages({**rows, "orders": rows["orders"][-1:]}))
    bridge.good(state(orders="2026-01-15T00:00:00Z") + changed_messages(rows))  # an older one only reads more
    later = bridge.run(state(orders="2026-03-05T00:00:00Z") + changed_messages(rows))
    assert (later.code, later.stdout) == (10, HEALING), "of a newer one the store lacks records"


@pytest.mark.parametrize("lasting", [True, False], ids=["store", "no-store"])
def test_a_rehearsal_with_a_foreign_bookmark_says_nothing(bridge: Bridge, lasting: bool) -> None:
    settings = {} if lasting else {"store_path": None}
    done = bridge.run(state(**BEGUN) + changed_messages(club_account(1)), dry_run=True, **settings)
    assert (done.code, done.stdout) == (10, "")


# -- inputs that were cut off


@pytest.mark.parametrize("end", ["null", "incomplete"])
def test_a_first_read_that_was_cut_off_decides_nothing(bridge: Bridge, end: str) -> None:
    """Orders without their payments would be unpaid: they are kept, and the next run continues."""
    rows = club_account(3)
    read = None if end == "null" else marker("orders")
    first = bridge.run(read_until(rows, "orders", end=state(read=read, **BEGUN)))
    assert first.code == 6, first.stderr
    assert bridge.writes() == 0
    assert first.state is not None
    assert first.state["bookmarks"]["orders"]["replication_key_value"] == "2026-02-05T10:00:00Z"
    told = json.dumps({"type": "STATE", "value": {**first.state, "keap_read": None}}) + "\n"
    rest = {**rows, "contacts": [], "orders": []}
    second = bridge.good(
        told + read_until(rest, "transactions", end=state(read=marker("transactions"), contacts="2026-01-01T00:00:03Z"))
    )
    assert second.state is not None
    content = bridge.content()
    assert (len(content["customers"]), len(content["invoices"])) == (3, 6)
    assert all(len(each["transactions"]) == 1 for each in content["invoices"].values())


def test_a_cut_input_without_a_store_promises_nothing(bridge: Bridge) -> None:
    end = state(read=marker("orders"), **BEGUN)
    done = bridge.run(read_until(club_account(1), "orders", end=end), store_path=None)
    assert (done.code, done.stdout) == (6, ""), done.stderr
    assert "its records are not kept, since `store_path` is not set" in done.last_line
    assert "continues" not in done.last_line


def test_a_later_cut_lets_the_accounts_wait_that_it_touched(bridge: Bridge) -> None:
    """All others that are due or marked are decided."""
    rows = club_account(3)
    rows["orders"][5]["order_time"] = "2026-03-25T10:00:00Z"  # of contact 3: due while the input is cut off
    bridge.good(account_messages(rows))
    assert "302" not in bridge.content()["invoices"]
    bridge.clock("2026-03-26T08:00:00Z")
    new = {**rows["orders"][0], "id": "103", "order_time": "2026-03-05T10:00:00Z"}
    new["order_items"] = [{**new["order_items"][0], "id": "1031"}]
    new["modification_time"] = "2026-03-22T10:00:00Z"
    paid = {**rows["payments"][0], "id": "1039", "order_ids": ["103"], "payment_time": "2026-03-22T10:00:00Z"}
    some = {name: rows[name] for name in ("products", "subscriptions")}
    cut = bridge.run(state(**BEGUN) + read_until({**some, "orders": [new]}, "orders", end=state(read=marker("orders"))))
    assert cut.code == 6, cut.stderr
    assert "103" not in bridge.content()["invoices"]
    assert "302" in bridge.content()["invoices"]
    bridge.good(changed_messages({**some, "payments": [paid]}))
    assert len(bridge.content()["invoices"]["103"]["transactions"]) == 1


def test_rule_1_10_a_first_read_over_several_runs_reads_custom_fields_once(bridge: Bridge) -> None:
    settings = {"customer_attributes": {"12": "Club"}}
    rows = club_account(3)
    end = state(read=marker("contacts"), contacts="2026-01-01T00:00:01Z")
    first = bridge.run(read_until(rows, "contacts", end=end), **settings)
    assert first.code == 6, first.stderr
    told = json.dumps({"type": "STATE", "value": {**(first.state or {}), "keap_read": None}}) + "\n"
    second = bridge.run(told + read_until(rows, "orders", end=state(read=marker("orders"), **CONTACTS)), **settings)
    assert second.code == 6, second.stderr
    assert second.state is not None
    assert second.state["bookmarks"]["contacts"] is not None
    fewer = bridge.good(account_messages(rows))
    assert fewer.state is not None
    told = json.dumps({"type": "STATE", "value": fewer.state}) + "\n"
    again = bridge.good(told + account_messages(rows), **settings)
    assert again.state is not None
    assert again.state["bookmarks"]["contacts"] is None, "rows that came meanwhile lack the field"


def test_an_input_without_a_marker_is_whole_at_its_end(bridge: Bridge) -> None:
    """Other taps do not write one."""
    bridge.good(read_until(club_account(2), "orders", end=""))
    assert len(bridge.content()["invoices"]) == 4


def test_a_start_date_of_the_tap_is_refused(bridge: Bridge) -> None:
    """What was before it would be missing for good."""
    read = marker("transactions", start_date="2026-01-01T00:00:00Z")
    done = bridge.run(read_until(club_account(1), "transactions", end=state(read=read)))
    assert done.code == 2, done.stderr
    assert "start_date" in done.last_line
    assert "invoices_since" in done.last_line
    assert bridge.writes() == 0
