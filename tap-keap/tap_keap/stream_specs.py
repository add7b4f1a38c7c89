"""What is known of each stream of Keap REST v2: path, envelope, filters, orders.

Facts are from Keap's OpenAPI document of v2. Filters that look at a time, and the order that goes with it, decide how
a stream can be read incrementally; a filter that compares ids decides whether an interrupted whole read can go on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamSpec:
    """One stream.

    Attributes:
        name: Stream name.
        path: Path under `/v2`.
        envelope: Name of the list in the answer.
        primary_keys: Fields that name a row.
        replication_key: Field of the bookmark; None for FULL_TABLE.
        since: Filter for rows at or after a time.
        until: Filter for rows at or before a time.
        order: `order_by` of a whole read; stable while rows change.
        order_by_time: `order_by` of a read by time, where Keap offers one on the replication key.
        id_filter: Filter that takes `>` on the id, where Keap offers one.
        fields: What to ask for by name, because Keap leaves it out otherwise; `*` for all fields of the schema.
        lookback: Keap does not say which time `since` looks at: read with `lookback_days`.
        full_reread: Read whole every `full_reread_days`.
        largest_page: Rows that Keap gives at most on one page.
        extra_filter: Always part of `filter`.
        note: For the README.
    """

    name: str
    path: str
    envelope: str
    primary_keys: tuple[str, ...] = ("id",)
    replication_key: str | None = None
    since: str | None = None
    until: str | None = None
    order: str | None = "id asc"
    order_by_time: str | None = None
    id_filter: str | None = None
    fields: tuple[str, ...] = ()
    lookback: bool = False
    full_reread: bool = False
    largest_page: int = 1000
    extra_filter: str | None = None
    note: str = ""


def _full(name: str, path: str, envelope: str, order: str | None = "id asc", **more: str) -> StreamSpec:
    return StreamSpec(name, path, envelope, order=order, note=more.get("note", ""))


PRODUCTS = _full("products", "products", "products", "last_updated_time asc", note="Keap has no filter by time.")
SUBSCRIPTION_PLANS = _full(
    "subscription_plans",
    "products/-/subscriptions",
    "subscriptions",
    note="Keap's rows lost their product; `product_id` is added from `products`.",
)
FREE_TRIAL_DISCOUNTS = _full("free_trial_discounts", "discounts/freeTrials", "discounts")
CONTACTS = StreamSpec(
    "contacts",
    "contacts",
    "contacts",
    replication_key="update_time",
    since="start_update_time",
    until="end_update_time",
    order_by_time="update_time asc",
    id_filter="contact_id",
    fields=("*",),
    note="All fields are asked for by name.",
)
SUBSCRIPTIONS = _full(
    "subscriptions", "subscriptions", "subscriptions", note="Whole in every run: Keap cannot filter by time."
)
ORDERS = StreamSpec(
    "orders",
    "orders",
    "orders",
    replication_key="modification_time",
    since="modified_since_time",
    until="modified_until_time",
    order_by_time="modification_time asc",
    id_filter="id",
)
PAYMENTS = StreamSpec(
    "payments",
    "sales/payments",
    "payments",
    replication_key="payment_time",
    since="since_time",
    id_filter="id",
    lookback=True,
    full_reread=True,
    note="Look-back, and a whole read every `full_reread_days`.",
)
ORDER_PAYMENTS = StreamSpec(
    "order_payments",
    "orders/{order_id}/payments",
    "invoice_order_payments",
    order="payment_id asc",
    note="Only for payments with two or more orders, one request an order; orders to be asked are in the state.",
)
TRANSACTIONS = StreamSpec(
    "transactions",
    "sales/transactions",
    "transactions",
    primary_keys=("transaction_key",),
    replication_key="transaction_time",
    since="since_time",
    order="transaction_time asc",
    lookback=True,
    full_reread=True,
    note="Rows have no id: `transaction_key` is a digest of what makes an attempt one attempt.",
)
COMPANIES = StreamSpec(
    "companies",
    "companies",
    "companies",
    replication_key="update_time",
    since="since_time",
    until="until_time",
    id_filter="company_id",
    fields=("*",),
)
TAGS = StreamSpec(
    "tags",
    "tags",
    "tags",
    replication_key="update_time",
    since="since_update_time",
    until="until_update_time",
    order="create_time asc",
    order_by_time="update_time asc",
)
TAG_CATEGORIES = StreamSpec(
    "tag_categories",
    "tags/categories",
    "tag_categories",
    replication_key="update_time",
    since="since_update_time",
    until="until_update_time",
    order="create_time asc",
    order_by_time="update_time asc",
)
CONTACT_TAGS = StreamSpec(
    "contact_tags",
    "tags/-/contacts",
    "contacts",
    primary_keys=("tag_id", "contact_id"),
    order="applied_time asc",
    note="Which contact has which tag, and since when: 100 tags a request, or one (`tags/{tag_id}/contacts`) where the "
    "account does not offer that.",
)
NOTES = StreamSpec(
    "notes",
    "notes",
    "notes",
    replication_key="update_time",
    since="since_time",
    id_filter="id",
    fields=("custom_fields",),
    lookback=True,
    full_reread=True,
)
TASKS = StreamSpec(
    "tasks",
    "tasks",
    "tasks",
    replication_key="modification_time",
    since="since_time",
    fields=("custom_fields",),
    lookback=True,
    full_reread=True,
)
OPPORTUNITIES = StreamSpec(
    "opportunities",
    "opportunities",
    "opportunities",
    order="created_time asc",
    fields=("custom_fields", "created_by", "last_updated_by", "status_id"),
)
AFFILIATES = _full("affiliates", "affiliates", "affiliates")
USERS = StreamSpec(
    "users",
    "users",
    "users",
    order="create_time asc",
    largest_page=100,
    extra_filter="include_inactive==true;include_partners==true",
    note="Inactive users and partners too, because other streams name them.",
)
CAMPAIGNS = _full("campaigns", "campaigns", "campaigns")
AUTOMATIONS = StreamSpec("automations", "automations", "automations", order="name asc", largest_page=25)
EMAILS = StreamSpec(
    "emails",
    "emails",
    "emails",
    replication_key="sent_time",
    since="start_created_time",
    order="created_time asc",
    lookback=True,
    note="The filter looks at the created time, which rows do not show: look-back before the last `sent_time`.",
)
LEAD_SOURCES = _full("lead_sources", "leadSources", "lead_sources", "create_time asc")
PRODUCT_CATEGORIES = _full("product_categories", "productCategories", "product_categories")
PAYMENT_METHODS = StreamSpec(
    "payment_methods",
    "paymentMethods",
    "payment_methods",
    primary_keys=("payment_method_id",),
    order="payment_method_id asc",
)
DISCOUNTS = StreamSpec(
    "discounts",
    "discounts/{kind}",
    "discounts",
    primary_keys=("kind", "id"),
    note="Product, order total, category and shipping discounts; `kind` tells which.",
)
CONTACT_CUSTOM_FIELDS = _full("contact_custom_fields", "contacts/model", "custom_fields", None)
ORDER_CUSTOM_FIELDS = _full("order_custom_fields", "orders/model", "custom_fields", None)
SUBSCRIPTION_CUSTOM_FIELDS = _full("subscription_custom_fields", "subscriptions/model", "custom_fields", None)
ACCOUNT = _full(
    "account",
    "businessProfile",
    "",
    None,
    note="One row: the business profile (currency, time zone), with payment types, card types, default country and tax "
    "label from `settings/applications:getConfiguration`.",
)

DISCOUNT_KINDS = {
    "products": "product",
    "orderTotals": "order_total",
    "productCategories": "product_category",
    "shipping": "shipping",
}

BILLING = {
    "products": "products",
    "subscription_plans": "products and their subscription plans",
    "free_trial_discounts": "free trial discounts",
    "contacts": "all contacts",
    "subscriptions": "subscriptions",
    "orders": "orders",
    "payments": "payments",
    "order_payments": "the payments of an order",
    "transactions": "transactions",
}
"""The streams that billing is made of, which come first, with what a user must have the right to see."""

INDISPENSABLE = frozenset({"contacts", "subscriptions", "orders", "payments"})
"""Without one of these, a reader would take orders for unpaid, subscriptions for gone, or find nothing to bill."""

STREAM_SPECS: tuple[StreamSpec, ...] = (
    PRODUCTS,
    SUBSCRIPTION_PLANS,
    FREE_TRIAL_DISCOUNTS,
    CONTACTS,
    SUBSCRIPTIONS,
    ORDERS,
    PAYMENTS,
    ORDER_PAYMENTS,
    TRANSACTIONS,
    COMPANIES,
    TAGS,
    TAG_CATEGORIES,
    CONTACT_TAGS,
    NOTES,
    TASKS,
    OPPORTUNITIES,
    AFFILIATES,
    USERS,
    CAMPAIGNS,
    AUTOMATIONS,
    EMAILS,
    LEAD_SOURCES,
    PRODUCT_CATEGORIES,
    PAYMENT_METHODS,
    DISCOUNTS,
    CONTACT_CUSTOM_FIELDS,
    ORDER_CUSTOM_FIELDS,
    SUBSCRIPTION_CUSTOM_FIELDS,
    ACCOUNT,
)
"""In the order in which the tap emits them: billing first, what others refer to before what refers to it."""
