"""The official Python SDK lists and parses every resource that the tap uses, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keap_core_v2_client as keap
import pytest
from pydantic import BaseModel

from sandbox.questions import KEAP
from tests.support.sandbox_process import Sandbox

FORMS = (
    "billing-amount-unit", "discount-form", "inactive-subscriptions-listed", "item-types", "order-modified-by-payment",
    "originating-order-link", "payment-types", "refund-form", "transaction-duplicates", "void-form",
)  # fmt: skip

CONTACT_FIELDS = ["id", "email_addresses", "addresses", "company", "custom_fields", "create_time"]
COMPANY_FIELDS = ["id", "company_name", "address", "email_address", "phone_number", "update_time"]

# api class, method, arguments, envelope attribute, stream of the account
LISTINGS = [
    ("ContactApi", "list_contacts", {"fields": CONTACT_FIELDS},
     "contacts", "contacts"),
    ("CompanyApi", "list_companies", {"fields": COMPANY_FIELDS},
     "companies", "companies"),
    ("ProductsApi", "list_products", {}, "products", "products"),
    ("SubscriptionPlansApi", "list_subscription_plans", {"product_id": "-"}, "subscriptions", "subscription_plans"),
    ("FreeTrialDiscountsApi", "list_free_trial_discounts", {}, "discounts", "free_trial_discounts"),
    ("SubscriptionsApi", "list_subscriptions", {}, "subscriptions", "subscriptions"),
    ("OrdersApi", "list_orders", {}, "orders", "orders"),
    ("SalesApi", "list_payments", {}, "payments", "payments"),
    ("SalesApi", "list_transactions", {}, "transactions", "transactions"),
    ("TagsApi", "list_tags", {}, "tags", "tags"),
    ("TagsApi", "list_tag_categories", {}, "tag_categories", "tag_categories"),
    ("NoteApi", "list_all_notes", {"fields": ["custom_fields"]}, "notes", "notes"),
    ("TaskApi", "list_tasks", {"fields": ["custom_fields"]}, "tasks", "tasks"),
    ("OpportunityApi", "list_opportunities", {"fields": ["custom_fields", "created_by"]},
     "opportunities", "opportunities"),
    ("AffiliateApi", "list_affiliate", {}, "affiliates", "affiliates"),
    ("UsersApi", "list_paginated_users", {}, "users", "users"),
    ("CampaignApi", "list_campaigns", {}, "campaigns", "campaigns"),
    ("AutomationApi", "list_automations", {}, "automations", "automations"),
    ("EmailApi", "list_emails", {}, "emails", "emails"),
    ("LeadSourcesApi", "list_lead_sources", {}, "lead_sources", "lead_sources"),
    ("ProductCategoriesApi", "list_product_categories", {}, "product_categories", "product_categories"),
    ("PaymentMethodsApi", "list_payment_methods", {}, "payment_methods", "payment_methods"),
    ("ProductDiscountsApi", "list_product_discounts", {}, "discounts", "product_discounts"),
    ("OrderTotalDiscountsApi", "list_order_total_discounts", {}, "discounts", "order_total_discounts"),
    ("CategoryDiscountsApi", "list_category_discounts", {}, "discounts", "category_discounts"),
    ("ShippingDiscountsApi", "list_shipping_discounts", {}, "discounts", "shipping_discounts"),
    ("MerchantsApi", "list_merchants", {}, "merchant_accounts", "merchants"),
]  # fmt: skip

# Small ones, to turn pages; 100 and 25 are the most that users and automations take.
PAGE_SIZES = {"tags": 2, "emails": 7, "tasks": 7, "transactions": 400, "users": 100, "automations": 25}

SINGLES = [
    ("ContactApi", "get_contact", "contact_id", "contacts"),
    ("CompanyApi", "get_company", "company_id", "companies"),
    ("ProductsApi", "get_product", "product_id", "products"),
    ("SubscriptionsApi", "get_subscription", "subscription_id", "subscriptions"),
    ("OrdersApi", "get_order", "order_id", "orders"),
    ("TagsApi", "get_tag", "tag_id", "tags"),
    ("TaskApi", "get_task", "task_id", "tasks"),
    ("OpportunityApi", "get_opportunity", "opportunity_id", "opportunities"),
    ("AffiliateApi", "get_affiliate", "id", "affiliates"),
    ("CampaignApi", "get_campaign", "campaign_id", "campaigns"),
    ("AutomationApi", "get_automation", "automation_id", "automations"),
    ("EmailApi", "get_email", "id", "emails"),
    ("LeadSourcesApi", "get_lead_source", "lead_source_id", "lead_sources"),
    ("ProductCategoriesApi", "get_product_category", "category_id", "product_categories"),
    ("FreeTrialDiscountsApi", "get_free_trial_discount", "discount_id", "free_trial_discounts"),
    ("UsersApi", "get_user_by_id", "user_id", "users"),
]


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[keap.ApiClient]:
    sandbox.no_limits()
    host = sandbox.keap_url.removesuffix("/rest")
    configuration = keap.Configuration(host=host, access_token=sandbox.keap_api_key)
    with keap.ApiClient(configuration) as api_client:
        yield api_client


def unknown_fields(value: Any, where: str = "") -> list[str]:
    """Return the paths of all fields that the SDK's models do not know."""
    if isinstance(value, list):
        return [path for item in value for path in unknown_fields(item, where)]
    if not isinstance(value, BaseModel):
        return []
    found = [f"{where}.{name}" for name in getattr(value, "additional_properties", None) or {}]
    for name in type(value).model_fields:
        if name != "additional_properties":
            found += unknown_fields(getattr(value, name), f"{where}.{name}")
    return found


