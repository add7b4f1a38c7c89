"""The settings that bend the mapping; each is named as users write it, and its rule says what it does."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from target_chartmogul.settings_schema import About

NON_CASH_PAYMENT_TYPES = ("Credit", "Adjustment", "Write Off")


def is_zone(name: str) -> bool:
    """Whether it is an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


class MappingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are the contract's. Ids in lists are Keap's, as texts."""

    date_timezone: Annotated[
        str, About("IANA time zone whose midnight a calendar date of Keap means (§0 d, rule 6.2).")
    ] = "UTC"
    keap_timezone: Annotated[
        str | None,
        About(
            "IANA time zone of the Keap account, for the day of a first order (rule 3.5). Default: that of the tap's "
            "stream `account`, else `date_timezone`."
        ),
    ] = None
    currency: Annotated[
        str | None,
        About(
            "ISO 4217 currency of orders whose total names none (rule 4.1). Default: the one that its items are priced "
            "in, else that of the tap's stream `account`."
        ),
    ] = None
    account_currency: str | None = None
    """Keap's own, from `account`; not a user's: counts last, for orders whose items name none either (rule 4.1)."""
    trial_source: Annotated[
        str,
        About(
            "Where the start of the free trial comes from (§0 b, rule 3.5).",
            choices=("contact_created", "subscription", "none"),
        ),
    ] = "contact_created"
    interval_source: Annotated[
        str,
        About(
            "Whose billing interval a line has: the product's plan or the subscription (§0 c, rule 3.6).",
            choices=("product", "subscription"),
        ),
    ] = "product"
    churn_fallback: Annotated[
        str,
        About(
            "Churn date of an inactive subscription without end date (§0 e, rule 6.1).",
            choices=("next_bill_date", "paid_through", "last_bill_date", "modified"),
        ),
    ] = "next_bill_date"
    email_fields: Annotated[
        tuple[str, ...],
        About(
            "Keap's e-mail fields; the first valid one in this order is sent (§0 f).",
            choices=("EMAIL1", "EMAIL2", "EMAIL3"),
        ),
    ] = ("EMAIL1",)
    subscription_owner: Annotated[
        str,
        About(
            "Who has the invoices of a subscription that changed its contact: the current contact or each "
            "order's own (§0 g, rule 4.8).",
            choices=("subscription", "order"),
        ),
    ] = "subscription"
    late_payment: Annotated[
        str,
        About(
            "What a late payment does to a cancellation for failed payment (§0 h, rule 6.4).",
            choices=("erase_cancellation", "ignore"),
        ),
    ] = "erase_cancellation"
    plan_change: Annotated[
        str,
        About(
            "Whether a second subscription of the same product ends the first one at once (rule 6.6).",
            choices=("separate", "switch"),
        ),
    ] = "separate"
    plan_change_products: Annotated[
        tuple[tuple[str, ...], ...],
        About("Groups of product ids that count as one product in a plan change (rule 6.6).", ids=True),
    ] = ()
    cancellation_overrides: Annotated[
        dict[str, str],
        About("Keap subscription id to `none` or a date: wins over every other rule of cancellation (rule 6.8)."),
    ] = {}
    customer_scope: Annotated[
        str,
        About(
            "Which contacts are customers: those with a subscription or order, or all (rule 3.1).",
            choices=("billed", "all"),
        ),
    ] = "billed"
    customer_tags: Annotated[
        dict[str, str], About("Keap tag id to the tag that customers get in ChartMogul (rule 3.8).")
    ] = {}
    customer_attributes: Annotated[
        dict[str, str], About("Keap custom field id to the custom attribute in ChartMogul (rule 3.8).")
    ] = {}
    unpaid_orders: Annotated[
        str, About("Whether orders that nobody paid yet are invoices (rule 4.1).", choices=("include", "skip"))
    ] = "include"
    zero_decimal_amounts: Annotated[
        str,
        About(
            "How amounts of currencies without minor unit are sent: times a hundred, or as they are (§4).",
            choices=("hundredths", "units"),
        ),
    ] = "hundredths"
    credits: Annotated[
        str,
        About(
            "What becomes of credits and adjustments that settle an order (rule 5.7).",
            choices=("balance_transfer", "ignore"),
        ),
    ] = "balance_transfer"
    non_cash_payment_types: Annotated[tuple[str, ...], About("Keap's payment types that are not money (rule 5.1).")] = (
        NON_CASH_PAYMENT_TYPES
    )
    full_refund: Annotated[
        str,
        About("Whether the refund of a whole order takes its MRR away too (§8).", choices=("cash_only", "remove_mrr")),
    ] = "cash_only"
    exclude_contact_tags: Annotated[
        tuple[str, ...], About("Contacts with one of these tag ids are not synced (§8).", ids=True)
    ] = ()
    include_contact_tags: Annotated[
        tuple[str, ...], About("Only contacts with one of these tag ids are synced (§8).", ids=True)
    ] = ()
    exclude_products: Annotated[
        tuple[str, ...], About("Product ids whose order items are left out (§8).", ids=True)
    ] = ()
    one_time_products: Annotated[
        tuple[str, ...],
        About("Product ids that are one-time although Keap bills them as a subscription (§8).", ids=True),
    ] = ()
    invoices_since: Annotated[str | None, About("Orders dated before this date or time are not sent (§8).")] = None
    only_contacts: Annotated[
        tuple[str, ...],
        About("This run decides these contact ids only; what arrived of others waits (§8, rule 1.9).", ids=True),
    ] = ()
    hard_delete: Annotated[
        bool,
        About(
            "Remove what is gone from Keap after a complete read, and contacts that fall into a filter (rule 4.10, §8)."
        ),
    ] = False
    resend: Annotated[bool, About("Decide and compare everything again, whatever the store says (§8).")] = False

    @property
    def zone(self) -> ZoneInfo:
        """`date_timezone` as a zone."""
        return ZoneInfo(self.date_timezone)

    @property
    def keap_zone(self) -> ZoneInfo:
        """`keap_timezone`, or `date_timezone` where it is not set."""
        return ZoneInfo(self.keap_timezone or self.date_timezone)
