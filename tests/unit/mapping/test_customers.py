"""§3 without plans, rule by rule, beside what the worked accounts 02, 07 and 23 show."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime

import pytest

from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import Customer, Invoice, LineItem
from target_chartmogul.sources.keap.account import Group, Remembered
from target_chartmogul.sources.keap.customers.contacts import email_fingerprint
from target_chartmogul.sources.keap.customers.customers import decide_customers
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
    return Invoice(external_id=name, customer_external_id=who, date=at, currency="USD", line_items=(line,))


def group(*, contacts=(), orders=(), subscriptions=(), customers=(), invoices=(), **remembered):
    return Group(
        contacts={each.id: each for each in contacts},
        orders={each.id: each for each in orders},
        subscriptions={each.id: each for each in subscriptions},
        existing=Holdings(
            customers={each.external_id: each for each in customers},
            invoices={each.external_id: each for each in invoices},
        ),
        remembered=Remembered(**remembered),
    )


def decided(given, invoices=(), **settings):
    return decide_customers(given, {each.external_id: each for each in invoices}, MappingSettings(**settings), NOW)


def one(given, invoices=(), **settings):
    (customer,) = decided(given, invoices, **settings).customers.values()
    return customer


def kinds(decision):
    return [(note.kind, note.id) for note in decision.notes]


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        pytest.param(group(contacts=[contact()]), {}, set(), id="3.1 nothing billed"),
        pytest.param(group(contacts=[contact()]), {"customer_scope": "all"}, {"7"}, id="3.1 all"),
        pytest.param(
            group(contacts=[contact()], subscriptions=[Subscription(id="5", contact_id="7")]),
            {},
            {"7"},
            id="3.1 subscription",
        ),
        pytest.param(group(contacts=[contact()], orders=[order()]), {}, {"7"}, id="3.1 order"),
        pytest.param(group(contacts=[contact()], orders=[order(status="DRAFT")]), {}, set(), id="3.1 a draft is none"),
        pytest.param(
            group(orders=[order(status="DRAFT")]), {}, set(), id="3.1 nor makes it a customer of a gone contact"
        ),
        pytest.param(
            group(contacts=[contact()], customers=[Customer(external_id="7")]), {}, {"7"}, id="3.1 held in ChartMogul"
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
    assert one(group(contacts=[contact(**fields)], orders=[order()])).name == name


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
    decision = decided(group(contacts=[contact(email_addresses=addresses)], orders=[order()]), email_fields=fields)
    assert decision.customers["7"].email == sent
    assert kinds(decision) == ([("dropped_emails", "7")] if dropped else [])


def test_rule_9_9_a_refused_address_is_not_tried_again_and_another_is():
    refused = {"refused_emails": {"7": email_fingerprint("a@example.com")}}
    given = group(contacts=[contact(email_addresses=emails(("EMAIL1", "a@example.com")))], orders=[order()], **refused)
    decision = decided(given)
    assert decision.customers["7"].email is None
    assert decision.refused_emails == refused["refused_emails"]
    given.contacts["7"].email_addresses = emails(("EMAIL1", "b@example.com"))
    decision = decided(given)
    assert decision.customers["7"].email == "b@example.com"
    assert decision.refused_emails == {}
    held = group(customers=[Customer(external_id="7", name="Mara")], **refused)
    assert decided(held).refused_emails == refused["refused_emails"]


def test_rule_9_1_no_address_stands_in_what_is_reported_or_remembered():
    given = group(contacts=[contact(email_addresses=emails(("EMAIL1", "mara@nowhere")))], orders=[order()])
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
    customer = one(group(contacts=[contact(addresses=addresses)], orders=[order()]))
    assert (customer.country, customer.state, customer.city, customer.zip) == expected


def test_rule_3_8_tags_and_custom_fields_by_allow_list():
    fields = [
        CustomField(id=3, content=["b", "a"]),
        CustomField(id="4", content=True),
        CustomField(id=5, content="  "),
        CustomField(id=6, content="secret"),
        CustomField(id=8, content={"y": 1, "x": 2.5}),
    ]
    given = group(contacts=[contact(tag_ids=[101, "102", "103"], custom_fields=fields)], orders=[order()])
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


@pytest.mark.parametrize(
    ("given", "invoices", "trial"),
    [
        pytest.param(group(contacts=[contact()], subscriptions=[SUBSCRIPTION]), [], CREATED, id="0b a subscription"),
        pytest.param(
            group(contacts=[contact()], orders=[order(items=["SUBSCRIPTION"])]),
            [],
            CREATED,
            id="0b a SUBSCRIPTION item",
        ),
        pytest.param(
            group(contacts=[contact()], orders=[order(), order("2", status="DRAFT", items=["SUBSCRIPTION"])]),
            [],
            None,
            id="9.9 drafts give none",
        ),
        pytest.param(group(contacts=[contact()], orders=[order()]), [], None, id="0b a product"),
        pytest.param(
            group(contacts=[contact()]), [invoice(subscription="6")], CREATED, id="6.7 a subscription that is gone"
        ),
        pytest.param(
            group(contacts=[contact(create_time=NOW.replace(year=2027))], subscriptions=[SUBSCRIPTION]),
            [],
            None,
            id="3.5 never in the future",
        ),
        pytest.param(
            group(
                contacts=[contact()],
                customers=[Customer(external_id="7", lead_created_at=CREATED, free_trial_started_at=CREATED)],
                invoices=[invoice("2")],
            ),
            [invoice("2")],
            CREATED,
            id="3.5 the order that showed it did not arrive",
        ),
        pytest.param(
            group(
                contacts=[contact()],
                orders=[order()],
                customers=[Customer(external_id="7", lead_created_at=CREATED, free_trial_started_at=CREATED)],
            ),
            [invoice()],
            None,
            id="3.5 it arrived, and shows it no more",
        ),
        pytest.param(
            group(
                customers=[Customer(external_id="7", lead_created_at=CREATED)],
                subscriptions=[SUBSCRIPTION],
            ),
            [],
            CREATED,
            id="3.5 the contact did not arrive, its first subscription did",
        ),
    ],
)
def test_rule_0b_a_trial_starts_when_the_contact_was_created(given, invoices, trial):
    assert one(given, invoices).free_trial_started_at == trial
    assert one(given, invoices, trial_source="none").free_trial_started_at is None


def test_rule_0b_an_order_that_is_not_sent_still_stands_for_a_trial_when_it_does_not_arrive_again():
    first = decided(group(contacts=[contact()], orders=[order("1", items=["SUBSCRIPTION"]), order("2")]))
    assert first.unsent_subscription_orders == {"7": "1"}
    again = group(contacts=[contact()], orders=[order("2")], unsent_subscription_orders={"7": "1"})
    assert decided(again) == first
    again.orders["1"] = order("1")
    assert decided(again).customers["7"].free_trial_started_at is None
    sent = decided(group(contacts=[contact()], orders=[order("1", items=["SUBSCRIPTION"])]), [invoice("1")])
    assert sent.unsent_subscription_orders == {}


TRIAL_ORDER = order(items=["SUBSCRIPTION", "DISCOUNT_FREE_TRIAL"])


def starts(day):
    return Subscription(id="5", contact_id="7", start_date=date(2026, 2, day))


@pytest.mark.parametrize(
    ("given", "invoices", "zone", "trial"),
    [
        pytest.param(
            group(contacts=[contact()], orders=[TRIAL_ORDER]),
            [invoice(subscription="5")],
            "UTC",
            ORDERED,
            id="3.5 a trial item",
        ),
        pytest.param(group(contacts=[contact()], orders=[TRIAL_ORDER]), [invoice()], "UTC", ORDERED, id="3.5 unlinked"),
        pytest.param(
            group(contacts=[contact()], subscriptions=[starts(2)]),
            [invoice(subscription="5"), invoice("2", at=NOW, subscription="5")],
            "UTC",
            ORDERED,
            id="3.5 a first order before the start",
        ),
        pytest.param(
            group(contacts=[contact()], subscriptions=[starts(2)]),
            [invoice(subscription="5")],
            "Europe/Berlin",
            None,
            id="3.5 its day in keap_timezone",
        ),
        pytest.param(
            group(contacts=[contact()], subscriptions=[starts(1)]),
            [invoice(subscription="5")],
            "UTC",
            None,
            id="3.5 on the day",
        ),
        pytest.param(
            group(contacts=[contact()], orders=[order("2", items=["DISCOUNT_FREE_TRIAL"], at=NOW), TRIAL_ORDER]),
            [invoice("2", at=NOW), invoice()],
            "UTC",
            ORDERED,
            id="9.3 the earliest",
        ),
        pytest.param(
            group(contacts=[contact()], orders=[TRIAL_ORDER]),
            [invoice(at=NOW.replace(year=2027))],
            "UTC",
            None,
            id="3.5 never in the future",
        ),
        pytest.param(
            group(
                contacts=[contact()],
                customers=[Customer(external_id="7", free_trial_started_at=ORDERED)],
                invoices=[invoice(), invoice("2", at=NOW)],
            ),
            [invoice(), invoice("2", at=NOW)],
            "UTC",
            ORDERED,
            id="3.5 the trial order did not arrive",
        ),
        pytest.param(
            group(
                contacts=[contact()],
                customers=[Customer(external_id="7", free_trial_started_at=CREATED)],
                invoices=[invoice()],
            ),
            [invoice()],
            "UTC",
            None,
            id="3.5 a date of another trial_source does not stay",
        ),
    ],
)
def test_rule_3_5_a_trial_starts_with_its_order(given, invoices, zone, trial):
    customer = one(given, invoices, trial_source="subscription", keap_timezone=zone)
    assert customer.free_trial_started_at == trial
    assert customer.lead_created_at == CREATED


def test_rules_1_3_and_3_5_the_trial_of_an_order_with_milliseconds_stays():
    """A customer's date is cut to seconds, an invoice's is not."""
    at = ORDERED.replace(microsecond=321_000)
    first = one(group(contacts=[contact()], orders=[TRIAL_ORDER]), [invoice(at=at)], trial_source="subscription")
    assert first.free_trial_started_at == ORDERED
    later = group(contacts=[contact()], customers=[first], invoices=[invoice(at=at)])
    assert one(later, [invoice(at=at)], trial_source="subscription") == first


def test_rule_9_3_a_gone_contact_is_what_its_latest_order_says():
    orders = [
        order("9", at=ORDERED, email="pat@example.com", name="Pat"),
        order("10", at=ORDERED, email="foo@bar", name="Patricia"),
    ]
    decision = decided(group(orders=orders))
    assert decision.customers == {"7": Customer(external_id="7", name="Patricia")}
    assert kinds(decision) == [("dropped_emails", "7"), ("customers_without_contact", "7")]
    assert decided(group(orders=orders[:1])).customers["7"].email == "pat@example.com"
    draft = order("11", at=NOW, name="Draft", status="DRAFT")
    assert decided(group(orders=[*orders, draft])).customers["7"].name == "Patricia"
    assert decided(group(orders=orders[:1]), email_fields=("EMAIL2",)).customers["7"].email is None


@pytest.mark.parametrize(
    ("held", "invoices", "name"),
    [
        pytest.param(
            Customer(external_id="7", name="Mara", lead_created_at=CREATED), [], "Mara", id="made of the contact"
        ),
        pytest.param(Customer(external_id="7", name="Old"), [], "Pat", id="made of an order"),
        pytest.param(
            Customer(external_id="7", name="Later"), [invoice("2", at=NOW)], "Later", id="made of a later order"
        ),
    ],
)
def test_rule_3_1_what_chartmogul_holds_of_a_gone_contact_stays_where_it_knows_better(held, invoices, name):
    given = group(orders=[order()], customers=[held], invoices=invoices)
    assert one(given, invoices).name == name


def test_rule_1_8_of_a_contact_in_no_record_nothing_is_written_and_the_report_says_so():
    decision = decided(group(subscriptions=[SUBSCRIPTION]))
    assert decision.customers == {}
    assert kinds(decision) == [("unknown_contacts", "7")]


def test_rule_3_1_a_customer_whose_contact_did_not_arrive_stays_as_it_is():
    held = Customer(external_id="7", name="Mara", city="Tempe", lead_created_at=CREATED, tags=("vip",))
    assert one(group(customers=[held])) == held
