"""The lists of the report: what each is called in words, and what to do about its entries (rule 7.1)."""

from __future__ import annotations

from typing import Final, NamedTuple


class ListWords(NamedTuple):
    """`title` heads a list; `advice` says what to do, empty where nothing is to be done; `warns`: it is in the log."""

    title: str
    advice: str = ""
    warns: bool = False


LISTS: Final[dict[str, ListWords]] = {
    # outstanding
    "rejects": ListWords("Records that cannot be accepted"),
    "refusals": ListWords("Objects that ChartMogul refused"),
    "waiting": ListWords("Records that wait"),
    # customers
    "dropped_emails": ListWords(
        "Customers sent without an e-mail address",
        "Correct the contact's address in Keap, or allow another field with `email_fields`.",
        warns=True,
    ),
    "refused_emails": ListWords(
        "E-mail addresses that ChartMogul refused", "Correct the contact's address in Keap.", warns=True
    ),
    "customers_without_contact": ListWords("Customers made from an order, because Keap no longer has their contact"),
    "unknown_contacts": ListWords(
        "Contacts of subscriptions whose record has not arrived: not sent",
        "Check in Keap whether the contact still exists, and in the tap whether `contacts` is selected.",
        warns=True,
    ),
    "filtered_contacts": ListWords("Contacts left out by a filter, with everything that is theirs"),
    # plans and links
    "interval_conflicts": ListWords(
        "Subscriptions billed at another interval than their product's",
        "MRR follows `interval_source`; `target-chartmogul preview` shows what the other value would change.",
        warns=True,
    ),
    "interval_unknown": ListWords(
        "Subscriptions without a plan: their own interval is used", "Give the subscription a plan in Keap."
    ),
    "lines_without_interval": ListWords(
        "Lines without any interval: sent as one-time, so without MRR", "Give the product a plan in Keap.", warns=True
    ),
    "inferred_links": ListWords("Orders linked to a subscription by plan, contact and date"),
    "unlinked_orders": ListWords(
        "Orders with a subscription item that fits no subscription: sent as one-time, so without MRR",
        "Check in Keap whether the subscription exists, and when it starts.",
        warns=True,
    ),
    "overlaps": ListWords(
        "Plan changes that count twice until the old subscription ends",
        "`plan_change: switch` ends the old one when the new one begins.",
    ),
    # orders
    "adjusted_orders": ListWords(
        "Orders whose lines did not sum to the total: a balancing line was added",
        "Check the order in Keap; a discount or tax may be missing there.",
    ),
    "negative_lines": ListWords(
        "Subscription lines below zero: sent as one-time, so without MRR",
        "Check the order's items and discounts in Keap.",
        warns=True,
    ),
    "excluded_items": ListWords("Orders with items left out by `exclude_products`"),
    "excluded_orders": ListWords("Orders left out by `exclude_products` or `invoices_since`"),
    "skipped_unpaid_orders": ListWords("Unpaid orders left out by `unpaid_orders: skip`"),
    "mrr_removed_orders": ListWords("Orders refunded in full, sent without MRR by `full_refund: remove_mrr`"),
    "removed_invoices": ListWords("Invoices removed by this run, with the reason", warns=True),
    "vanished_orders": ListWords("Orders that are gone from Keap, and whose invoices this run removed", warns=True),
    "gone_rows": ListWords(
        "Rows that are gone from their source, and still count",
        "`hard_delete: true` removes what was made of them.",
        warns=True,
    ),
    "zero_decimal_currencies": ListWords(
        "Currencies without minor units, and how their amounts were sent",
        "Compare one invoice in ChartMogul with Keap's; see `zero_decimal_amounts`.",
        warns=True,
    ),
    # payments
    "payments_without_order": ListWords(
        "Payments that name no order, or one that is not known: not sent",
        "Attach the payment to an order in Keap.",
        warns=True,
    ),
    "payments_not_found": ListWords(
        "Orders that Keap calls paid, with payments that are missing or could not be read",
        "Compare the order's payments in Keap with the list of rejected records.",
        warns=True,
    ),
    "attempts_without_order": ListWords("Failed attempts at the gateway that name no order: not sent"),
    "refunds_not_found": ListWords(
        "Refunds in an order's total that no payment or transaction explains", "Check the order in Keap."
    ),
    "refunds_above_payments": ListWords(
        "Refunds of more than was paid: the rest was not sent", "Check the order's payments in Keap."
    ),
    "excess": ListWords(
        "Orders paid more than their total: the excess was not sent",
        "A double charge? Refund it in Keap, and the refund is set against it.",
    ),
    "credits_not_sent": ListWords(
        "Credits that do not settle their order: not sent", "Check the order's balance in Keap."
    ),
    "status_refused": ListWords(
        "Invoices that ChartMogul refused to write off", "Write the invoice off in ChartMogul.", warns=True
    ),
    # cancellations
    "stale_end_dates": ListWords(
        "End dates before the latest order: ignored, or replaced by the end of the paid period",
        "Clear or correct the end date in Keap.",
        warns=True,
    ),
    "vanished_subscriptions": ListWords(
        "Subscriptions that are gone from Keap: cancelled at the end of their last paid period", warns=True
    ),
    "undecided_subscriptions": ListWords(
        "Subscriptions whose record did not arrive, or was rejected: nothing was changed",
        "Correct the record in Keap, or check why `subscriptions` was not read completely.",
        warns=True,
    ),
    "cancellations": ListWords("Cancellations"),
    "cancellations_added": ListWords("Cancellations added by this run"),
    "cancellations_moved": ListWords("Cancellations moved to another date by this run"),
    "cancellations_removed": ListWords("Cancellations removed by this run"),
    "scheduled_cancellations": ListWords("Cancellations to come"),
    "scheduled_cancellations_added": ListWords("Cancellations to come, added by this run"),
    "scheduled_cancellations_moved": ListWords("Cancellations to come, moved to another date by this run"),
    "scheduled_cancellations_removed": ListWords("Cancellations to come that this run removed, or carried out"),
    # people in ChartMogul
    "edited": ListWords(
        "Objects that a person changed in ChartMogul: left as they are until what would be sent changes",
        "`resend` with `only_contacts` restores what Keap has.",
    ),
    "deleted_in_chartmogul": ListWords(
        "Objects that a person deleted in ChartMogul: not written again until what would be sent changes",
        "`resend` with `only_contacts` restores what Keap has.",
        warns=True,
    ),
    "edits_overwritten": ListWords("Objects that a person had changed in ChartMogul, overwritten by this run"),
    "merged": ListWords("Customers that were merged in ChartMogul: their fields were left as they are there"),
    "disabled": ListWords("Objects that a person disabled in ChartMogul: left so"),
    "disabled_refused": ListWords(
        "Invoices that ChartMogul refused to disable", "Disable the invoice in ChartMogul.", warns=True
    ),
    "adopted": ListWords("Objects that were already in ChartMogul and have been updated to match"),
    # settings
    "settings_changed": ListWords(
        "Settings that differ from the last run's: they apply to the whole account, past months included",
        "Compare MRR before and after below.",
        warns=True,
    ),
}
"""By `Note.kind`, or by what `changes.Journal.noticed` says."""

INVALID_ADVICE: Final = "Correct the record where it comes from; the next run takes it when it arrives again."
REFUSED_ADVICE: Final = (
    "It is tried again when its record or a setting changes, else once a day. Correct in Keap the field that it names."
)
UNANSWERED_ADVICE: Final = "The next run checks whether ChartMogul has it, and sends it again if not."

_FIELD_ADVICE: Final = {
    ("orders", "total.currency_code"): "Set the order's currency in Keap, or the setting `currency`.",
    ("orders", "currency"): "Set the order's currency in Keap, or the setting `currency`.",
    ("orders", "contact"): "Give the order a contact in Keap.",
    ("subscriptions", "end_date"): "Correct the subscription's end date in Keap.",
}


def reject_advice(stream: str, field: str) -> str:
    """What to do about a record that cannot be accepted."""
    return _FIELD_ADVICE.get((stream, field), INVALID_ADVICE)


def words(kind: str) -> ListWords:
    """Title and advice of a list; one that nobody described speaks by its name."""
    return LISTS.get(kind) or ListWords(kind.replace("_", " ").capitalize())
