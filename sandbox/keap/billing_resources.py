"""The listings that billing is made of.

After the OpenAPI document of REST v2 (SDK 2.0.21 to 2.0.26).
"""

from __future__ import annotations

from sandbox.keap.filters import Field, flag, ids, number, one_id, prefix, text
from sandbox.keap.resource import ID, Resource, times


def _address_filters() -> dict[str, Field]:
    names = ("line1", "locality", "region", "postal_code", "country_code")
    return {
        f"{kind}_address_{name}": Field("address", (kind.upper(), name))
        for kind in ("billing", "shipping", "other")
        for name in names
    }


_CONTACT_FIELDS = frozenset(
    {
        "addresses", "anniversary_date", "birth_date", "company", "contact_type", "create_time",
        "custom_fields", "email_addresses", "family_name", "fax_numbers", "given_name", "id",
        "job_title", "leadsource_id", "links", "middle_name", "notes", "origin", "owner_id",
        "phone_numbers", "preferred_locale", "preferred_name", "prefix", "referral_code", "score_value",
        "social_accounts", "source_type", "spouse_name", "suffix", "tag_ids", "time_zone", "update_time",
        "utm_parameters", "website", "account_id", "assistant_name", "assistant_phone",
        "billing_information", "created_by", "groups", "last_updated_by",
    }
)  # fmt: skip
_CONTACT_SPARSE = frozenset(
    {
        "id", "given_name", "family_name", "middle_name", "preferred_name", "prefix", "suffix",
        "contact_type", "source_type", "owner_id", "score_value", "tag_ids",
    }
)  # fmt: skip

BILLING = (
    Resource(
        "contacts", "contacts", "contacts", "Contact",
        filters={
            "email": prefix("email_addresses.email"), "given_name": prefix("given_name"),
            "family_name": prefix("family_name"), "middle_name": prefix("middle_name"),
            "company_id": one_id("company.id"), "contact_ids": ids("id"), "ids": ids("id"),
            "contact_id": one_id("id", compares=True),
            **times("start_update_time", "end_update_time", column="update_time"),
            "phone_number": text("phone_numbers.number", "phone_numbers.number_e164"),
            "phone_fields": ids("phone_numbers.field"), **_address_filters(),
            "city": prefix("addresses.locality"), "state": prefix("addresses.region", "addresses.region_code"),
            "website": prefix("website"), "lead_source_name": prefix("lead_source_name"),
        },
        needs={"phone_number": "phone_fields"},
        orders={
            "id": ID, "create_time": ("create_time", "time"), "email": ("email_addresses.email", "text"),
            "update_time": ("update_time", "time"),
        },
        selectable=True, fields=_CONTACT_FIELDS, sparse=_CONTACT_SPARSE, model="contacts",
    ),
    Resource(
        "products", "products", "products", "Product",
        filters={
            "name": prefix("name"), "sku": prefix("sku"), "description": prefix("description"),
            "short_description": prefix("short_description"), "product_id": one_id("id", compares=True),
            "product_ids": ids("id"),
        },
        orders={"name": ("name", "text"), "sku": ("sku", "text"), "last_updated_time": ("update_time", "time")},
    ),
    Resource(
        "subscription_plans", "products/{product_id}/subscriptions", "subscriptions", "Subscription Plan",
        filters={"active": flag("active"), "cycle_type": text("cycle_type")},
        orders={"id": ID, "product_id": ("product_id", "id")},
    ),
    Resource(
        "free_trial_discounts", "discounts/freeTrials", "discounts", "Free Trial Discount",
        filters={
            "free_trial_days": Field("number", ("free_trial_days",)), "hide_price": flag("hide_price"),
            "subscription_plan_id": one_id("subscription_plan_id"),
        },
        orders={
            "free_trial_days": ("free_trial_days", "number"), "hide_price": ("hide_price", "number"), "id": ID,
            "name": ("name", "text"), "subscription_plan_id": ("subscription_plan_id", "id"),
        },
    ),
    Resource(
        "subscriptions", "subscriptions", "subscriptions", "Subscription",
        filters={
            "contact_id": one_id("contact_id"), "subscription_plan_id": one_id("subscription_plan_id"),
            "status": Field("active", ("active",)), "id": one_id("id", compares=True),
            "billing_amount": number("billing_amount"), "ids": ids("id"),
            "subscription_plan_ids": ids("subscription_plan_id"),
        },
        orders={
            "id": ID, "contact_id": ("contact_id", "id"), "subscription_plan_id": ("subscription_plan_id", "id"),
            "modification_time": ("modification_time", "time"),
        },
        model="subscriptions",
    ),
    Resource(
        "orders", "orders", "orders", "Order",
        filters={
            "id": one_id("id", compares=True), "ids": ids("id"), "product_id": one_id("order_items.product.id"),
            "contact_id": one_id("contact.id"), "invoice_id": one_id("invoice_id"),
            "invoice_xid": text("invoice_xid"), "paid": Field("paid", ("status",)),
            **times("created_since_time", "created_until_time", column="creation_time"),
            **times("modified_since_time", "modified_until_time", column="modification_time"),
            "title": prefix("title"), "order_type": text("order_type"),
            "shipping_locality": text("shipping_information.address.locality"),
            "shipping_region_code": text("shipping_information.address.region_code"),
            "shipping_postal_code": text("shipping_information.address.postal_code"),
            "shipping_country_code": text("shipping_information.address.country_code"),
        },
        orders={
            "id": ID, "order_time": ("order_time", "time"), "modification_time": ("modification_time", "time"),
        },
        model="orders",
    ),
    Resource(
        "order_payments", "orders/{order_id}/payments", "invoice_order_payments", "Order Payment",
        filters={
            "invoice_id": one_id("invoice_id"), "payment_id": one_id("payment_id"),
            "amount": Field("number", ("amount",)), "pay_status": text("pay_status"),
            "skip_commission": flag("skip_commission"),
        },
        orders={
            "invoice_id": ("invoice_id", "id"), "payment_id": ("payment_id", "id"), "amount": ("amount", "number"),
            "pay_time": ("pay_time", "time"), "pay_status": ("pay_status", "text"),
            "skip_commission": ("skip_commission", "number"), "last_updated_time": ("last_updated_time", "time"),
        },
        gettable=False,
    ),
    Resource(
        "payments", "sales/payments", "payments", "Payment",
        filters={
            "id": one_id("id", compares=True), "ids": ids("id"), "amount": number("amount"),
            "order_id": one_id("order_ids"), "order_ids": ids("order_ids"), "contact_id": one_id("contact_id"),
            **times("since_time", "until_time", column="payment_time"),
            "merchant_account_id": one_id("merchant_account_id"),
            "merchant_account_type": text("merchant_account_type"),
        },
        orders={
            "id": ID, "amount": ("amount", "number"), "payment_time": ("payment_time", "time"),
            "contact_id": ("contact_id", "id"),
        },
        gettable=False,
    ),
    Resource(
        "transactions", "sales/transactions", "transactions", "Transaction",
        filters={
            "amount": number("amount"), "order_id": one_id("order_ids"), "contact_id": one_id("contact_id"),
            **times("since_time", "until_time", column="transaction_time"),
            "merchant_account_id": one_id("merchant_account_id"),
            "merchant_account_type": text("merchant_account_type"), "status": text("status"),
            "transaction_method": text("transaction_method"), "is_successful": flag("is_successful"),
        },
        orders={
            "amount": ("amount", "number"), "transaction_time": ("transaction_time", "time"),
            "contact_id": ("contact_id", "id"),
        },
        id_field=None, gettable=False,
    ),
)  # fmt: skip
