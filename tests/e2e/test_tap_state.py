"""What STATE says of a run: the marker `keap_read`, versions of whole reads, orders that wait, missing rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.tap_process import TapRun, key_config, run_tap

NINE = [
    "products",
    "subscription_plans",
    "free_trial_discounts",
    "contacts",
    "subscriptions",
    "orders",
    "payments",
    "order_payments",
    "transactions",
]
PAST = {"replication_key": "modification_time", "replication_key_value": "2020-01-01T00:00:00.000Z"}


@pytest.fixture
def keap(sandbox: Sandbox) -> Sandbox:
    sandbox.no_limits(["keap"])
    return sandbox


def refuse(keap: Sandbox, path: str, kind: str, **more: Any) -> None:
    """Let Keap refuse a path, from now on."""
    match = {"path_regex": path, **more.pop("match", {})}
    keap.faults("keap", script=[{"match": match, "kind": kind, "times": None, **more}])


def markers(run: TapRun) -> list[Any]:
    return [message["value"]["keap_read"] for message in run.messages if message["type"] == "STATE"]


def place(run: TapRun, wanted: str, stream: str | None = None) -> int:
    """Where the first such message is."""
    return next(
        index
        for index, message in enumerate(run.messages)
        if message["type"] == wanted and stream in {None, message.get("stream")}
    )


def paths(keap: Sandbox) -> list[str]:
    return [entry["path"] for entry in keap.requests("keap")]


def first_marked(run: TapRun) -> int:
    return next(
        index
        for index, message in enumerate(run.messages)
        if message["type"] == "STATE" and message["value"]["keap_read"] is not None
    )


# -- the marker --------------------------------------------------------------------------------------------------------


def test_the_marker_comes_when_billing_is_read_and_stays(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap))
    assert run.code == 0, run.stderr
    assert run.messages[0]["type"] == "STATE"
    assert markers(run)[0] is None
    marked = first_marked(run)
    assert marked > place(run, "ACTIVATE_VERSION", "transactions")
    assert marked < place(run, "SCHEMA", "companies")
    later = [found for found in markers(run) if found is not None]
    assert later == [{"selected": NINE, "complete": NINE, "start_date": None}] * len(later)
    assert len(later) > 1
    assert markers(run) == [None] * (len(markers(run)) - len(later)) + later


def test_the_marker_names_what_was_selected_and_the_start_date(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap, start_date="2025-06-01"), streams=("orders", "tags", "products"))
    chosen = ["products", "orders"]
    assert run.state["keap_read"] == {"selected": chosen, "complete": chosen, "start_date": "2025-06-01"}
    none = run_tap(tmp_path, key_config(keap), streams=("tags",))
    assert none.state["keap_read"] == {"selected": [], "complete": [], "start_date": None}


def test_rows_that_were_left_out_do_not_suppress_the_marker(keap: Sandbox, tmp_path: Path) -> None:
    order = keap.account()["orders"][0]
    keap.put("orders", {**order, "id": "990001", "order_time": "yesterday"})
    run = run_tap(tmp_path, key_config(keap))
    assert run.code == 7
    assert run.state["keap_read"]["complete"] == NINE
    assert "orders" not in run.activated


def test_another_stream_that_fails_does_not_suppress_the_marker(keap: Sandbox, tmp_path: Path) -> None:
    refuse(keap, "/companies", "401")
    run = run_tap(tmp_path, key_config(keap))
    assert run.code == 3
    assert run.state["keap_read"]["complete"] == NINE


def test_an_input_that_was_cut_off_is_recognisable(keap: Sandbox, tmp_path: Path) -> None:
    """Also when it comes with the marker of an earlier run in its state."""
    first = run_tap(tmp_path, key_config(keap))
    for path in ("/products", "/orders", "/sales/transactions"):
        refuse(keap, path, "401")
        run = run_tap(tmp_path, key_config(keap), state=first.state)
        assert run.code == 3
        assert markers(run)
        assert set(map(str, markers(run))) == {"None"}


def test_what_an_edition_does_not_offer_is_not_asked_for(keap: Sandbox, tmp_path: Path) -> None:
    keap.behaviour(edition="old")
    run = run_tap(tmp_path, key_config(keap))
    assert run.code == 3, run.stderr
    assert "deselect the stream 'payments'" in run.last_line
    run = run_tap(tmp_path, key_config(keap), streams=[each for each in NINE if each != "payments"])
    assert run.code == 0, run.stderr
    offered = [each for each in NINE if each not in {"payments", "transactions"}]
    assert run.state["keap_read"]["selected"] == offered
    assert set(run.state["keap_read"]["complete"]) == set(offered)


def test_a_wrong_address_says_nothing_of_billing(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap, api_url=f"{keap.keap_url}/elsewhere"))
    assert run.code == 2
    assert set(map(str, markers(run))) == {"None"}
    test = run_tap(tmp_path, key_config(keap, api_url=f"{keap.keap_url}/elsewhere"), "--test")
    assert test.code == 2
    assert "check `api_url`" in test.last_line


@pytest.mark.parametrize("end", ["/v2", "/v1/", "/"])
@pytest.mark.parametrize("mode", [(), ("--test",)])
def test_the_address_with_a_version(keap: Sandbox, tmp_path: Path, end: str, mode: tuple[str, ...]) -> None:
    run = run_tap(tmp_path, key_config(keap, api_url=keap.keap_url + end), *mode)
    assert run.code == 0, run.stderr
    assert run.rows["orders"]


def test_an_empty_state_reads_everything(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap), state={"bookmarks": {}}, streams=("orders", "contacts"))
    assert {stream: len(rows) for stream, rows in run.rows.items()} == {
        stream: len(keap.account()[stream]) for stream in ("contacts", "orders")
    }
    assert run.activated == {"orders", "contacts"}


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["contacts", "orders", "payments"])
def test_a_version_outlives_an_interruption(keap: Sandbox, tmp_path: Path, stream: str) -> None:
    path = "/sales/payments" if stream == "payments" else f"/{stream}"
    refuse(keap, f"{path}$", "401", after=1)
    first = run_tap(tmp_path, key_config(keap, page_size=100), streams=(stream,))
    assert first.code == 3
    assert stream not in first.activated
    assert len(first.ids(stream)) == 100
    keap.faults("keap")
    second = run_tap(tmp_path, key_config(keap, page_size=1000), state=first.state, streams=(stream,))
    assert second.code == 0, second.stderr
    assert len(second.ids(stream)) == len(keap.account()[stream]) - 100
    versions = {
        message["version"] for run in (first, second) for message in run.messages if message["type"] == "RECORD"
    }
    activated = [message["version"] for message in second.messages if message["type"] == "ACTIVATE_VERSION"]
    assert versions == set(activated)
    assert len(activated) == 1
    assert second.bookmark(stream)["full_read"] is None


def test_a_row_left_out_before_the_interruption_counts_after_it(keap: Sandbox, tmp_path: Path) -> None:
    order = min(keap.account()["orders"], key=lambda row: int(row["id"]))
    keap.put("orders", {**order, "order_time": "yesterday"})
    refuse(keap, "/orders$", "401", after=1)
    first = run_tap(tmp_path, key_config(keap, page_size=100), streams=("orders",))
    keap.faults("keap")
    second = run_tap(tmp_path, key_config(keap), state=first.state, streams=("orders",))
    assert second.code == 0, second.stderr
    assert not second.activated


def test_a_read_by_time_has_no_version(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap), state={"bookmarks": {"orders": PAST}}, streams=("orders",))
    assert len(run.ids("orders")) == len(keap.account()["orders"])
    assert not run.activated
    assert all("version" not in message for message in run.messages)


# -- orders that share a payment ---------------------------------------------------------------------------------------


def test_orders_that_share_a_payment_wait_in_the_state(keap: Sandbox, tmp_path: Path) -> None:
    streams = ("payments", "order_payments")
    whole = run_tap(tmp_path, key_config(keap), streams=streams)
    expected = sorted(whole.ids("order_payments"))
    assert len({row["order_id"] for row in whole.rows["order_payments"]}) > 1
    shared = sum(bool(path.endswith("/payments") and "/orders/" in path) for path in paths(keap))
    for answered in (0, 1):
        refuse(keap, r"/orders/\d+/payments", "401", after=answered)
        first = run_tap(tmp_path, key_config(keap), streams=streams)
        assert first.code == 3
        waiting = first.bookmark("order_payments")["orders"]
        assert len(waiting) == shared - answered
        assert first.bookmark("payments")["replication_key_value"]
        keap.faults("keap")
        second = run_tap(tmp_path, key_config(keap, lookback_days=0), state=first.state, streams=streams)
        assert second.code == 0, second.stderr
        assert sorted(first.ids("order_payments") + second.ids("order_payments")) == expected
        assert second.bookmark("order_payments")["orders"] is None
        versions = {
            message["version"]
            for run in (first, second)
            for message in run.messages
            if message["type"] == "RECORD" and message["stream"] == "order_payments"
        }
        activated = [m["version"] for m in second.messages if m["type"] == "ACTIVATE_VERSION"]
        assert len(activated) == 1
        assert versions == set(activated)


def test_nothing_waits_for_a_stream_that_is_not_selected(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap), streams=("payments",))
    assert not run.state["bookmarks"].get("order_payments", {}).get("orders")


def test_an_incremental_run_asks_for_pages_of_listings_and_nothing_else(keap: Sandbox, tmp_path: Path) -> None:
    first = run_tap(tmp_path, key_config(keap), streams=tuple(NINE))
    account = keap.account()
    keap.put("orders", {**account["orders"][5], "modification_time": "2026-11-26T00:00:00Z"})
    keap.put("payments", {**account["payments"][5], "update_time": "2026-11-26T00:00:00Z"})
    keap.clear_requests("keap")
    second = run_tap(tmp_path, key_config(keap, lookback_days=0), state=first.state, streams=tuple(NINE))
    assert second.code == 0, second.stderr
    assert account["orders"][5]["id"] in second.ids("orders")
    asked = [path.split("/v2/")[1] for path in paths(keap)]
    assert sorted(asked) == sorted(
        [
            "products",
            "products/-/subscriptions",
            "discounts/freeTrials",
            "contacts",
            "subscriptions",
            "orders",
            "sales/payments",
            "sales/transactions",
        ]
    )


# -- rights ------------------------------------------------------------------------------------------------------------


PATHS = {
    "payments": "/sales/payments$",
    "transactions": "/sales/transactions$",
    "subscription_plans": "/products/-/subscriptions$",
    "free_trial_discounts": "/discounts/freeTrials$",
    "order_payments": r"/orders/\d+/payments$",
    "subscriptions": "/v2/subscriptions$",
}


@pytest.mark.parametrize("stream", NINE)
def test_a_right_that_is_missing_ends_the_run(keap: Sandbox, tmp_path: Path, stream: str) -> None:
    refuse(keap, PATHS.get(stream, f"/{stream}$"), "403")
    run = run_tap(tmp_path, key_config(keap))
    assert run.code == 3, run.last_line
    assert f"Keap refuses {stream} (403)" in run.last_line
    assert "lacks the right to see" in run.last_line
    assert f"or deselect the stream '{stream}'" in run.last_line
    assert set(map(str, markers(run))) == {"None"}
    assert stream not in run.activated
    others = tuple(name for name in [*NINE, "tags"] if name != stream)
    without = run_tap(tmp_path, key_config(keap), streams=others)
    assert without.code == 0, without.stderr
    assert stream not in without.state["keap_read"]["selected"]


def test_a_billing_stream_that_was_offered_must_not_vanish(keap: Sandbox, tmp_path: Path) -> None:
    first = run_tap(tmp_path, key_config(keap), streams=tuple(NINE))
    for path, stream in (("/sales/payments$", "payments"), ("/discounts/freeTrials$", "free_trial_discounts")):
        refuse(keap, path, "404")
        run = run_tap(tmp_path, key_config(keap), state=first.state, streams=tuple(NINE))
        assert run.code == 3
        assert f"Keap no longer offers {stream} (404), which an earlier run read" in run.last_line


@pytest.mark.parametrize("stream", ["products", "subscription_plans", "free_trial_discounts", "transactions"])
def test_an_edition_without_a_stream_counts_as_read_without_it(keap: Sandbox, tmp_path: Path, stream: str) -> None:
    """Otherwise no read of such an account would ever be whole, and nothing would ever be written."""
    refuse(keap, PATHS.get(stream, f"/{stream}$"), "404")
    run = run_tap(tmp_path, key_config(keap), streams=tuple(NINE))
    assert run.code == 0, run.stderr
    assert f"does not offer {stream} (404)" in run.stderr
    others = [name for name in NINE if name != stream]
    assert run.state["keap_read"] == {"selected": others, "complete": others, "start_date": None}


@pytest.mark.parametrize("stream", ["contacts", "subscriptions", "orders", "payments"])
def test_billing_is_never_read_without_its_main_streams(keap: Sandbox, tmp_path: Path, stream: str) -> None:
    refuse(keap, PATHS.get(stream, f"/v2/{stream}$"), "404")
    run = run_tap(tmp_path, key_config(keap), streams=tuple(NINE))
    assert run.code == 3, run.stderr
    assert f"Keap does not offer {stream} (404)" in run.last_line
    assert f"or deselect the stream '{stream}'" in run.last_line
    assert set(map(str, markers(run))) == {"None"}


@pytest.mark.parametrize("kind", ["403", "404"])
def test_other_streams_are_reported_as_lacking(keap: Sandbox, tmp_path: Path, kind: str) -> None:
    first = run_tap(tmp_path, key_config(keap))
    refuse(keap, "/companies$", kind)
    run = run_tap(tmp_path, key_config(keap), state=first.state)
    assert run.code == 0, run.stderr
    assert f"does not offer companies ({kind})" in run.stderr
    assert run.rows["users"]


# -- exit_code_file ----------------------------------------------------------------------------------------------------


def test_the_exit_code_is_written_where_the_setting_says(keap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "code"
    path.write_text("left by an earlier run")
    config = key_config(keap, exit_code_file=str(path))
    assert run_tap(tmp_path, config, streams=("tags",)).code == 0
    assert path.read_text() == "0\n"
    for change, code in (({"api_key": "KeapAK-wrong"}, 3), ({"page_size": 0}, 2), ({"page_sice": 1}, 2)):
        assert run_tap(tmp_path, {**config, **change}, streams=("tags",)).code == code
        assert path.read_text() == f"{code}\n"
    missing = run_tap(tmp_path, config, "--state", str(tmp_path / "none.json"))
    assert (missing.code, path.read_text()) == (2, "2\n")
    environment = {"TAP_KEAP_EXIT_CODE_FILE": str(tmp_path / "other"), "TAP_KEAP_API_KEY": "KeapAK-wrong"}
    url = {"api_url": keap.keap_url}
    assert run_tap(tmp_path, url, "--config", "ENV", environment=environment).code == 3
    assert (tmp_path / "other").read_text() == "3\n"


def test_an_exit_code_file_that_cannot_be_written(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap, exit_code_file=str(tmp_path / "none" / "code")))
    assert run.code == 2
    assert "Setting 'exit_code_file' cannot be written" in run.last_line
    assert not run.messages
