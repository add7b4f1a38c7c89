"""The lists of the report: what each is called in words, and what to do about its entries (rule 7.1)."""

from __future__ import annotations

from typing import NamedTuple


class ListWords(NamedTuple):
    """`title` heads a list; `advice` says what to do, empty where nothing is to be done; `warns`: it is in the log."""

    title: str
    advice: str = ""
    warns: bool = False


LISTS: dict[str, ListWords] = {
    "dropped_emails": ListWords(
        "Customers sent without an e-mail address",
        "Correct the contact's address in Keap, or allow another field by `email_fields`.",
        warns=True,
    ),
    "refused_emails": ListWords(
        "E-mail addresses that ChartMogul refused", "Correct the contact's address in Keap.", warns=True
    ),
    "interval_conflicts": ListWords(
        "Subscriptions billed at another interval than their product's",
        "MRR follows `interval_source`; see statement c in the documentation before changing it.",
        warns=True,
    ),
    "interval_unknown": ListWords(
        "Subscriptions without a plan: their own interval was taken", "Give the subscription a plan in Keap."
    ),
    "lines_without_interval": ListWords(
        "Lines without any interval: sent as one-time, so without MRR", "Give the product a plan in Keap.", warns=True
    ),
    "inferred_links": ListWords("Orders linked to a subscription by plan, contact and date"),
    "unlinked_orders": ListWords(
        "Orders with a subscription item that no subscription fits: sent as one-time, so without MRR",
        "Look whether the subscription exists in Keap and when it starts.",
        warns=True,
    ),
    "adjusted_orders": ListWords(
        "Orders whose lines did not sum to the total: a balancing line was added",
        "Look at the order in Keap; a discount or tax may be missing there.",
    ),
    "excluded_orders": ListWords("Orders with nothing left after `exclude_products`"),
    "skipped_unpaid_orders": ListWords("Unpaid orders left out by `unpaid_orders: skip`"),
    "filtered_contacts": ListWords("Contacts left out by a filter, with all that is theirs"),
    "let_in_contacts": ListWords(
        "Contacts that a filter left out before and lets in now: their older orders are sent when they arrive again",
        "Read Keap from the beginning once: `meltano run --full-refresh`.",
    ),
    "mrr_removed_orders": ListWords("Orders refunded in full whose MRR `full_refund: remove_mrr` took away"),
    "vanished_orders": ListWords("Orders that are gone from Keap and were removed", warns=True),
    "vanished_subscriptions": ListWords(
        "Subscriptions that are gone from Keap: cancelled at the end of their last paid period", warns=True
    ),
    "undecided_subscriptions": ListWords(
        "Subscriptions whose records did not arrive or were rejected: nothing was changed",
        "Correct the record in Keap, or look why `subscriptions` was not read completely.",
        warns=True,
    ),
    "customers_without_contact": ListWords("Customers made from an order, since their contact is gone from Keap"),
    "unknown_contacts": ListWords(
        "Contacts of subscriptions of which no record arrived: not sent",
        "Look the contact up in Keap; `related_records` of the tap brings it along.",
        warns=True,
    ),
    "payments_without_order": ListWords(
        "Payments that name no order: not sent", "Attach the payment to an order in Keap.", warns=True
    ),
    "attempts_without_order": ListWords("Failed attempts at the gateway that name no order: not sent"),
    "refunds_not_found": ListWords(
        "Refunds in an order's total that no payment or transaction explains", "Look at the order in Keap."
    ),
    "refunds_above_payments": ListWords(
        "Refunds of more than was paid: the rest was not sent", "Look at the order's payments in Keap."
    ),
    "excess": ListWords(
        "Orders paid more than their total: the excess was not sent",
        "A double charge? Refund it in Keap, and the refund is set against it.",
    ),
    "credits_not_sent": ListWords(
        "Credits that do not settle their order: not sent", "Look at the order's balance in Keap."
    ),
    "stale_end_dates": ListWords(
        "End dates before the latest order: ignored, or replaced by the end of the paid period",
        "Clear or correct the end date in Keap.",
        warns=True,
    ),
    "overlaps": ListWords(
        "Plan changes that count twice until the old subscription ends",
        "`plan_change: switch` ends the old one when the new one begins.",
    ),
    "cancellations": ListWords("Cancellations of the subscriptions that this run looked at"),
    "cancellations_added": ListWords("Cancellations added"),
    "cancellations_moved": ListWords("Cancellations moved to another date"),
    "cancellations_removed": ListWords("Cancellations removed"),
    "scheduled_cancellations": ListWords("Cancellations to come"),
    "scheduled_cancellations_added": ListWords("Cancellations to come, added"),
    "scheduled_cancellations_moved": ListWords("Cancellations to come, moved to another date"),
    "scheduled_cancellations_removed": ListWords("Cancellations to come, removed, or due and carried out"),
    "zero_decimal_currencies": ListWords(
        "Currencies without minor units, and how their amounts were sent",
        "Compare one invoice in ChartMogul with Keap's; see `zero_decimal_amounts`.",
        warns=True,
    ),
    "settings_changed": ListWords(
        "Settings that differ from the last run's: older invoices keep what the earlier ones made of them",
        "Read Keap from the beginning: `meltano run --full-refresh`.",
        warns=True,
    ),
    "reconciliation_differences": ListWords(
        "Orders, payments and refunds that are not the same in Keap and in ChartMogul",
        "`pending`: run again. Without a reason: `explain` the order, and look at it on both sides.",
        warns=True,
    ),
    "gone_rows": ListWords(
        "Rows that are gone from where they come from: their objects stay in ChartMogul",
        "`hard_delete: true` deletes what is gone.",
        warns=True,
    ),
    "excluded_items": ListWords("Orders of which `exclude_products` left out items"),
    "merged": ListWords("Customers that were merged in ChartMogul: their fields were left as they are there"),
    "disabled": ListWords("Objects that a person disabled in ChartMogul: left so"),
    "edited": ListWords("Objects that a person changed in ChartMogul: left so until Keap's record changes"),
    "edits_overwritten": ListWords(
        "Objects that a person changed in ChartMogul: written as Keap has them, since no ledger tells what was sent"
    ),
    "adopted": ListWords("Objects that ChartMogul had already: brought to what they should be"),
    "status_refused": ListWords(
        "Invoices that ChartMogul does not let be written off", "Write the invoice off in ChartMogul.", warns=True
    ),
}
"""By `Note.kind`, or by what `changes.Journal.noticed` says."""

INVALID_ADVICE = "Correct the record where it comes from: the next run takes it when it arrives again."
REFUSED_ADVICE = "It is kept and tried again by every run. Correct the named field in Keap if the reason names one."
UNANSWERED_ADVICE = "ChartMogul did not answer. The next run looks whether it has it, and tries again."

_FIELD_ADVICE = {
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
