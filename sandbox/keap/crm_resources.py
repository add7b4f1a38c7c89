"""The listings besides billing: companies, tags, notes, tasks, opportunities and the like.

After the OpenAPI document of REST v2 (SDK 2.0.21 to 2.0.26).
"""

from __future__ import annotations

from sandbox.keap.filters import Field, flag, ids, number, one_id, prefix, text
from sandbox.keap.resource import ID, Resource, times

NAME = ("name", "text")

PEOPLE = (
    Resource(
        "companies", "companies", "companies", "Company",
        filters={
            "company_name": text("company_name"), "name": prefix("company_name"), "email": text("email_address.email"),
            "city": prefix("address.locality"), "state": prefix("address.region", "address.region_code"),
            **times("since_time", "until_time", column="update_time"), "company_id": one_id("id", compares=True),
        },
        orders={
            "id": ID, "create_time": ("create_time", "time"), "name": ("company_name", "text"),
            "email": ("email_address.email", "text"),
        },
        selectable=True, sparse=frozenset({"id", "company_name", "website"}),
    ),
    Resource(
        "users", "users", "users", "User", max_page_size=100,
        filters={
            "email": text("email_addresses.email"), "given_name": text("given_name"),
            "include_inactive": Field("ignored", ()), "include_partners": Field("ignored", ()),
            "user_ids": ids("id"),
        },
        orders={"create_time": ("create_time", "time"), "email": ("email_addresses.email", "text"),
                "name": ("family_name", "text")},
    ),
    Resource(
        "affiliates", "affiliates", "affiliates", "Affiliate",
        filters={
            "id": one_id("id", compares=True), "name": prefix("name"), "contact_id": one_id("contact_id"),
            "referral_contact_id": one_id("referral_contact_id"), "status": text("status"), "code": text("code"),
        },
        orders={
            "id": ID, "date_created": ("date_created", "time"), "name": NAME, "status": ("status", "text"),
            "code": ("code", "text"),
        },
    ),
)  # fmt: skip

TAGS = (
    Resource(
        "tags", "tags", "tags", "Tag",
        filters={
            "name": prefix("name"), "description": prefix("description"), "category_id": one_id("category.id"),
            "tag_ids": ids("id"), **times("since_create_time", "until_create_time", column="create_time"),
            **times("since_update_time", "until_update_time", column="update_time"),
        },
        orders={"name": NAME, "create_time": ("create_time", "time"), "update_time": ("update_time", "time")},
    ),
    Resource(
        "tag_categories", "tags/categories", "tag_categories", "Tag Category",
        filters={
            "name": prefix("name"), "description": prefix("description"),
            **times("since_create_time", "until_create_time", column="create_time"),
            **times("since_update_time", "until_update_time", column="update_time"),
        },
        orders={"name": NAME, "create_time": ("create_time", "time"), "update_time": ("update_time", "time")},
    ),
    Resource(
        "tagged_contacts", "tags/{tag_id}/contacts", "contacts", "Contact",
        filters={
            "given_name": prefix("given_name"), "family_name": prefix("family_name"), "email": prefix("email"),
            **times("since_applied_time", "until_applied_time", column="applied_time"),
        },
        orders={
            "given_name": ("given_name", "text"), "family_name": ("family_name", "text"), "email": ("email", "text"),
            "applied_time": ("applied_time", "time"),
        },
        gettable=False, derived=True,
    ),
    Resource(
        "applied_tags", "contacts/{contact_id}/tags", "tags", "Tag",
        filters={
            "name": prefix("tag.name"), "description": prefix("tag.description"),
            "category_id": one_id("tag.category.id"),
            **times("since_applied_time", "until_applied_time", column="applied_time"),
            **times("since_create_time", "until_create_time", column="tag.create_time"),
            **times("since_update_time", "until_update_time", column="tag.update_time"),
        },
        orders={
            "name": ("tag.name", "text"), "create_time": ("tag.create_time", "time"),
            "update_time": ("tag.update_time", "time"), "applied_time": ("applied_time", "time"),
            "category_id": ("tag.category.id", "id"),
        },
        id_field=None, gettable=False, derived=True,
    ),
    Resource(
        "tags_of_contacts", "contacts/-/tags", "tags", "Tag",
        filters={"contact_ids": ids("contact_id", most=100),
                 **times("since_applied_time", "until_applied_time", column="applied_at")},
        id_field=None, gettable=False, derived=True,
    ),
    Resource(
        "contacts_of_tags", "tags/-/contacts", "contacts", "Contact",
        filters={"tag_ids": ids("tag_id", most=100),
                 **times("since_applied_time", "until_applied_time", column="applied_at")},
        id_field=None, gettable=False, derived=True,
    ),
)  # fmt: skip

