"""What people who read Keap ran into: each case as it was reported, with what must come out, and its relatives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.scripted_keap import Reply, scripted
from tests.support.tap_process import discovered, key_config, oauth_config, run_tap

BILLING = ("contacts", "products", "subscriptions", "orders", "payments", "transactions", "order_payments")
ORDER = {"id": "902", "title": "Coaching Membership", "status": "PAID", "order_time": "2026-05-04T12:00:00Z"}


@pytest.fixture
def keap(sandbox: Sandbox) -> Sandbox:
    sandbox.no_limits(["keap"])
    return sandbox


def with_defaults(rows: dict[str, Any]) -> dict[str, Any]:
    return {"contacts": [], "products": [], "subscriptions": [], "orders": [], "payments": [], "transactions": [],
            "order_payments": [], **rows}  # fmt: skip


# -- forbidden-payments ------------------------------------------------------------------------------------------------


def test_forbidden_payments(keap: Sandbox, tmp_path: Path) -> None:
    """An old order is touched while the user of the key has lost the right to see payments; then the right is back."""
    case = json.loads((ROOT / "tests" / "cases" / "forbidden-payments.json").read_text())
    first, second = case["runs"]
    keap.load(with_defaults(first["keap"]))
    keap.clock(first["now"])
    before = run_tap(tmp_path, key_config(keap, now=first["now"]), streams=BILLING)
    assert before.code == 0, before.stderr
    assert before.ids("payments") == ["702"]
    keap.load(with_defaults(second["keap"]))
    keap.clock(second["now"])
    keap.behaviour(refused={"payments": 403})
    for state in (before.state, None):  # the second run, and the same as a first load
        run = run_tap(tmp_path, key_config(keap, now=second["now"]), state=state, streams=BILLING)
        assert run.code == 3
        assert "Keap refuses payments (403): the user of this key lacks the right to see payments." in run.last_line
        assert "deselect the stream 'payments'" in run.last_line
        assert run.ids("orders") == ["902"]
        assert run.state["keap_read"] is None
    keap.behaviour(refused={})
    after = run_tap(tmp_path, key_config(keap, now=second["now"]), state=run.state, streams=BILLING)
    assert after.code == 0, after.stderr
    assert after.ids("payments") == ["702"]
    assert "payments" in after.state["keap_read"]["complete"]


# -- repeated-page-token -----------------------------------------------------------------------------------------------


def repeating(second_page: list[dict[str, Any]]) -> Any:
    """A list whose second page carries its own token again, as a whole URL."""

    def answer(path: str) -> Reply:
        asked = parse_qs(urlsplit(path).query)
        token = f"https://api.infusionsoft.com{urlsplit(path).path}/?page_size=1000&page_token=3"
        return 200, {"orders": second_page if "page_token" in asked else [ORDER], "next_page_token": token}

    return answer


def test_a_token_that_repeats_on_an_empty_page_ends_the_list(tmp_path: Path) -> None:
    with scripted(repeating([])) as keap:
        run = run_tap(tmp_path, keap.config(), streams=("orders",), timeout=30)
        assert len(keap.asked) == 2
    assert run.code == 0, run.stderr
    assert run.ids("orders") == ["902"]
    assert run.activated == {"orders"}


def test_a_token_that_repeats_with_rows_ends_the_run(tmp_path: Path) -> None:
    with scripted(repeating([ORDER])) as keap:
        run = run_tap(tmp_path, keap.config(), streams=("orders",), timeout=30)
        assert len(keap.asked) == 2
    assert run.code == 4
    assert "Keap sent a page token of orders for the second time (page 2 of /v2/orders)" in run.last_line
    assert not run.activated


def test_empty_pages_with_ever_new_tokens_end(tmp_path: Path) -> None:
    def answer(path: str) -> Reply:
        token = int(parse_qs(urlsplit(path).query).get("page_token", ["0"])[0])
        return 200, {"tags": [], "next_page_token": str(token + 1)}

    with scripted(answer) as keap:
        run = run_tap(tmp_path, keap.config(), streams=("tags",), timeout=60)
        assert len(keap.asked) <= 105
    assert run.code == 4
    assert "Keap sent 100 empty pages of tags in a row" in run.last_line


# -- slow-pages --------------------------------------------------------------------------------------------------------


def test_slow_pages(keap: Sandbox, tmp_path: Path) -> None:
    keap.behaviour(slow_above=200)
    streams = ("contacts", "orders", "contact_custom_fields")
    keap.clear_requests("keap")
    run = run_tap(tmp_path, key_config(keap), streams=streams)
    assert run.code == 0, run.stderr
    for stream in ("contacts", "orders"):
        assert set(run.ids(stream)) == {row["id"] for row in keap.account()[stream]}
        said = [
            line for line in run.stderr.splitlines() if f"stream {stream}" in line and "asking for pages of" in line
        ]
        assert [line.split("asking for pages of ")[1].split()[0] for line in said] == ["500", "250", "125"]
    slow = [entry for entry in keap.requests("keap") if entry["status"] == 504 and entry["path"].endswith("/orders")]
    assert len(slow) == 4, "twice 1000, then 500, 250; every later page of 125"


def test_one_slow_page_is_only_asked_for_again(keap: Sandbox, tmp_path: Path) -> None:
    keap.faults("keap", script=[{"match": {"path_regex": "/orders$"}, "kind": "504_html", "times": 1}])
    run = run_tap(tmp_path, key_config(keap), streams=("orders",))
    assert run.code == 0, run.stderr
    assert "asking for pages of" not in run.stderr


@pytest.mark.long
def test_pages_that_stay_slow_name_the_setting(keap: Sandbox, tmp_path: Path) -> None:
    keap.faults("keap", script=[{"match": {"path_regex": "/orders$"}, "kind": "504_html", "times": None}])
    run = run_tap(tmp_path, key_config(keap, page_size=100), streams=("orders",), timeout=200)
    assert run.code == 4
    assert (
        "failed after 8 tries, last with 504. Set a smaller `page_size` or a longer `request_timeout`" in run.last_line
    )
    assert "asking for pages of 50 rows" in run.stderr


def test_answers_that_do_not_come_are_slow_pages_too(keap: Sandbox, tmp_path: Path) -> None:
    keap.faults("keap", script=[{"match": {"path_regex": "/orders$", "query_regex": "page_size=1000"}, "kind": "never",
                                 "times": None}])  # fmt: skip
    run = run_tap(tmp_path, key_config(keap, request_timeout=1), streams=("orders",))
    assert run.code == 0, run.stderr
    assert "ReadTimeout again; asking for pages of 500 rows from here on" in run.stderr
    assert len(run.ids("orders")) == len(keap.account()["orders"])


# -- refused-refresh-once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_refresh_that_is_refused_once(keap: Sandbox, tmp_path: Path, refusals: int) -> None:
    keap.faults("keap", script=[{"match": {"path_regex": "/token"}, "kind": "invalid_grant", "times": refusals}])
    path = tmp_path / "tokens.json"
    run = run_tap(tmp_path, oauth_config(keap, path), streams=("products",))
    assert run.code == 0, run.stderr
    live = {token["value"] for token in keap.tokens() if token["fate"] == "live"}
    pair = json.loads(path.read_text())
    assert {pair["access_token"], pair["refresh_token"]} == live


def test_a_refresh_that_is_refused_three_times(keap: Sandbox, tmp_path: Path) -> None:
    keap.faults("keap", script=[{"match": {"path_regex": "/token"}, "kind": "invalid_grant", "times": 3}])
    run = run_tap(tmp_path, oauth_config(keap, tmp_path / "tokens.json"), streams=("products",))
    assert run.code == 3
    assert "Log in again: tap-keap auth login" in run.last_line
    assert sum(entry["path"].endswith("/token") for entry in keap.requests("keap")) == 3


# -- key-with-newline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}\n", " {}", "\t{} ", "{}\r\n"])
@pytest.mark.parametrize("header", ["authorization", "x-keap-api-key"])
def test_a_key_with_blanks_round_it(keap: Sandbox, tmp_path: Path, around: str, header: str) -> None:
    config = key_config(keap, api_key=around.format(keap.keap_api_key), api_key_header=header)
    run = run_tap(tmp_path, config, streams=("products",))
    assert run.code == 0, run.stderr


def test_a_refresh_token_with_a_line_break(keap: Sandbox, tmp_path: Path) -> None:
    config = oauth_config(keap, tmp_path / "tokens.json")
    config = {name: f"{value}\n" if name in {"client_id", "client_secret", "refresh_token"} else value
              for name, value in config.items()}  # fmt: skip
    run = run_tap(tmp_path, config, streams=("products",))
    assert run.code == 0, run.stderr


@pytest.mark.parametrize("key", ["KeapAK-0000 invented", "KeapAK-0000\ninvented"])
def test_a_key_with_a_blank_in_it(keap: Sandbox, tmp_path: Path, key: str) -> None:
    run = run_tap(tmp_path, key_config(keap, api_key=key))
    assert run.code == 2
    assert "Setting 'api_key' contains a blank, a line break" in run.last_line
    assert "invented" not in run.stderr
    assert not run.messages


# -- fields-refused ----------------------------------------------------------------------------------------------------


def test_fields_that_are_refused(keap: Sandbox, tmp_path: Path) -> None:
    keap.behaviour(fields_parameter="refused")
    run = run_tap(tmp_path, key_config(keap))
    assert run.code == 0, run.stderr
    for stream in ("contacts", "companies", "notes", "tasks", "opportunities", "orders"):
        assert len(run.ids(stream)) == len(keap.account()[stream])
    said = [line for line in run.stderr.splitlines() if "refuses the list of fields of contacts" in line]
    assert len(said) == 1
    assert " email_addresses" in said[0]
    assert " given_name" not in said[0]
    again = run_tap(tmp_path, key_config(keap), state=run.state, streams=("contacts",))
    assert again.code == 0, again.stderr
    assert again.bookmark("contacts") == run.bookmark("contacts")


def test_large_pages_that_are_refused(keap: Sandbox, tmp_path: Path) -> None:
    keap.behaviour(largest_page=200, fields_parameter="refused")
    run = run_tap(tmp_path, key_config(keap), streams=("contacts", "orders"))
    assert run.code == 0, run.stderr
    for stream in ("contacts", "orders"):
        assert set(run.ids(stream)) == {row["id"] for row in keap.account()[stream]}
        said = f"refuses pages of 1000 rows of {stream}; reading pages of 100. Set a smaller `page_size`"
        assert run.stderr.count(said) == 1
    assert "refuses the list of fields of contacts" in run.stderr


def test_the_reported_answer_to_fields(tmp_path: Path) -> None:
    def answer(path: str) -> Reply:
        if "fields=" in path:
            return 400, {"code": 400, "message": "Invalid field", "status": "INVALID_ARGUMENT", "details": []}
        row = {"id": "1207", "given_name": "Mara", "family_name": "Quill"}
        return 200, {"contacts": [row], "next_page_token": ""}

    with scripted(answer) as keap:
        run = run_tap(tmp_path, keap.config(), streams=("contacts",))
    assert run.code == 0, run.stderr
    assert run.rows["contacts"] == [{"id": "1207", "given_name": "Mara", "family_name": "Quill"}]
    missing = run.stderr.split("Missing in its first page: ")[1].split(".\n")[0].split(", ")
    known = next(entry for entry in json.loads(discovered())["streams"] if entry["stream"] == "contacts")
    assert set(missing) == set(known["schema"]["properties"]) - {"id", "given_name", "family_name"}


# -- account and contact tags ------------------------------------------------------------------------------------------


def test_the_account_is_one_row(keap: Sandbox, tmp_path: Path) -> None:
    run = run_tap(tmp_path, key_config(keap), streams=("account",))
    assert run.code == 0, run.stderr
    (row,) = run.rows["account"]
    assert (row["id"], row["currency_code"], row["time_zone"]) == ("account", "USD", "UTC")
    assert {"Credit Card", "Write Off"} <= set(row["payment_types"])
    assert (row["default_country"], row["tax_label"]) == ("United States", "Sales Tax")
    again = run_tap(tmp_path, key_config(keap), state=run.state, streams=("account",))
    assert again.state == run.state


@pytest.mark.parametrize(
    ("refused", "currency", "payment_types"),
    [({"business_profile": 403}, "USD", True), ({"configuration": 404}, "USD", False)],
)
def test_half_of_the_account(
    keap: Sandbox, tmp_path: Path, refused: dict[str, int], currency: str, *, payment_types: bool
) -> None:
    keap.behaviour(refused=refused)
    run = run_tap(tmp_path, key_config(keap), streams=("account",))
    assert run.code == 0, run.stderr
    (row,) = run.rows["account"]
    assert row["currency_code"] == currency
    assert bool(row["payment_types"]) == payment_types


def test_an_account_that_says_nothing_of_itself(keap: Sandbox, tmp_path: Path) -> None:
    keap.behaviour(refused={"business_profile": 403, "configuration": 403})
    run = run_tap(tmp_path, key_config(keap), streams=("account", "tags"))
    assert run.code == 0, run.stderr
    assert "does not offer account" in run.stderr


def pairs(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((row["tag_id"], row["contact_id"], row["applied_time"]) for row in rows)


def test_contacts_of_many_tags_at_once_and_tag_by_tag(keap: Sandbox, tmp_path: Path) -> None:
    keap.clear_requests("keap")
    together = run_tap(tmp_path, key_config(keap), streams=("contact_tags",))
    assert together.code == 0, together.stderr
    paths = [entry["path"].split("/v2/")[1] for entry in keap.requests("keap")]
    assert paths == ["tags", "tags/-/contacts"]
    for status in (404, 403):
        keap.behaviour(refused={"contacts_of_tags": status})
        singly = run_tap(tmp_path, key_config(keap), streams=("contact_tags",))
        assert singly.code == 0, singly.stderr
        assert pairs(singly.rows["contact_tags"]) == pairs(together.rows["contact_tags"])
    assert "contact_tags" in together.activated & singly.activated


def test_more_tags_than_one_request_takes(keap: Sandbox, tmp_path: Path) -> None:
    contact = keap.account()["contacts"][0]
    ids = [str(number) for number in range(5000, 5250)]
    keap.put("tags", *({"id": each, "name": f"Tag {each}", "create_time": "2026-01-01T00:00:00Z"} for each in ids))
    keap.put("contacts", {**contact, "tag_ids": ids})
    keap.clear_requests("keap")
    run = run_tap(tmp_path, key_config(keap), streams=("contact_tags",))
    assert run.code == 0, run.stderr
    found = {row["tag_id"] for row in run.rows["contact_tags"] if row["contact_id"] == contact["id"]}
    assert found == set(ids)
    assert sum(entry["path"].endswith("tags/-/contacts") for entry in keap.requests("keap")) == 3
