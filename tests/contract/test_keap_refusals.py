"""What Keap refuses, with its statuses and bodies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.support.keap_calls import KeapCalls
from tests.support.sandbox_process import Sandbox


@pytest.fixture
def keap(sandbox: Sandbox) -> Iterator[KeapCalls]:
    sandbox.no_limits()
    calls = KeapCalls(sandbox)
    yield calls
    calls.session.close()


@pytest.mark.parametrize(
    ("headers", "errorcode"),
    [
        ({}, "oauth.v2.InvalidAccessToken"),
        ({"Authorization": "Basic abc"}, "oauth.v2.InvalidAccessToken"),
        ({"Authorization": "Bearer "}, "oauth.v2.InvalidAccessToken"),
        ({"Authorization": "Bearer KeapAK-wrong"}, "keymanagement.service.invalid_access_token"),
        ({"X-Keap-API-Key": "KeapAK-wrong"}, "keymanagement.service.invalid_access_token"),
    ],
)
@pytest.mark.parametrize("path", ["contacts", "no/such/path"])
def test_a_stranger_is_told_nothing(sandbox: Sandbox, headers: dict[str, str], errorcode: str, path: str) -> None:
    answer = requests.get(f"{sandbox.keap_url}/v2/{path}", headers=headers, timeout=20)
    assert answer.status_code == 401
    assert answer.json()["fault"]["detail"]["errorcode"] == errorcode
    assert answer.headers["x-keap-product-quota-limit"] == ""
    assert answer.headers["x-keap-tenant-throttle-available"] == "|"


def test_both_headers_take_a_key(sandbox: Sandbox) -> None:
    for headers in ({"Authorization": f"Bearer {sandbox.keap_api_key}"}, {"X-Keap-API-Key": sandbox.keap_api_key}):
        answer = requests.get(f"{sandbox.keap_url}/v2/contacts?page_size=1", headers=headers, timeout=20)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("contacts", {"page_size": "1001"}, "page_size must be between 0 and 1000"),
        ("contacts", {"page_size": "-1"}, "page_size must be between 0 and 1000"),
        ("contacts", {"page_size": "many"}, "page_size must be a number"),
        ("users", {"page_size": "101"}, "page_size must be between 0 and 100"),
        ("automations", {"page_size": "26"}, "page_size must be between 0 and 25"),
        ("contacts", {"filter": "shoe_size==43"}, "unknown field shoe_size"),
        ("contacts", {"filter": "given_name"}, "Invalid filter"),
        ("contacts", {"filter": "given_name>A"}, "operator > is not allowed for given_name"),
        ("contacts", {"filter": "start_update_time==2026-01-01"}, "must be a date and time"),
        ("contacts", {"filter": "start_update_time==2026-01-01T00:00:00"}, "must be a date and time"),
        ("contacts", {"filter": "start_update_time==2026-02-30T00:00:00Z"}, "not a time that exists"),
        ("contacts", {"filter": "phone_number==1"}, "phone_number needs phone_fields"),
        ("contacts", {"fields": "id,shoe_size"}, "Invalid fields: shoe_size"),
        ("contacts", {"order_by": "shoe_size asc"}, "Invalid order_by"),
        ("contacts", {"order_by": "id upwards"}, "Invalid order_by"),
        ("contacts", {"page_token": "not a token"}, "Invalid page_token"),
        ("orders", {"filter": "paid==perhaps"}, "true or false"),
        ("orders", {"filter": "ids=="}, "ids is empty"),
        ("subscriptions", {"filter": "modification_time>=2026-01-01T00:00:00Z"}, "unknown field modification_time"),
        ("products", {"filter": "active==true"}, "unknown field active"),
        ("contacts/-/tags", {}, "contact_ids is required"),
        ("tags/-/contacts", {"filter": f"tag_ids=={','.join(map(str, range(101)))}"}, "100 values at most"),
    ],
)
def test_parameters_that_make_no_sense(keap: KeapCalls, path: str, query: dict[str, str], message: str) -> None:
    status, said = keap.refusal(path, **query)
    assert status == 400
    assert message in said


def test_unknown_parameters_are_ignored(keap: KeapCalls) -> None:
    assert keap.get("contacts", page_size=1, shoe_size=43).status_code == 200


@pytest.mark.parametrize(
    ("path", "noun"), [("orders/1", "Order"), ("contacts/1", "Contact"), ("subscriptions/x", "Subscription"),
                       ("orders/1/payments", "Order"), ("products/1/subscriptions", "Product"),
                       ("contacts/1/tags", "Contact"), ("tags/1/contacts", "Tag")],
)  # fmt: skip
def test_unknown_ids(keap: KeapCalls, path: str, noun: str) -> None:
    assert keap.refusal(path) == (404, f"Unable to find this {noun}")


@pytest.mark.parametrize("path", ["shoes", "contacts/1/shoes", "sales/payments/17040", "payments"])
def test_unknown_paths_give_a_page(keap: KeapCalls, path: str) -> None:
    answer = keap.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert keap.session.get(f"{keap.sandbox.keap_url}/v1/contacts", timeout=20).status_code == 404


def test_a_request_line_that_is_too_long(keap: KeapCalls) -> None:
    many = ",".join(str(number) for number in range(1_000_000, 1_000_800))
    assert keap.get("orders", filter=f"ids=={many[:5199]}").status_code == 200
    answer = keap.get("orders", filter=f"ids=={many}")
    assert answer.status_code == 414
    assert answer.json()["fault"]["detail"]["errorcode"] == "protocol.http.TooBigLine"


def test_other_methods(keap: KeapCalls) -> None:
    answer = keap.session.delete(f"{keap.sandbox.keap_url}/v2/contacts/1", timeout=20)
    assert (answer.status_code, answer.json()["status"]) == (405, "METHOD_NOT_ALLOWED")


def test_a_get_with_a_body_never_arrives(keap: KeapCalls) -> None:
    answer = keap.session.get(f"{keap.sandbox.keap_url}/v2/contacts", data=b"{}", timeout=20)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