ACTIVITY = (
    Resource(
        "notes", "notes", "notes", "Note",
        filters={
            "id": one_id("id", compares=True), "ids": ids("id"), "title": Field("contains", ("title",)),
            "contact_id": one_id("contact_id"), "assigned_to_user_id": one_id("assigned_to_user.id"),
            **times("since_time", "until_time", column="update_time"),
        },
        orders={"id": ID, "create_time": ("create_time", "time"), "update_time": ("update_time", "time")},
        selectable=True, optional=frozenset({"custom_fields"}),
    ),
    Resource(
        "tasks", "tasks", "tasks", "Task",
        filters={
            "contact_id": one_id("contact_id"), "has_due_date": Field("present", ("due_time",)),
            "is_completed": flag("completed"), "user_id": one_id("assigned_to_user_id"),
            "opportunity_id": one_id("opportunity_id"), "task_ids": ids("id"), "priority": text("priority"),
            **times("since_time", "until_time", column="modification_time"),
            "id": one_id("id", compares=True), "title": prefix("title"),
        },
        orders={
            "id": ID, "create_time": ("create_time", "time"), "due_time": ("due_time", "time"),
            "update_time": ("modification_time", "time"),
        },
        selectable=True, optional=frozenset({"custom_fields"}),
    ),
    Resource(
        "opportunities", "opportunities", "opportunities", "Opportunity",
        filters={
            "stage_id": one_id("stage.id"), "user_id": one_id("user.id"), "contact_id": one_id("contact.id"),
            "opportunity_title": prefix("opportunity_title"), "lead_source_name": prefix("lead_source"),
            "affiliate_id": one_id("affiliate_id"), "opportunity_id": one_id("id", compares=True),
            "ids": ids("id", most=100),
            "contact_phone": prefix("contact.phone_number"), "contact_city": prefix("contact.city"),
            "contact_state": prefix("contact.state"), "projected_revenue_high": number("projected_revenue_high"),
            "projected_revenue_low": number("projected_revenue_low"),
        },
        orders={
            "next_action_time": ("next_action_time", "time"), "contact_name": ("contact.last_name", "text"),
            "opportunity_title": ("opportunity_title", "text"), "created_time": ("created_time", "time"),
            "update_time": ("last_updated_time", "time"),
        },
        selectable=True,
        optional=frozenset(
            {"custom_fields", "created_by", "last_updated_by", "status_id", "monthly_revenue", "order_revenue",
             "objection", "status", "stage_entrance_time"}
        ),
    ),
    Resource(
        "emails", "emails", "emails", "Email",
        filters={
            "contact_id": one_id("contact_id"), "email": text("sent_to_address"),
            **times("start_created_time", "end_created_time", column="sent_time"),
        },
        orders={"created_time": ("sent_time", "time")},
    ),
    Resource(
        "campaigns", "campaigns", "campaigns", "Campaign",
        filters={"name": prefix("name")},
        orders={
            "name": NAME, "publisheddate": ("published_date", "time"), "id": ID,
            "completedContactCount": ("completed_contact_count", "number"),
            "activeContacts": ("active_contact_count", "number"), "datecreated": ("date_created", "time"),
            "lastupdated": ("published_date", "time"),
        },
    ),
    Resource(
        "automations", "automations", "automations", "Automation", max_page_size=25,
        filters={
            "name": Field("contains", ("title",)), "id": one_id("id", compares=True), "status": text("status"),
            "categories": ids("categories"),
        },
        orders={
            "name": ("title", "text"), "category": ("categories", "text"),
            "activeContacts": ("active_contacts", "number"), "publishedDate": ("published_date", "time"),
        },
    ),
)  # fmt: skip