@pytest.mark.parametrize(
    ("api", "method", "arguments", "envelope", "stream"), LISTINGS, ids=[listing[4] for listing in LISTINGS]
)
def test_a_listing_is_parsed_whole(
    sandbox: Sandbox,
    client: keap.ApiClient,
    api: str,
    method: str,
    arguments: dict[str, Any],
    envelope: str,
    stream: str,
) -> None:
    call = getattr(getattr(keap, api)(client), method)
    rows: list[Any] = []
    token = None
    while True:
        page = call(**arguments, page_size=PAGE_SIZES.get(stream, 1000), page_token=token)
        rows += getattr(page, envelope)
        token = page.next_page_token
        if not token:
            break

    held = sandbox.account()[stream]
    assert len(rows) == len(held) > 0
    assert unknown_fields(rows) == []
    if stream == "transactions":
        return
    id_field = "payment_method_id" if stream == "payment_methods" else "id"
    assert {str(getattr(row, id_field)) for row in rows} == {row[id_field] for row in held}


@pytest.mark.parametrize(("api", "method", "argument", "stream"), SINGLES, ids=[single[3] for single in SINGLES])
def test_one_row_is_parsed_by_its_id(
    sandbox: Sandbox, client: keap.ApiClient, api: str, method: str, argument: str, stream: str
) -> None:
    wanted = sandbox.account()[stream][0]["id"]
    row = getattr(getattr(keap, api)(client), method)(**{argument: wanted})
    assert str(row.id) == wanted
    assert unknown_fields(row) == []


def test_payments_of_an_order(sandbox: Sandbox, client: keap.ApiClient) -> None:
    share = sandbox.account()["order_payments"][0]
    order = next(row for row in sandbox.account()["orders"] if row["invoice_id"] == share["invoice_id"])
    page = keap.OrdersApi(client).list_order_payments(order["id"], page_size=1000)
    assert share["payment_id"] in {row.payment_id for row in page.invoice_order_payments}
    assert unknown_fields(page) == []


def test_tags_of_a_contact_and_contacts_of_a_tag(sandbox: Sandbox, client: keap.ApiClient) -> None:
    tagged = next(row for row in sandbox.account()["contacts"] if row["tag_ids"])
    of_contact = keap.ContactApi(client).list_tags_for_contact(tagged["id"])
    assert {row.tag.id for row in of_contact.tags} == set(tagged["tag_ids"])
    assert unknown_fields(of_contact) == []
    of_tag = keap.TagsApi(client).list_contacts_with_tag_id(tagged["tag_ids"][0], page_size=1000)
    assert tagged["id"] in {row.id for row in of_tag.contacts}
    assert unknown_fields(of_tag) == []
    many = keap.ContactApi(client).list_tags_across_contacts(filter=f"contact_ids=={tagged['id']}")
    assert {(row.contact_id, row.tag_id) for row in many.tags} == {(tagged["id"], tag) for tag in tagged["tag_ids"]}
    assert unknown_fields(many) == []
    across = keap.TagsApi(client).list_contacts_across_tags(filter=f"tag_ids=={tagged['tag_ids'][0]}", page_size=1000)
    assert len(across.contacts) == len(of_tag.contacts)
    assert unknown_fields(across) == []


