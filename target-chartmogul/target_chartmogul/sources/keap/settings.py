"""The settings that bend the mapping; each is named as users write it, and its rule says what it does."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

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

    date_timezone: str = "UTC"
    """IANA zone whose midnight a calendar date means (§0 d, rule 6.2)."""
    keap_timezone: str | None = None
    """IANA zone of the Keap account, for the day of a first order (rule 3.5), filled from `account`.

    None: `date_timezone`.
    """
    currency: str | None = None
    """For orders whose total names none (rule 4.1)."""
    account_currency: str | None = None
    """Keap's own, from `account`; not a user's: counts last, for orders whose items name none either (rule 4.1)."""
    trial_source: str = "contact_created"
    """`contact_created`, `subscription` or `none` (§0 b, rule 3.5)."""
    interval_source: str = "product"
    """`product` or `subscription` (§0 c, rule 3.6)."""
    churn_fallback: str = "next_bill_date"
    """`next_bill_date`, `paid_through`, `last_bill_date` or `modified` (§0 e, rule 6.1)."""
    email_fields: tuple[str, ...] = ("EMAIL1",)
    """§0 f."""
    subscription_owner: str = "subscription"
    """`subscription` or `order` (§0 g, rule 4.8)."""
    late_payment: str = "erase_cancellation"
    """`erase_cancellation` or `ignore` (§0 h, rules 6.4, 6.5)."""
    plan_change: str = "separate"
    """`separate` or `switch` (rule 6.6)."""
    plan_change_products: tuple[tuple[str, ...], ...] = ()
    """Groups of product ids that count as one product (rule 6.6)."""
    cancellation_overrides: dict[str, str] = {}
    """Subscription id -> `none` or a date YYYY-MM-DD (rule 6.8)."""
    customer_scope: str = "billed"
    """`billed` or `all` (rule 3.1)."""
    customer_tags: dict[str, str] = {}
    """Keap tag id -> tag text in ChartMogul (rule 3.8)."""
    customer_attributes: dict[str, str] = {}
    """Keap custom field id -> attribute key in ChartMogul (rule 3.8)."""
    unpaid_orders: str = "include"
    """`include` or `skip` (rule 4.1)."""
    zero_decimal_amounts: str = "hundredths"
    """`hundredths` or `units` (§4)."""
    credits: str = "balance_transfer"
    """`balance_transfer` or `ignore` (rule 5.7)."""
    non_cash_payment_types: tuple[str, ...] = NON_CASH_PAYMENT_TYPES
    """Rule 5.1; the last part of 5.7 treats `Write Off` apart."""
    full_refund: str = "cash_only"
    """`cash_only` or `remove_mrr` (§8)."""
    exclude_contact_tags: tuple[str, ...] = ()
    include_contact_tags: tuple[str, ...] = ()
    exclude_products: tuple[str, ...] = ()
    one_time_products: tuple[str, ...] = ()
    invoices_since: str | None = None
    """Date YYYY-MM-DD or instant (§8)."""
    only_contacts: tuple[str, ...] = ()
    hard_delete: bool = False
    """Rule 4.10, §8."""
    resend: bool = False
    """§8: plans and links of lines already sent are decided anew (rules 3.6, 4.3)."""

    @property
    def zone(self) -> ZoneInfo:
        """`date_timezone` as a zone."""
        return ZoneInfo(self.date_timezone)

    @property
    def keap_zone(self) -> ZoneInfo:
        """`keap_timezone`, or `date_timezone` where it is not set."""
        return ZoneInfo(self.keap_timezone or self.date_timezone)
