"""The questions that only a real account can answer, with the answers that the sandbox can give.

One table: question → answer → what it changes. The first answer of each is the assumed one, and changes nothing.
Changes are those of the control calls: ``behaviour`` (Keap's), ``settings`` (ChartMogul's), ``limits``; and ``source``,
a data source that ChartMogul has besides, with so many of Keap's contacts as its customers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

Change: TypeAlias = Mapping[str, Any]
Answers: TypeAlias = Mapping[str, Change]
_AS_ASSUMED: Change = {}


def _behaves(**behaviour: Any) -> Change:
    return {"behaviour": behaviour}


def _set(**settings: Any) -> Change:
    return {"settings": settings}


def _headers(shown: str) -> Change:
    return {"limits": {"headers": shown}}


def _handling(**half: Any) -> Change:
    return _set(invoice_handling_setting={"manual": half, "automatic": half})


_PAID_ONLY = {"create_subscription_when_invoice_is": "paid", "update_subscription_when_invoice_is": "paid"}
_OLDER_SOURCE = {"system": "Import API", "status": "never_imported", "auto_churn_subscription_setting": True}

KEAP: Mapping[str, Answers] = {
    "billing-amount-unit": {"major": _AS_ASSUMED, "minor": _behaves(billing_amount="minor")},
    "credentials": {
        "accepted": _AS_ASSUMED,
        "refused": _behaves(credentials="refused"),
        "restricted": _behaves(refused={"payments": 403, "transactions": 403}),
    },
    "currency-and-time-zone": {
        "usd-utc": _AS_ASSUMED,
        "gbp-london": _behaves(locale="gbp_london"),
        "forbidden": _behaves(refused={"business_profile": 403, "configuration": 403}),
    },
    "discount-form": {
        "mixed": _AS_ASSUMED,
        "discount": _behaves(discount_form="discount"),
        "negative-price": _behaves(discount_form="negative_price"),
        "special": _behaves(discount_form="special"),
    },
    "edition": {
        "current": _AS_ASSUMED,
        "old": _behaves(edition="old"),
        "forbidden": _behaves(refused={"payments": 403, "transactions": 403}),
    },
    "inactive-subscriptions-listed": {"yes": _AS_ASSUMED, "no": _behaves(inactive_listed=False)},
    "item-types": {
        "documented": _AS_ASSUMED,
        "unusual": _behaves(item_types="unusual"),
        "undocumented": _behaves(item_types="undocumented"),
    },
    "last-page-token": {
        "empty": _AS_ASSUMED,
        "null": _behaves(last_token="null"),  # noqa: S106
        "absent": _behaves(last_token="absent"),  # noqa: S106
    },
    "missing-fields": {
        "none": _AS_ASSUMED,
        "young": _behaves(young_fields=False),
        "list-refused": _behaves(fields_parameter="refused"),
    },
    "order-modified-by-payment": {"yes": _AS_ASSUMED, "no": _behaves(order_modification="stays")},
    "order-payment-unit": {"major": _AS_ASSUMED, "minor": _behaves(order_payments_in_hundredths=True)},
    "originating-order-link": {"named": _AS_ASSUMED, "absent": _behaves(originating_orders_linked=False)},
    "page-size": {
        "1000": _AS_ASSUMED,
        "200": _behaves(largest_page=200),
        "slow-above-200": _behaves(slow_above=200),
    },
    "page-token-form": {"opaque": _AS_ASSUMED, "url": _behaves(token_form="url")},  # noqa: S106
    "payment-types": {"labels": _AS_ASSUMED, "codes": _behaves(payment_types="codes")},
    "payments-since-basis": {"payment-time": _AS_ASSUMED, "update-time": _behaves(payments_since="update_time")},
    "quota": {
        "documented": _AS_ASSUMED,
        "small": {"limits": {"per_day": 1_000}},
        "spent": {"limits": {"per_day": 0}},
    },
    "rate-limit-headers": {"sent": _AS_ASSUMED, "absent": _headers("absent"), "odd": _headers("odd")},
    "refund-form": {
        "mixed": _AS_ASSUMED,
        "negative": _behaves(refund_form="negative"),
        "type": _behaves(refund_form="type"),
        "reference": _behaves(refund_form="reference"),
    },
    "since-bound": {"inclusive": _AS_ASSUMED, "exclusive": _behaves(since_bounds="exclusive")},
    "transaction-duplicates": {"none": _AS_ASSUMED, "twice": _behaves(transaction_rows="twice")},
    "unknown-fields": {"none": _AS_ASSUMED, "some": _behaves(unknown_fields=True)},
    "unknown-filter-field": {"refused": _AS_ASSUMED, "ignored": _behaves(unknown_filters="ignored")},
    "unset-fields": {
        "null": _AS_ASSUMED,
        "omitted": _behaves(null_style="omitted"),
        "empty": _behaves(null_style="empty"),
        "zero": _behaves(null_style="zero"),
    },
    "void-form": {
        "transaction": _AS_ASSUMED,
        "order-payment": _behaves(void_form="order_payment"),
        "gone": _behaves(void_form="gone"),
    },
}

CHARTMOGUL: Mapping[str, Answers] = {
    "account-settings": {
        "usual": _AS_ASSUMED,
        "period-end": _set(account={"churn_recognition": "churn_at_period_end"}),
        "zero-mrr-churns": _set(account={"churn_when_zero_mrr": True}),
        "refunds-churn": _set(account={"refund_handling": "refund_full_only"}),
        "auto-churn": _set(
            account={"auto_churn_subscription": True},
            auto_churn_subscription_setting={"enabled": True, "interval": 30},
        ),
        "new-york": _set(account={"time_zone": "America/New_York", "currency": "EUR"}),
    },
    "bulk-import": {
        "offered": _AS_ASSUMED,
        "not-offered": _set(bulk_imports="absent"),
        "other-status": _set(import_statuses={"completed": "finished_with_notes"}),
        "duplicates-updated": _set(bulk_duplicates="updated"),
        "late-validation": _set(late_failures=["*"]),
    },
    "cancellation-one-second-after-start": {
        "counts": _AS_ASSUMED,
        "ignored": _set(churn_within_a_second="ignored"),
    },
    "cancellation-stores": {"one": _AS_ASSUMED, "two": _set(cancellation_stores="two")},
    "churn-recognition-effect": {
        "on-all-sources": _AS_ASSUMED,
        "on-billing-systems": _set(churn_recognition_acts="on_billing_systems"),
    },
    "clock": {"same": _AS_ASSUMED, "ahead": _set(clock_ahead=3600), "behind": _set(clock_ahead=-3600)},
    "data-source": {
        "absent": _AS_ASSUMED,
        "present": {"source": {"name": "Keap", "contacts": 0}},
        "older-form": {"source": {"name": "Keap", "contacts": 0}, **_set(source_fields=_OLDER_SOURCE)},
    },
    "deleted-id-free": {"at-once": _AS_ASSUMED, "never": _set(deleted_ids="taken")},
    "duplicate-answer": {"texts": _AS_ASSUMED, "codes": _set(duplicates="codes")},
    "event-order": {"decides": _AS_ASSUMED, "ignored": _set(event_order="ignored")},
    "future-cancellation-event": {"refused": _AS_ASSUMED, "accepted": _set(future_cancellations="accepted")},
    "invalid-email": {"refused": _AS_ASSUMED, "dropped": _set(invalid_email="dropped")},
    "invoice-handling": {
        "open": _AS_ASSUMED,
        "paid": _handling(**{**_PAID_ONLY, "update_subscription_when_invoice_is": "open"}),
        "hidden": _set(hidden_source_fields=["invoice_handling_setting"]),
    },
    "key": {"read-write": _AS_ASSUMED, "read-only": _set(key="read"), "refused": _set(key="none")},
    "processing": {
        "done": _AS_ASSUMED,
        "pending": _set(source_fields={"processing_status": {"processed": 12, "failed": 0, "pending": 37}}),
        "failed": _set(source_fields={"processing_status": {"processed": 12, "failed": 8, "pending": 0}}),
    },
    "rate-limit-headers": {"absent": _AS_ASSUMED, "sent": _headers("sent"), "odd": _headers("odd")},
    "same-contacts-elsewhere": {"no": _AS_ASSUMED, "yes": {"source": {"name": "Stripe", "contacts": 5}}},
    "state-form": {
        "code": _AS_ASSUMED,
        "prefixed": _set(state_form="prefixed"),
        "name": _set(state_form="name"),
    },
    "unpaid-invoice-mrr": {"counts": _AS_ASSUMED, "ignored": _handling(**_PAID_ONLY)},
    "update-answer": {"200": _AS_ASSUMED, "304": _set(unchanged_patch="304")},
    "weekly-plan-mrr": {"by-30.4375-days": _AS_ASSUMED, "by-30-days": _set(months_of_days="30")},
    "written-off": {
        "accepted": _AS_ASSUMED,
        "refused": _set(write_offs="refused"),
        "counts": _handling(prevent_subscription_for_invoice_written_off=False),
    },
    "zero-decimal-unit": {"hundredths": _AS_ASSUMED, "units": _set(zero_decimal_amounts="units")},
}

QUESTIONS: Mapping[str, Mapping[str, Answers]] = {"keap": KEAP, "chartmogul": CHARTMOGUL}


def parse(text: str) -> dict[str, str]:
    """Read ``question=answer,question=answer``; the API may stand before a question, as ``keap/quota``.

    Raises:
        ValueError: a part without ``=``.
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        question, equals, answer = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not question=answer")
        found[question.strip()] = answer.strip()
    return found


def resolved(chosen: Mapping[str, str], served: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the answers by API and question, of the APIs that are served.

    Raises:
        ValueError: an unknown question or answer, or a question of both APIs without the API.
    """
    found: dict[tuple[str, str], str] = {}
    for name, answer in chosen.items():
        api, slash, question = name.rpartition("/")
        apis = [known for known in served if question in QUESTIONS[known] and (not slash or known == api)]
        if not apis:
            raise ValueError(f"unknown question {name!r}")
        if len(apis) > 1:
            raise ValueError(f"both services have the question {name!r}: " + " or ".join(f"{a}/{name}" for a in apis))
        answers = QUESTIONS[apis[0]][question]
        if answer not in answers:
            raise ValueError(f"{name} is one of {', '.join(answers)}")
        found[apis[0], question] = answer
    return found