@pytest.mark.parametrize(
    ("api", "method"),
    [
        ("ContactApi", "retrieve_contact_model"),
        ("OrdersApi", "retrieve_order_custom_field_model"),
        ("SubscriptionsApi", "retrieve_subscription_custom_field_model"),
    ],
)
def test_custom_field_models(client: keap.ApiClient, api: str, method: str) -> None:
    model = getattr(getattr(keap, api)(client), method)()
    assert [field.field_name for field in model.custom_fields]
    assert unknown_fields(model) == []


def test_profile_configuration_and_user(client: keap.ApiClient) -> None:
    user = keap.UsersApi(client).get_user_info()
    profile = keap.BusinessProfileApi(client).get_business_profile()
    configuration = keap.SettingsApi(client).get_application_configurations()
    assert (user.tenant_id, profile.currency_code, configuration.ecommerce.currency) == ("ab103", "USD", "USD")
    assert (profile.time_zone, configuration.application.time_zone) == ("UTC", "UTC")
    assert "Credit Card" in configuration.ecommerce.payment_types
    assert [unknown_fields(answer) for answer in (user, profile, configuration)] == [[], [], []]


def test_streams_that_may_not_be_seen_or_are_not_offered(sandbox: Sandbox, client: keap.ApiClient) -> None:
    sandbox.behaviour(refused={"payments": 403, "contacts_of_tags": 404})
    with pytest.raises(keap.exceptions.ForbiddenException, match="You do not have permission"):
        keap.SalesApi(client).list_payments()
    with pytest.raises(keap.exceptions.NotFoundException):
        keap.TagsApi(client).list_contacts_across_tags(filter="tag_ids==101")
    assert keap.SalesApi(client).list_transactions(page_size=1).transactions


@pytest.mark.parametrize("question", FORMS)
def test_other_answers_are_parsed_too(sandbox: Sandbox, client: keap.ApiClient, question: str) -> None:
    """The SDK takes every form of an answer, but for an item type that it does not know."""
    for answer in KEAP[question]:
        if answer == "undocumented":
            continue
        sandbox.answers({question: answer})
        sandbox.no_limits()
        listed = [
            keap.OrdersApi(client).list_orders(page_size=100).orders,
            keap.SubscriptionsApi(client).list_subscriptions(page_size=100).subscriptions,
            keap.SalesApi(client).list_payments(page_size=100).payments,
            keap.SalesApi(client).list_transactions(page_size=100).transactions,
        ]
        assert all(listed)
        assert unknown_fields(listed) == []


def test_a_list_of_fields_that_is_refused(sandbox: Sandbox, client: keap.ApiClient) -> None:
    sandbox.behaviour(fields_parameter="refused")
    with pytest.raises(keap.exceptions.BadRequestException, match="Invalid field"):
        keap.ContactApi(client).list_contacts(fields=CONTACT_FIELDS)
    assert keap.ContactApi(client).list_contacts(page_size=1).contacts[0].id


def test_subscriptions_are_created_changed_and_stopped(sandbox: Sandbox, client: keap.ApiClient) -> None:
    api = keap.SubscriptionsApi(client)
    guest = next(row for row in sandbox.account()["contacts"] if row["contact_type"] == "Lead")
    wanted = keap.CreateSubscriptionRequest(contact_id=guest["id"], subscription_plan_id="7")
    made = api.create_subscription(wanted)
    assert (made.contact_id, made.billing_cycle, made.billing_amount, made.active) == (guest["id"], "MONTH", 49.0, True)
    changed = api.update_subscription(made.id, keap.UpdateSubscriptionRequest(quantity=3), update_mask=["quantity"])
    assert changed.quantity == 3
    with pytest.raises(keap.exceptions.ConflictException):
        api.create_subscription(wanted)
    api.cancel_subscription(made.id, keap.CancelSubscriptionRequest(reason="Too expensive"))
    stopped = api.get_subscription(made.id)
    assert (stopped.active, stopped.reason_stopped, stopped.end_date) == (False, "Too expensive", None)


def test_a_date_in_the_past_is_refused(sandbox: Sandbox, client: keap.ApiClient) -> None:
    held = sandbox.account()["subscriptions"][0]
    change = keap.UpdateSubscriptionRequest(end_date="2026-11-19")
    with pytest.raises(keap.exceptions.BadRequestException, match="must not be in the past"):
        keap.SubscriptionsApi(client).update_subscription(held["id"], change)
    later = keap.UpdateSubscriptionRequest(end_date="2026-11-20")
    assert str(keap.SubscriptionsApi(client).update_subscription(held["id"], later).end_date) == "2026-11-20"
