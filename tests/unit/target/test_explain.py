"""`explain`: what was sent, and by which rules (rules 6.9, 7.2)."""

from __future__ import annotations

import pytest

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.report.explain import explain, parse_subject
from target_chartmogul.report.explain_words import RULES, SOURCES, money
from target_chartmogul.sources.keap.account import Arrived, Remembered
from target_chartmogul.sources.keap.decide import decide
from tests.worked_accounts import cases, catalog_of, group_of

CASES = [pytest.param(case, id=case.id) for case in cases()]


def held_by(case) -> tuple[Holdings, Decision]:
    decision = Decision(remembered=Remembered())
    for run in case.runs:
        group = group_of(run.keap)
        group.existing = Holdings(customers=decision.customers, invoices=decision.invoices, events=decision.events)
        group.remembered = decision.remembered
        arrived = Arrived(subscriptions_whole=True)
        decision = decide(group, catalog_of(run.keap), arrived, case.mapping, run.now)
    return Holdings(customers=decision.customers, invoices=decision.invoices, events=decision.events), decision


def told(name: str, subject: str) -> str:
    case = next(each for each in cases() if each.id.startswith(name))
    existing, decision = held_by(case)
    return "\n".join(explain(parse_subject(subject), existing, decision.remembered, case.runs[-1].now))


@pytest.mark.parametrize("text", ["order:1", " subscription:22 ", "contact:333"])
def test_subjects(text):
    assert str(parse_subject(text)) == text.strip()


@pytest.mark.parametrize("text", ["", "order", "order:", "order:x", "invoice:1", "order:1; drop", "order:1\n2"])
def test_what_is_no_subject(text):
    with pytest.raises(ConfigurationError, match="order:<id>"):
        parse_subject(text)


@pytest.mark.parametrize(
    ("name", "subject", "phrases"),
    [
        ("09-late", "subscription:591", ["591-cancelled-2026-04-10", "6.4", "paid late", "now: 0.00"]),
        ("10-came", "subscription:601", ["601-cancelled-2026-03-01", "6.5", "'s end date", "now: 49.00 USD"]),
        ("06-inactive", "subscription:561", ["6.1", "its next bill date"]),
        ("05-end-date", "subscription:553", ["6.2", "End dates before the latest order", "2026-02-20"]),
        ("22-plan", "subscription:721", ["Plan changes that count twice", "followed by 722"]),
        ("03-interval", "subscription:531", ["another interval than their product's"]),
        ("08-moved", "order:9071", ["invoice 9071-c1300 of customer 1300", "2.1, 4.8", "belongs to contact 1300"]),
        ("20-orig", "order:9191", ["found by contact, plan and date", "701 fits by contact"]),
        ("20-orig", "order:9190", ["one_time", "no subscription fits"]),
        ("12-percent", "order:9111", ["4.4", "discount"]),
        ("11-tax", "order:9101", ["4.4", "4.5", "of that tax", "took"]),
        ("13-lines", "order:9121", ["4.6", "sum to the order's total"]),
        ("17-failed", "order:9162", ["5.5  failed payment", "5.3  successful payment"]),
        ("19-credit", "order:9181", ["5.7", "a credit"]),
        ("01-monthly", "contact:1207", ["customer 1207", "sent with: name", "lead created", "explain order:9001"]),
        ("07-invalid", "contact:1207", ["without an e-mail address"]),
    ],
)
def test_rule_7_2_what_is_said(name, subject, phrases):
    text = told(name, subject)
    for phrase in phrases:
        assert phrase in text


@pytest.mark.parametrize("case", CASES)
def test_rule_7_2_all_subjects_of_all_accounts_without_names_or_addresses(case):
    existing, decision = held_by(case)
    subjects = {f"contact:{each}" for each in existing.customers}
    for invoice in existing.invoices.values():
        subjects.add(f"order:{invoice.external_id.partition('-')[0]}")
        subjects |= {f"subscription:{line.subscription_external_id}" for line in invoice.line_items}
    personal = {
        text
        for customer in existing.customers.values()
        for text in (customer.email, customer.name, customer.company, customer.city)
        if text and not text.startswith("Keap contact")
    }
    for subject in sorted(subjects - {"subscription:None"}):
        text = "\n".join(explain(parse_subject(subject), existing, decision.remembered, case.runs[-1].now))
        assert text
        assert not [each for each in personal if each in text]


@pytest.mark.parametrize("case", CASES)
def test_rule_6_9_every_rule_and_source_of_a_cancellation_has_words(case):
    _, decision = held_by(case)
    assert set(decision.remembered.cancellation_rules) == set(decision.events)
    assert set(decision.remembered.cancellation_rules.values()) <= RULES.keys()
    assert set(decision.remembered.cancellation_sources.values()) <= SOURCES.keys()


def test_nothing_is_said_of_what_is_not_held():
    case = next(iter(cases()))
    existing, decision = held_by(case)
    assert explain(parse_subject("order:1"), existing, decision.remembered, case.runs[-1].now) == []


@pytest.mark.parametrize(
    ("amount", "text"), [(4900, "49.00 USD"), (5, "0.05 USD"), (-4905, "-49.05 USD"), (0, "0.00 USD")]
)
def test_money(amount, text):
    assert money(amount, "USD") == text
