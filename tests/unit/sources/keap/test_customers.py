"""§3 without plans, rule by rule, beside what the worked accounts 02, 07 and 23 show."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime

import pytest

from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import Customer, LineItem
from target_chartmogul.sources.keap.account import Account, Catalogue, Memories
from target_chartmogul.sources.keap.customers.contacts import email_fingerprint
from target_chartmogul.sources.keap.customers.customers import CustomerDecider
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.records import (
    Address,
    CompanyName,
    Contact,
    CustomField,
    EmailAddress,
    Order,
    OrderContact,
    OrderItem,
    Subscription,
)
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.support.billing_objects import bare_invoice

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
CREATED = datetime(2025, 3, 4, 16, 21, 9, tzinfo=UTC)
ORDERED = datetime(2026, 2, 1, 23, 30, tzinfo=UTC)


def contact(**fields):
    return Contact(**{"id": "7", "given_name": "Mara", "create_time": CREATED} | fields)


def order(order_id="1", who="7", *, status="PAID", at=ORDERED, items=("PRODUCT",), email=None, name="Pat"):
    return Order(
        id=order_id,
        status=status,
        order_time=at,
        contact=OrderContact(id=who, email=email, given_name=name),
        order_items=[OrderItem(id=f"{order_id}{n}", item_type=kind) for n, kind in enumerate(items)],
    )


def invoice(name="1", who="7", *, at=ORDERED, subscription=None):
    line = LineItem(
        external_id=f"{name}-10",
        type="subscription" if subscription else "one_time",
        amount_in_cents=4900,
        subscription_external_id=subscription,
    )
    return bare_invoice(external_id=name, customer_external_id=who, date=at, currency="USD", line_items=(line,))


def account(*, contacts=(), orders=(), subscriptions=(), customers=(), invoices=(), gone=(), **memories):
    return Account(
        contacts={each.id: each for each in contacts},
        orders={each.id: each for each in orders},
        subscriptions={each.id: each for each in subscriptions},
        gone={"contacts": frozenset(gone)},
        holdings=Holdings(
            customers={each.external_id: each for each in customers},
            invoices={each.external_id: each for each in invoices},
        ),
        memories=Memories(**memories),
    )


def decided(given, **settings):
    """Customers alone, without their trials."""
    return CustomerDecider(given, given.orders, frozenset(), MappingSettings(**settings), NOW).decide(
        given.holdings.invoices
    )


def one(given, **settings):
    (customer,) = decided(given, **settings).customers.values()
    return customer


def trial(given, **settings):
    """Through all rules, since a trial may begin with an order."""
    return (
        decide(given, Catalogue(), MappingSettings(currency="USD", **settings), NOW)
        .customers["7"]
        .free_trial_started_at
    )


def kinds(decision):
    return [(note.kind, note.id) for note in decision.notes]


HELD = Customer(external_id="7", name="Mara", lead_created_at=CREATED)


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        pytest.param(account(contacts=[contact()]), {}, set(), id="3.1 nothing billed"),
        pytest.param(account(contacts=[contact()]), {"customer_scope": "all"}, {"7"}, id="3.1 all"),
        pytest.param(
            account(contacts=[contact()], subscriptions=[Subscription(id="5", contact_id="7")]),
            {},
            {"7"},
            id="3.1 subscription",
        ),
        pytest.param(account(contacts=[contact()], orders=[order()]), {}, {"7"}, id="3.1 order"),
        pytest.param(
            account(contacts=[contact()], orders=[order(status="DRAFT")]), {}, set(), id="3.1 a draft is none"
        ),
        pytest.param(
            account(orders=[order(status="DRAFT")]), {}, set(), id="3.1 nor makes it a customer of a gone contact"
        ),
        pytest.param(account(customers=[HELD]), {}, {"7"}, id="1.4 without a record it stays"),
        pytest.param(account(contacts=[contact()], customers=[HELD]), {}, set(), id="1.4 its record says otherwise"),
        pytest.param(account(contacts=[contact()], customers=[HELD], gone=["7"]), {}, {"7"}, id="3.1 gone"),
        pytest.param(
            account(contacts=[contact()], customers=[HELD], gone=["7"]), {"hard_delete": True}, set(), id="hard_delete"
        ),
        pytest.param(
            account(contacts=[contact()], customers=[HELD], orders=[order()], gone=["7"]),
            {"hard_delete": True},
            {"7"},
            id="3.1 gone, with billing",
        ),
    ],
)
def test_rule_3_1_who_is_a_customer(given, settings, expected):
    assert set(decided(given, **settings).customers) == expected


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        pytest.param({"given_name": " Mara ", "family_name": "Quill"}, "Mara Quill", id="3.2 both"),
        pytest.param({"given_name": None, "family_name": "Quill"}, "Quill", id="3.2 one"),
        pytest.param(
            {"given_name": " ", "company": CompanyName(company_name=" Quill & Co ")}, "Quill & Co", id="3.2 company"
        ),
        pytest.param({"given_name": ""}, "Keap contact 7", id="3.2 none"),
        pytest.param({"given_name": "x" * 300}, "x" * 255, id="9.1 cut"),
    ],
)
def test_rule_3_2_names(fields, name):
    assert one(account(contacts=[contact(**fields)], orders=[order()])).name == name


def emails(*pairs):
    return [EmailAddress(field=field, email=address) for field, address in pairs]


@pytest.mark.parametrize(
    ("addresses", "fields", "sent", "dropped"),
    [
        pytest.param(emails(("EMAIL1", " a@example.com ")), ("EMAIL1",), "a@example.com", False, id="3.3 valid"),
        pytest.param(emails(("EMAIL1", "A@Example.COM")), ("EMAIL1",), "A@Example.COM", False, id="9.1 as it is"),
        pytest.param(emails(("EMAIL1", "foo@bar")), ("EMAIL1",), None, True, id="0f invalid"),
        pytest.param(emails(("EMAIL1", "a@b.invalid")), ("EMAIL1",), None, True, id="3.3 a name that cannot exist"),
        pytest.param(emails(("EMAIL1", " ")), ("EMAIL1",), None, False, id="9.1 nothing there"),
        pytest.param(emails(("EMAIL2", "a@example.com")), ("EMAIL1",), None, False, id="0f another field"),
        pytest.param(
            emails(("EMAIL2", "b@example.com"), ("EMAIL1", "foo@bar")),
            ("EMAIL1", "EMAIL2"),
            "b@example.com",
            False,
            id="0f the first valid one",
        ),
        pytest.param(
            emails(("EMAIL1", "a@example.com"), ("EMAIL2", "b@example.com")),
            ("EMAIL2", "EMAIL1"),
            "b@example.com",
            False,
            id="0f in the setting's order",
        ),
        pytest.param(None, ("EMAIL1",), None, False, id="0f none at all"),
    ],
)
def test_rules_0f_and_3_3_the_first_valid_address_is_sent(addresses, fields, sent, dropped):
    decision = decided(account(contacts=[contact(email_addresses=addresses)], orders=[order()]), email_fields=fields)
    assert decision.customers["7"].email == sent
    assert kinds(decision) == ([("dropped_emails", "7")] if dropped else [])


def test_rule_9_9_a_refused_address_is_not_tried_again_and_another_is():
    refused = {"refused_emails": {"7": email_fingerprint("a@example.com")}}
    given = account(
        contacts=[contact(email_addresses=emails(("EMAIL1", "a@example.com")))], orders=[order()], **refused
    )
    decision = decided(given)
    assert decision.customers["7"].email is None
    assert decision.refused_emails == refused["refused_emails"]
    given.contacts["7"].email_addresses = emails(("EMAIL1", "b@example.com"))
    decision = decided(given)
    assert decision.customers["7"].email == "b@example.com"
    assert decision.refused_emails == {}
    held = account(customers=[HELD], orders=[order()], **refused)
    assert decided(held).refused_emails == refused["refused_emails"]


def test_rule_9_1_no_address_stands_in_what_is_reported_or_remembered():
    given = account(contacts=[contact(email_addresses=emails(("EMAIL1", "mara@nowhere")))], orders=[order()])
    decision = decided(given)
    assert "mara" not in repr((decision.notes, decision.refused_emails))
    assert "mara" not in email_fingerprint("mara@example.com")


BILLING = Address(field="BILLING", locality="Tempe", region_code="US-AZ", country_code="USA", postal_code="85281")
SHIPPING = Address(field="SHIPPING", locality="Berlin", country_code="DEU", zip_code="10115")
EMPTY = Address(field="BILLING", line1=" ", locality="")


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        pytest.param([SHIPPING, BILLING], ("US", "AZ", "Tempe", "85281"), id="3.4 billing first"),
        pytest.param([EMPTY, SHIPPING], ("DE", None, "Berlin", "10115"), id="9.2 the first with content"),
        pytest.param(
            [Address(field="OTHER", locality="A"), Address(field="X", locality="B")],
            (None, None, "A", None),
            id="3.4 other",
        ),
        pytest.param([Address(locality="B")], (None, None, "B", None), id="3.4 else the first"),
        pytest.param([Address(country_code="US")], (None, None, None, None), id="9.2 two letters"),
        pytest.param(
            [Address(country_code="ZZZ", region_code="AZ")], (None, None, None, None), id="9.2 unknown, no country"
        ),
        pytest.param([Address(country_code=" usa ", region_code="US-")], ("US", None, None, None), id="3.4 spelling"),
        pytest.param([Address(locality="x" * 256)], (None, None, "x" * 255, None), id="3.4 cut"),
        pytest.param(None, (None, None, None, None), id="3.4 none"),
    ],
)
def test_rule_3_4_addresses(addresses, expected):
    customer = one(account(contacts=[contact(addresses=addresses)], orders=[order()]))
    assert (customer.country, customer.state, customer.city, customer.zip) == expected


def test_rule_3_8_tags_and_custom_fields_by_allow_list():
    fields = [
        CustomField(id=3, content=["b", "a"]),
        CustomField(id="4", content=True),
        CustomField(id=5, content="  "),
        CustomField(id=6, content="secret"),
        CustomField(id=8, content={"y": 1, "x": 2.5}),
    ]
    given = account(contacts=[contact(tag_ids=[101, "102", "103"], custom_fields=fields)], orders=[order()])
    customer = one(
        given,
        customer_tags={"101": "vip", "102": "coach"},
        customer_attributes={"3": "list", "4": "flag", "5": "empty", "8": "map"},
    )
    assert customer.tags == ("coach", "vip")
    assert dict(customer.custom) | {"map": ast.literal_eval(dict(customer.custom)["map"])} == {
        "list": "b, a",
        "flag": "true",
        "map": {"x": 2.5, "y": 1},
    }
    assert (one(given).tags, one(given).custom) == ((), ())


SUBSCRIPTION = Subscription(id="5", contact_id="7")


def names(order_id="1", who="7", kind="PRODUCT", subscription="5", at=ORDERED):
    given = order(order_id, who, items=[kind], at=at)
    given.order_items[0].subscription_id = subscription
    return given


@pytest.mark.parametrize(
    ("given", "started"),
    [
        pytest.param(account(contacts=[contact()], subscriptions=[SUBSCRIPTION]), CREATED, id="0b a subscription"),
        pytest.param(
            account(contacts=[contact()], orders=[order(items=["SUBSCRIPTION"])]), CREATED, id="0b a SUBSCRIPTION item"
        ),
        pytest.param(
            account(contacts=[contact()], orders=[order(items=["Subscription "])]), CREATED, id="0b however it is spelt"
        ),
        pytest.param(
            account(contacts=[contact()], orders=[names(kind="PRODUCT")]), CREATED, id="4.2 an item that names one"
        ),
        pytest.param(account(contacts=[contact()], orders=[names(kind="SHIPPING")]), None, id="4.2 shipping does not"),
        pytest.param(
            account(
                contacts=[contact(), contact(id="8")],
                orders=[names(kind="SUBSCRIPTION")],
                subscriptions=[Subscription(id="5", contact_id="8")],
            ),
            CREATED,
            id="0b the subscription moved, the order is still its own",
        ),
        pytest.param(
            account(
                contacts=[contact(), contact(id="8")],
                orders=[names(who="8", kind="SUBSCRIPTION"), order("2")],
                subscriptions=[Subscription(id="5", contact_id="8")],
            ),
            None,
            id="0b an order of somebody else",
        ),
        pytest.param(
            account(contacts=[contact()], orders=[order(), order("2", status="DRAFT", items=["SUBSCRIPTION"])]),
            None,
            id="9.9 drafts give none",
        ),
        pytest.param(account(contacts=[contact()], orders=[order()]), None, id="0b a product"),
        pytest.param(
            account(contacts=[contact()], invoices=[invoice(subscription="6")]),
            CREATED,
            id="6.7 a subscription that is gone, of an order that only ChartMogul knows",
        ),
        pytest.param(
            account(contacts=[contact(create_time=NOW.replace(year=2027))], subscriptions=[SUBSCRIPTION]),
            None,
            id="3.5 never in the future",
        ),
        pytest.param(
            account(
                contacts=[contact()],
                orders=[order()],
                customers=[Customer(external_id="7", lead_created_at=CREATED, free_trial_started_at=CREATED)],
            ),
            None,
            id="3.5 nothing shows it any more",
        ),
    ],
)
def test_rule_0b_a_trial_starts_when_the_contact_was_created(given, started):
    assert trial(given) == started
    assert trial(given, trial_source="none") is None
    assert trial(given, invoices_since="2026-05-01") == started, "whether an order is sent does not count"


TRIAL_ORDER = order(items=["SUBSCRIPTION", "DISCOUNT_FREE_TRIAL"])


def starts(day):
    return Subscription(id="5", contact_id="7", start_date=date(2026, 2, day), billing_cycle="MONTH")


@pytest.mark.parametrize(
    ("given", "zone", "started"),
    [
        pytest.param(account(contacts=[contact()], orders=[TRIAL_ORDER]), "UTC", ORDERED, id="3.5 a trial item"),
        pytest.param(
            account(
                contacts=[contact()],
                subscriptions=[starts(2)],
                orders=[names(kind="SUBSCRIPTION"), names("2", kind="SUBSCRIPTION", at=NOW)],
            ),
            "UTC",
            ORDERED,
            id="3.5 a first order before the start",
        ),
        pytest.param(
            account(contacts=[contact()], subscriptions=[starts(2)], orders=[names(kind="SUBSCRIPTION")]),
            "Europe/Berlin",
            None,
            id="3.5 its day in keap_timezone",
        ),
        pytest.param(
            account(contacts=[contact()], subscriptions=[starts(1)], orders=[names(kind="SUBSCRIPTION")]),
            "UTC",
            None,
            id="3.5 on the day",
        ),
        pytest.param(
            account(contacts=[contact()], orders=[order("2", items=["DISCOUNT_FREE_TRIAL"], at=NOW), TRIAL_ORDER]),
            "UTC",
            ORDERED,
            id="9.3 the earliest",
        ),
        pytest.param(
            account(
                contacts=[contact()],
                orders=[order("1", items=["SUBSCRIPTION", "DISCOUNT_FREE_TRIAL"], at=NOW.replace(year=2027))],
            ),
            "UTC",
            None,
            id="3.5 never in the future",
        ),
        pytest.param(
            account(
                contacts=[contact()],
                customers=[Customer(external_id="7", free_trial_started_at=ORDERED)],
                invoices=[invoice(at=ORDERED.replace(microsecond=321_000)), invoice("2", at=NOW)],
            ),
            "UTC",
            ORDERED,
            id="4.10 only ChartMogul knows the trial order",
        ),
        pytest.param(
            account(
                contacts=[contact()],
                customers=[Customer(external_id="7", free_trial_started_at=CREATED)],
                invoices=[invoice()],
            ),
            "UTC",
            None,
            id="3.5 a date of another trial_source does not stay",
        ),
    ],
)
def test_rule_3_5_a_trial_starts_with_its_order(given, zone, started):
    assert trial(given, trial_source="subscription", keap_timezone=zone) == started
    since = {"invoices_since": "2026-07-01"} if not given.holdings.invoices else {}
    assert trial(given, trial_source="subscription", keap_timezone=zone, **since) == started, "sent or not"


def test_rule_3_5_only_the_first_order_of_a_subscription_is_its_trial():
    given = account(
        contacts=[contact(), contact(id="8")],
        subscriptions=[starts(20)],
        orders=[names(who="8", kind="SUBSCRIPTION"), names("2", kind="SUBSCRIPTION", at=ORDERED.replace(day=5))],
    )
    how = {"trial_source": "subscription", "subscription_owner": "order"}
    customers = decide(given, Catalogue(), MappingSettings(currency="USD", **how), NOW).customers
    assert {key: each.free_trial_started_at for key, each in customers.items()} == {"7": None, "8": ORDERED}


def test_rule_3_5_the_date_of_an_order_with_milliseconds_is_cut():
    at = ORDERED.replace(microsecond=321_000)
    given = account(contacts=[contact()], orders=[order(items=["SUBSCRIPTION", "DISCOUNT_FREE_TRIAL"], at=at)])
    assert trial(given, trial_source="subscription") == ORDERED


def test_rule_9_3_a_gone_contact_is_what_its_latest_order_says():
    orders = [
        order("9", at=ORDERED, email="pat@example.com", name="Pat"),
        order("10", at=ORDERED, email="foo@bar", name="Patricia"),
    ]
    decision = decided(account(orders=orders))
    assert decision.customers == {"7": Customer(external_id="7", name="Patricia")}
    assert kinds(decision) == [("dropped_emails", "7"), ("customers_without_contact", "7")]
    assert decided(account(orders=orders[:1])).customers["7"].email == "pat@example.com"
    draft = order("11", at=NOW, name="Draft", status="DRAFT")
    assert decided(account(orders=[*orders, draft])).customers["7"].name == "Patricia"
    assert decided(account(orders=orders[:1]), email_fields=("EMAIL2",)).customers["7"].email is None


@pytest.mark.parametrize(
    ("held", "name"),
    [
        pytest.param(HELD, "Mara", id="made of the contact"),
        pytest.param(Customer(external_id="7", name="Old"), "Pat", id="made of an earlier order"),
    ],
)
@pytest.mark.parametrize("gone", [[], ["7"]])
def test_rule_3_1_a_gone_contact_keeps_what_was_sent_of_it(held, name, gone):
    contacts = [contact(given_name="Mara now")] if gone else []
    assert one(account(contacts=contacts, orders=[order()], customers=[held], gone=gone)).name == name


def test_rule_3_1_what_was_sent_of_a_gone_contact_stays_with_its_trial():
    held = Customer(external_id="7", name="Mara", city="Tempe", lead_created_at=CREATED, free_trial_started_at=CREATED)
    given = account(contacts=[contact()], orders=[order()], customers=[held], gone=["7"])
    assert decide(given, Catalogue(), MappingSettings(currency="USD"), NOW).customers == {"7": held}


def test_rule_1_8_of_a_contact_in_no_record_nothing_is_written_and_the_report_says_so():
    decision = decided(account(subscriptions=[SUBSCRIPTION]))
    assert decision.customers == {}
    assert kinds(decision) == [("unknown_contacts", "7")]
