"""JSON schema of each setting, in the order in which `--about` and the README show them."""

from __future__ import annotations

from typing import Any, Final


def _setting(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, **more}


def _choice(description: str, *values: str) -> dict[str, Any]:
    """An enumeration whose first value is the default."""
    return {"type": "string", "description": description, "enum": list(values), "default": values[0]}


def _ids(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": ["string", "integer"]}, "description": description, **more}


def _texts_by_id(description: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": "string"}, "description": description}


PROPERTIES: Final[dict[str, dict[str, Any]]] = {
    "api_key": _setting("string", "ChartMogul API key with read & write access.", title="API key", secret=True),
    "api_url": _setting(
        "string",
        "Base URL of ChartMogul's API. Must be https; http is accepted for loopback only.",
        default="https://api.chartmogul.com/v1",
    ),
    "data_source_name": _setting(
        "string", "Data source to write into; created if there is none of this name.", default="Keap"
    ),
    "data_source_uuid": _setting("string", "Data source to write into, by uuid; it must exist. Wins over the name."),
    "external_id_prefix": _setting(
        "string", "Stands before every external id that this target forms (rule 2.2).", default=""
    ),
    "store_path": _setting(
        "string",
        "Where the store is kept between runs: a local path or a URL such as s3://bucket/store.sqlite. It holds what "
        "Keap has told and what ChartMogul has of it, with names and e-mail addresses. Without it no state is emitted "
        "and every run reads Keap whole (rule 1.6).",
    ),
    "relist_days": _setting(
        "number",
        "List ChartMogul's content again when the last listing is older than so many days, to find what people "
        "changed there (rule 1.11).",
        default=7,
        minimum=0,
    ),
    "exit_code_file": _setting(
        "string",
        "Write the exit code into this local file when the run ends, since `meltano run` replaces it by its own.",
    ),
    "report_path": _setting("string", "File for the report of the run, as JSON (rule 7.1)."),
    "dry_run": _setting(
        "boolean",
        "Report what would be written, and write nothing, not even the store (rules 1.9, 7.3).",
        default=False,
    ),
    "force": _setting("boolean", "Carry out a plan that a guard would stop (rule 1.7).", default=False),
    "max_delete_share": _setting(
        "number",
        "A run that would delete a larger share of the objects of a kind stops before its first write (rule 1.7).",
        default=0.05,
        minimum=0,
        maximum=1,
    ),
    "on_churn_setting_mismatch": _choice(
        "What to do if the account's churn recognition is not the time of cancellation (§0 a).",
        "warn",
        "fail",
        "ignore",
    ),
    "accepted_rejects": {
        "type": "array",
        "items": {"type": "string", "pattern": "^[a-z_]+:.+$"},
        "description": "Records that may be rejected without the exit code of a run with rejects, e.g. orders:123 "
        "(rule 1.5).",
    },
    "max_run_minutes": _setting(
        "number",
        "Stop cleanly after so many minutes of work on a complete input, and continue in the next run (§8).",
        minimum=0,
    ),
    "request_timeout": _setting(
        "number",
        "Seconds to wait for an answer of ChartMogul's before a request is tried again.",
        default=60,
        minimum=1,
    ),
    "load_method": _choice(
        "How customers that ChartMogul does not have yet are written: in bulk (from 500 on), singly, always in bulk.",
        "auto",
        "single",
        "bulk",
    ),
    "now": _setting("string", "Clock of the run (ISO 8601), for rehearsals and tests. Default: the machine's clock."),
    "date_timezone": _setting(
        "string", "IANA time zone whose midnight a calendar date of Keap means (§0 d, rule 6.2).", default="UTC"
    ),
    "keap_timezone": _setting(
        "string",
        "IANA time zone of the Keap account, for the day of a first order (rule 3.5). Default: that of the tap's "
        "stream `account`, else `date_timezone`.",
    ),
    "currency": _setting(
        "string",
        "ISO 4217 currency of orders whose total names none (rule 4.1). Default: the one that its "
        "items are priced in, else that of the tap's stream `account`.",
    ),
    "trial_source": _choice(
        "Where the start of the free trial comes from (§0 b, rule 3.5).", "contact_created", "subscription", "none"
    ),
    "interval_source": _choice(
        "Whose billing interval a line has: the product's plan or the subscription (§0 c, rule 3.6).",
        "product",
        "subscription",
    ),
    "churn_fallback": _choice(
        "Churn date of an inactive subscription without end date (§0 e, rule 6.1).",
        "next_bill_date",
        "paid_through",
        "last_bill_date",
        "modified",
    ),
    "email_fields": {
        "type": "array",
        "items": {"type": "string", "enum": ["EMAIL1", "EMAIL2", "EMAIL3"]},
        "description": "Keap's e-mail fields; the first valid one in this order is sent (§0 f).",
        "default": ["EMAIL1"],
    },
    "subscription_owner": _choice(
        "Who has the invoices of a subscription that changed its contact: the current contact or each order's own "
        "(§0 g, rule 4.8).",
        "subscription",
        "order",
    ),
    "late_payment": _choice(
        "What a late payment does to a cancellation for failed payment (§0 h, rule 6.4).",
        "erase_cancellation",
        "ignore",
    ),
    "plan_change": _choice(
        "Whether a second subscription of the same product ends the first one at once (rule 6.6).", "separate", "switch"
    ),
    "plan_change_products": {
        "type": "array",
        "items": {"type": "array", "items": {"type": ["string", "integer"]}},
        "description": "Groups of product ids that count as one product in a plan change (rule 6.6).",
    },
    "cancellation_overrides": _texts_by_id(
        "Keap subscription id to `none` or a date: wins over every other rule of cancellation (rule 6.8)."
    ),
    "customer_scope": _choice(
        "Which contacts are customers: those with a subscription or order, or all (rule 3.1).", "billed", "all"
    ),
    "customer_tags": _texts_by_id("Keap tag id to the tag that customers get in ChartMogul (rule 3.8)."),
    "customer_attributes": _texts_by_id("Keap custom field id to the custom attribute in ChartMogul (rule 3.8)."),
    "unpaid_orders": _choice("Whether orders that nobody paid yet are invoices (rule 4.1).", "include", "skip"),
    "zero_decimal_amounts": _choice(
        "How amounts of currencies without minor unit are sent: times a hundred, or as they are (§4).",
        "hundredths",
        "units",
    ),
    "credits": _choice(
        "What becomes of credits and adjustments that settle an order (rule 5.7).", "balance_transfer", "ignore"
    ),
    "non_cash_payment_types": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Keap's payment types that are not money (rule 5.1). Keap's own list of an account's types "
        "does not say which these are.",
        "default": ["Credit", "Adjustment", "Write Off"],
    },
    "full_refund": _choice(
        "Whether the refund of a whole order takes its MRR away too (§8).", "cash_only", "remove_mrr"
    ),
    "exclude_contact_tags": _ids("Contacts with one of these tag ids are not synced (§8)."),
    "include_contact_tags": _ids("Only contacts with one of these tag ids are synced (§8)."),
    "exclude_products": _ids("Product ids whose order items are left out (§8)."),
    "one_time_products": _ids("Product ids that are one-time although Keap bills them as a subscription (§8)."),
    "invoices_since": _setting("string", "Orders dated before this date or time are not sent (§8)."),
    "only_contacts": _ids("This run decides these contact ids only; what arrived of others waits (§8, rule 1.9)."),
    "hard_delete": _setting(
        "boolean",
        "Remove what is gone from Keap after a complete read, and contacts that fall into a filter (rule 4.10, §8).",
        default=False,
    ),
    "resend": _setting("boolean", "Decide and compare everything again, whatever the store says (§8).", default=False),
}

CONFIG_SCHEMA: Final[dict[str, Any]] = {"type": "object", "properties": dict(PROPERTIES), "required": ["api_key"]}
