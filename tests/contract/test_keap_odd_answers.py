"""Answers of Keap that are odd, and answers that it may give instead of the assumed ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox import credentials
from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import Sandbox


@pytest.fixture
def keap(sandbox: Sandbox) -> Iterator[KeapCalls]:
    sandbox.no_limits()
    calls = KeapCalls(sandbox)
    yield calls
    calls.session.close()


def odd(keap: KeapCalls, kind: str, path: str = "", **step: Any) -> None:
    keap.sandbox.odd("keap", kind, path, **step)


def get(keap: KeapCalls, path: str, **query: Any) -> requests.Response:
    address = f"{keap.sandbox.keap_url}/v2/{path}"
    return keap.session.get(address, params=query, timeout=10, allow_redirects=False)


PATHS = {
    "payments": "sales/payments", "orders": "orders", "contacts_of_tags": "tags/-/contacts", "contacts": "contacts",
    "business_profile": "businessProfile", "configuration": "settings/applications:getConfiguration",
    "tagged_contacts": "tags/101/contacts", "subscription_plans": "products/-/subscriptions",
}  # fmt: skip


@pytest.mark.parametrize(("stream", "path"), PATHS.items())
def test_a_stream_that_may_not_be_seen_or_is_not_offered(keap: KeapCalls, stream: str, path: str) -> None:
    query = {"filter": "tag_ids==101"} if stream == "contacts_of_tags" else {}
    assert get(keap, path, **query).status_code == 200
    keap.sandbox.behaviour(refused={stream: 403})
    answer = get(keap, path, **query)
    assert (answer.status_code, answer.json()["status"]) == (403, "FORBIDDEN")
    assert get(keap, "products").status_code == 200
    keap.sandbox.behaviour(refused={stream: 404})
    answer = get(keap, path, **query)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, "text/html")
    keap.sandbox.behaviour(refused={})
    assert get(keap, path, **query).status_code == 200


def test_one_row_of_a_stream_that_may_not_be_seen(keap: KeapCalls) -> None:
    keap.sandbox.behaviour(refused={"orders": 403})
    assert get(keap, "orders/102").status_code == 403
    for refused in ({"shoes": 403}, {"orders": 500}):
        with pytest.raises(RuntimeError, match=": 400 "):
            keap.sandbox.behaviour(refused=refused)


def test_page_tokens_that_lead_nowhere(keap: KeapCalls) -> None:
    odd(keap, "repeated_token", "orders")
    first = get(keap, "orders", page_size=1).json()
    again = get(keap, "orders", page_size=1, page_token="3").json()
    assert (first, first["next_page_token"]) == (again, "3")
    odd(keap, "repeated_token_empty", "orders")
    assert get(keap, "orders", page_size=1, page_token="3").json() == {"orders": [], "next_page_token": "3"}
    odd(keap, "alternating_tokens", "orders")
    tokens = [get(keap, "orders", page_token=token).json()["next_page_token"] for token in (None, "a", "b", "a")]
    assert tokens == ["a", "b", "a", "b"]
    odd(keap, "token_number", "orders")
    assert get(keap, "orders").json()["next_page_token"] == 3


def test_pages_that_time_out_above_a_size(keap: KeapCalls) -> None:
    keap.sandbox.behaviour(slow_above=200)
    slow = get(keap, "orders", page_size=201)
    assert (slow.status_code, slow.headers["content-type"].partition(";")[0]) == (504, "text/html")
    fast = get(keap, "orders", page_size=200).json()
    assert len(fast["orders"]) == 200
    followed = get(keap, "orders", page_size=50, page_token=fast["next_page_token"]).json()["orders"]
    assert len(followed) == 50, "a token may be followed with another size"
    assert fast["orders"][-1]["id"] != followed[0]["id"]


def test_pages_that_may_not_be_so_large(keap: KeapCalls) -> None:
    keap.sandbox.behaviour(largest_page=200)
    assert keap.refusal("orders", page_size=201) == (400, "page_size must be between 0 and 200")
    assert keap.get("orders", page_size=200).status_code == 200


def test_a_list_of_fields_that_is_refused(keap: KeapCalls) -> None:
    keap.sandbox.behaviour(fields_parameter="refused")
    assert keap.refusal("contacts", fields="id,addresses")[0] == 400
    assert "addresses" not in keap.get("contacts").json()["contacts"][0]


@pytest.mark.parametrize("times", [1, 3])
def test_a_refresh_that_is_refused_some_times(keap: KeapCalls, times: int) -> None:
    odd(keap, "invalid_grant", "/token$", times=times)
    form = {"grant_type": "refresh_token", "refresh_token": credentials.KEAP_REFRESH_TOKEN}
    client = (credentials.KEAP_CLIENT_ID, credentials.KEAP_CLIENT_SECRET)
    answers = [keap.token(form, auth=client) for _ in range(times + 1)]
    assert [answer.status_code for answer in answers] == [400] * times + [200]
    assert answers[0].json() == {"error": "invalid_grant"}


def test_tokens_that_are_numbers(keap: KeapCalls) -> None:
    odd(keap, "token_numbers", "/token$")
    form = {"grant_type": "refresh_token", "refresh_token": credentials.KEAP_REFRESH_TOKEN}
    answer = keap.token(form, auth=(credentials.KEAP_CLIENT_ID, credentials.KEAP_CLIENT_SECRET)).json()
    assert (answer["access_token"], answer["refresh_token"], answer["expires_in"]) == (7, 7, "soon")


def test_every_form_of_429(keap: KeapCalls) -> None:
    forms = {}
    for kind in ("429", "429_minute", "429_day"):
        odd(keap, kind)
        answer = get(keap, "tags")
        forms[kind] = json.dumps(answer.json())
        assert (answer.status_code, "retry-after" in answer.headers) == (429, False)
        minute = answer.headers["x-keap-product-throttle-available"]
        assert (minute == "0") == (kind == "429_minute")
    assert "SpikeArrestViolation" in forms["429"]
    assert "QuotaViolation" in forms["429_minute"]
    assert '"code": "429"' in forms["429_day"]
    for kind, retry_after in (
        ("429_second", "1"), ("429_year", "31536000"), ("429_date", "Wed, 24 Nov 2027 08:00:00 GMT"),
        ("429_odd", "\xb2"), ("429_empty", None), ("429_html", None),
    ):  # fmt: skip
        odd(keap, kind)
        answer = get(keap, "tags")
        assert (answer.status_code, answer.headers.get("retry-after")) == (429, retry_after)


def test_quota_headers(keap: KeapCalls) -> None:
    name = "x-keap-product-quota-expiry-time"
    for shown, value in (("absent", None), ("odd", "99999999999999999999")):
        keap.sandbox.limits("keap", headers=shown)
        answer = get(keap, "tags")
        assert (answer.status_code, answer.headers.get(name)) == (200, value)
    keap.sandbox.limits("keap")
    odd(keap, "odd_quota_headers")
    assert get(keap, "tags").headers["x-keap-product-throttle-available"] == "\xb2"


def test_rows_that_are_odd(keap: KeapCalls) -> None:
    first = get(keap, "contacts", page_size=1000).json()["contacts"]
    odd(keap, "nan_row", "contacts")
    rows = json.loads(get(keap, "contacts", page_size=1000).content)["contacts"]
    assert rows[0]["score_value"] != rows[0]["score_value"]
    assert rows[1:] == first[1:]
    odd(keap, "half_character_row", "contacts")
    rows = get(keap, "contacts", page_size=1000).json()["contacts"]
    assert rows[0]["given_name"] == "\ud83d"
    assert rows[1:] == first[1:]
    odd(keap, "null_row", "contacts")
    assert get(keap, "contacts").json()["contacts"][0] is None
    odd(keap, "amount_text", "sales/payments")
    assert isinstance(get(keap, "sales/payments").json()["payments"][0]["amount"], str)
    odd(keap, "deep_row", "contacts")
    assert b"[" * 1000 in get(keap, "contacts").content


def test_answers_that_cannot_be_read(keap: KeapCalls) -> None:
    odd(keap, "bad_gzip", "orders")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        get(keap, "orders")
    odd(keap, "not_utf8", "orders")
    with pytest.raises(UnicodeDecodeError):
        get(keap, "orders").content.decode()
    odd(keap, "gzip_bomb", "orders")
    answer = get(keap, "orders", page_size=1)
    assert int(answer.headers["content-length"]) < 1 << 20
    assert len(answer.content) > 64 << 20
    odd(keap, "redirect", "orders")
    assert (get(keap, "orders").status_code, get(keap, "orders").headers["location"]) == (302, "/elsewhere")


def test_a_part_of_a_query_chooses_what_fails(keap: KeapCalls) -> None:
    odd(keap, "500", "orders", query="page_size=[3-9]\\d\\d|page_token")
    assert [get(keap, "orders", page_size=size).status_code for size in (200, 300)] == [200, 500]


def rows(keap: KeapCalls, path: str, key: str, **behaviour: Any) -> list[dict[str, Any]]:
    keap.sandbox.behaviour(**behaviour)
    return keap.rows(path, key, page_size=1000)


def test_subscriptions_in_other_forms(keap: KeapCalls) -> None:
    before = rows(keap, "subscriptions", "subscriptions")
    hidden = rows(keap, "subscriptions", "subscriptions", inactive_listed=False)
    assert {row["active"] for row in before} == {True, False}
    assert hidden == [row for row in before if row["active"]]
    assert len(keap.rows("subscriptions", "subscriptions", filter="status==Inactive", page_size=1000)) > 0
    minor = rows(keap, "subscriptions", "subscriptions", inactive_listed=True, billing_amount="minor")
    assert [row["billing_amount"] for row in minor] == [round(row["billing_amount"] * 100) for row in before]


def test_orders_in_other_forms(keap: KeapCalls) -> None:
    def discounts(form: str) -> list[tuple[Any, ...]]:
        found = [item for row in rows(keap, "orders", "orders", discount_form=form) for item in row["order_items"]]
        return [
            ((item["discount"] or {}).get("amount"), item["price_per_unit"]["amount"], bool(item["special"]))
            for item in found
            if item["item_type"] == "DISCOUNT_ORDER_TOTAL"
        ]

    by_discount = discounts("discount")
    assert all(amount > 0 and price == 0 and not special for amount, price, special in by_discount)
    assert [-price for _, price, _ in discounts("negative_price")] == [amount for amount, _, _ in by_discount]
    assert set(discounts("special")) == {(0, 0, True)}
    others = rows(keap, "orders", "orders", discount_form="mixed", item_types="undocumented")
    assert "SURCHARGE" in {item["item_type"] for row in others for item in row["order_items"]}
    still = rows(keap, "orders", "orders", item_types="documented", order_modification="stays")
    assert all(row["modification_time"] == row["creation_time"] for row in still)


def test_payments_in_other_forms(keap: KeapCalls) -> None:
    mixed = rows(keap, "sales/payments", "payments")
    assert {row["amount"] < 0 for row in mixed if row["type"] != "Refund"} == {True, False}
    negative = rows(keap, "sales/payments", "payments", refund_form="negative")
    assert "Refund" not in {row["type"] for row in negative}
    typed = rows(keap, "sales/payments", "payments", refund_form="type")
    assert min(row["amount"] for row in typed) >= 0
    back = {row["id"] for row in typed if row["type"] == "Refund"}
    assert back == {row["id"] for row in negative if row["amount"] < 0}
    linked = rows(keap, "sales/payments", "payments", refund_form="reference")
    assert {row["type"] for row in linked if row["id"] in back} == {"Credit Card"}
    codes = rows(keap, "sales/payments", "payments", refund_form="mixed", payment_types="codes")
    assert {row["type"] for row in codes} == {row["type"].upper().replace(" ", "_") for row in mixed}


def test_voids_and_transactions_in_other_forms(keap: KeapCalls) -> None:
    plain, paid = rows(keap, "sales/transactions", "transactions"), rows(keap, "sales/payments", "payments")
    voided = {row["payment_id"] for row in plain if row["transaction_method"] == "VOID"}
    assert rows(keap, "sales/payments", "payments", void_form="order_payment") == paid
    assert {row["id"] for row in paid} >= voided != set()
    order = next(row["order_ids"][0] for row in paid if row["id"] in voided)
    shares = keap.rows(f"orders/{order}/payments", "invoice_order_payments")
    assert {row["pay_status"] for row in shares} == {"VOIDED"}
    methods = {row["transaction_method"] for row in keap.rows("sales/transactions", "transactions", page_size=1000)}
    assert "VOID" not in methods
    gone = rows(keap, "sales/payments", "payments", void_form="gone")
    assert {row["id"] for row in paid} - {row["id"] for row in gone} == voided
    twice = rows(keap, "sales/transactions", "transactions", void_form="transaction", transaction_rows="twice")
    assert len(twice) == 2 * len(plain)
    keap.sandbox.reset()
    keap.sandbox.no_limits()
    assert keap.rows("sales/transactions", "transactions", page_size=1000) == plain


def test_fields_that_nobody_knows_are_missing_or_unset(keap: KeapCalls) -> None:
    assert rows(keap, "tags", "tags", unknown_fields=True)[0]["renewal_score"] == 7
    held = rows(keap, "subscriptions", "subscriptions", unknown_fields=False, young_fields=False)[0]
    assert "modification_time" not in held
    assert keap.get("sales/payments").status_code == 200
    zero = rows(keap, "subscriptions", "subscriptions", young_fields=True, null_style="zero")
    assert "0" in {row["subscription_plan_id"] for row in zero}
    assert None in {row["end_date"] for row in zero}


def test_the_profile_and_the_configuration(keap: KeapCalls) -> None:
    profile = keap.get("businessProfile").json()
    configuration = keap.get("settings/applications:getConfiguration").json()
    assert (profile["currency_code"], profile["time_zone"]) == ("USD", "UTC")
    assert (configuration["ecommerce"]["currency"], configuration["application"]["time_zone"]) == ("USD", "UTC")
    assert "Write Off" in configuration["ecommerce"]["payment_types"].split(",")