CATALOGUE = (
    Resource(
        "lead_sources", "leadSources", "lead_sources", "Lead Source",
        filters={
            "id": one_id("id", compares=True), "name": prefix("name"), "status": text("status"),
            "lead_source_category_id": one_id("lead_source_category_id"), "vendor": prefix("vendor"),
            "medium": prefix("medium"), "message": prefix("message"), "description": prefix("description"),
            **times("start_time", "end_time", column="start_time"),
        },
        orders={
            "name": NAME, "status": ("status", "text"), "vendor": ("vendor", "text"), "medium": ("medium", "text"),
            "start_time": ("start_time", "time"), "end_time": ("end_time", "time"),
            "create_time": ("create_time", "time"), "update_time": ("update_time", "time"),
        },
    ),
    Resource(
        "product_categories", "productCategories", "product_categories", "Product Category",
        filters={
            "product_id": one_id("product_ids"), "name": prefix("name"),
            "product_category_id": one_id("id", compares=True),
        },
        orders={"id": ID},
    ),
    Resource(
        "payment_methods", "paymentMethods", "payment_methods", "Payment Method",
        filters={
            "payment_method_id": one_id("payment_method_id"), "credit_card_id": one_id("credit_card_id"),
            "contact_id": one_id("contact_id"), "merchant_account_id": one_id("merchant_account_id"),
            **times("since_time", "until_time", column="created_time"),
        },
        orders={
            "payment_method_id": ("payment_method_id", "id"), "created_time": ("created_time", "time"),
            "contact_id": ("contact_id", "id"), "merchant_account_id": ("merchant_account_id", "id"),
        },
        id_field="payment_method_id", gettable=False,
    ),
    Resource(
        "contact_payment_methods", "contacts/{contact_id}/paymentMethods", "records", "Payment Method",
        filters={"merchant_account_id": one_id("merchant_account_id")},
        orders={"created_time": ("created_time", "time")},
        id_field="payment_method_id", gettable=False, derived=True,
    ),
    Resource(
        "product_discounts", "discounts/products", "discounts", "Product Discount",
        filters={
            "apply_to_commissions": flag("apply_to_commissions"), "discount_type": text("discount_type"),
            "discount_value": Field("number", ("discount_value",)), "product_id": one_id("product_id"),
        },
        orders={
            "apply_to_commissions": ("apply_to_commissions", "number"), "discount_type": ("discount_type", "text"),
            "discount_value": ("discount_value", "number"), "id": ID, "name": NAME,
            "product_id": ("product_id", "id"),
        },
    ),
    Resource(
        "order_total_discounts", "discounts/orderTotals", "discounts", "Order Total Discount",
        filters={
            "apply_to_commissions": flag("apply_to_commissions"), "discount_strategy": text("discount_strategy"),
            "discount_type": text("discount_type"), "discount_value": Field("number", ("discount_value",)),
        },
        orders={
            "apply_to_commissions": ("apply_to_commissions", "number"),
            "discount_strategy": ("discount_strategy", "text"), "discount_type": ("discount_type", "text"),
            "discount_value": ("discount_value", "number"), "id": ID, "name": NAME,
        },
    ),
    Resource(
        "category_discounts", "discounts/productCategories", "discounts", "Category Discount",
        filters={
            "id": one_id("id", compares=True), "ids": ids("id"), "name": prefix("name"),
            "description": prefix("description"), "product_category_id": one_id("product_categories"),
        },
        orders={"id": ID, "name": NAME},
    ),
    Resource(
        "shipping_discounts", "discounts/shipping", "discounts", "Shipping Discount",
        filters={"discount_type": text("discount_type"),
                 "discount_value": Field("number", ("discount_value",))},
        orders={
            "discount_type": ("discount_type", "text"), "discount_value": ("discount_value", "number"), "id": ID,
            "name": NAME,
        },
    ),
    Resource(
        "merchants", "merchants", "merchant_accounts", "Merchant Account",
        filters={"id": one_id("id"), "name": prefix("name"), "type": text("type")},
        orders={"id": ID, "name": NAME},
        gettable=False,
    ),
)  # fmt: skip
