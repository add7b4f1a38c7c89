"""One small story for every case that billing in Keap knows. Stories of money are in ``money_cases``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sandbox.clock import format_instant
from sandbox.sample import catalogue as shop
from sandbox.sample import rows
from sandbox.sample.books import Books
from sandbox.sample.calendar import at

Story = Callable[[Books], None]


def plain_plans(books: Books) -> None:
    """Show monthly, quarterly, yearly, weekly, two-weekly and 30-day plans, paid without a hitch."""
    for given, product, plan, start in (
        ("Mara", shop.COACHING, shop.COACHING_MONTHLY, books.day(2023, 11, 3)),
        ("Li", shop.COACHING, shop.COACHING_QUARTERLY, books.day(2023, 11, 30)),
        ("Noor", shop.COACHING, shop.COACHING_YEARLY, books.day(2024, 2, 29)),
        ("Ade", shop.BOX, shop.BOX_WEEKLY, books.day(2026, 5, 4)),
        ("Ines", shop.BOX, shop.BOX_TWO_WEEKLY, books.day(2025, 9, 1)),
        ("Pavel", shop.DAILY_NOTES, shop.DAILY_NOTES_PLAN, books.day(2026, 1, 1)),
        ("Sol", shop.STARTER, shop.STARTER_MONTHLY, books.day(2025, 1, 31)),
    ):
        contact = books.contact(given, "Plain", at(start, 9))
        books.run(books.subscribe(contact, product, plan, start), plan, product)


def yen(books: Books) -> None:
    """Show a currency without minor units: a subscription, a yearly one, a one-time order."""
    contact = books.contact("Yuki", "Mori", at(books.day(2025, 3, 1)), addresses=[_tokyo()])
    books.run(
        books.subscribe(contact, shop.STUDIO, shop.STUDIO_MONTHLY, books.day(2025, 3, 5)),
        shop.STUDIO_MONTHLY,
        shop.STUDIO,
    )
    other = books.contact("Ren", "Abe", at(books.day(2024, 6, 1)), addresses=[_tokyo()])
    books.run(
        books.subscribe(other, shop.STUDIO, shop.STUDIO_YEARLY, books.day(2024, 6, 10)), shop.STUDIO_YEARLY, shop.STUDIO
    )
    books.pay(
        books.order(other, at(books.day(2026, 2, 2)), [books.line(shop.POSTER)], currency="JPY"),
        at(books.day(2026, 2, 2), 13),
    )


def other_interval(books: Books) -> None:
    """Show a subscription that is billed yearly on a monthly plan, and one without a plan."""
    contact = books.contact("Uma", "Clash", at(books.day(2024, 4, 1)))
    odd = books.subscribe(
        contact, shop.COACHING, shop.COACHING_MONTHLY, books.day(2024, 4, 8), billing_cycle="YEAR", billing_amount=490.0
    )
    books.run(odd, shop.COACHING_MONTHLY, shop.COACHING)
    other = books.contact("Otto", "Planless", at(books.day(2026, 3, 1)))
    planless = books.subscribe(other, shop.COACHING, None, books.day(2026, 3, 9), billing_amount=35.0)
    books.run(planless, None, shop.COACHING)


def end_dates(books: Books) -> None:
    """Show a past, a future and a stale end date, one on the day of the last order, and a scheduled one."""
    today = books.now.date()
    for given, until, end, active in (
        ("Past", books.day(2026, 6, 15), books.day(2026, 7, 1), False),
        ("Future", today, books.day(2027, 2, 10), True),
        ("Today", books.day(2026, 8, 12), books.day(2026, 8, 12), False),
        ("Stale", today, books.day(2026, 3, 2), True),
        ("Staler", books.day(2026, 9, 12), books.day(2026, 3, 2), False),
    ):
        start = books.day(2025, 11, 12)
        contact = books.contact(given, "End", at(start, 8))
        held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, start)
        books.run(held, shop.COACHING_MONTHLY, shop.COACHING, until)
        if active:
            held["end_date"] = end.isoformat()
        else:
            books.stop(held, at(max(end, until), 17), end_date=end, reason="Too expensive")


def inactive_without_end(books: Books) -> None:
    """Show an inactive subscription without end date for each of the dates that are left to go by."""
    start, until = books.day(2026, 1, 14), books.day(2026, 6, 14)
    for given in ("Next", "PaidThrough", "LastBill", "Modified", "Nothing"):
        contact = books.contact(given, "Stopped", at(start, 8))
        held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, start)
        books.run(held, shop.COACHING_MONTHLY, shop.COACHING, until, paid=given in {"PaidThrough", "Next"})
        books.stop(held, at(books.day(2026, 6, 25), 10))
        if given == "PaidThrough":
            held["next_bill_date"] = books.day(2026, 5, 14).isoformat()  # before the last bill: Keap did not move it on
        if given in {"LastBill", "Modified", "Nothing"}:
            held["next_bill_date"] = None
        if given in {"Modified", "Nothing"}:
            held["last_bill_date"] = None
        if given == "Nothing":
            held["modification_time"] = None


def emails_and_names(books: Books) -> None:
    """Show bad, missing and second e-mail addresses, and contacts without a name."""
    day = books.day(2026, 4, 2)
    for given, family, emails, company in (
        ("Bad", "Mail", [("n/a", "EMAIL1")], None),
        ("Half", "Mail", [("foo@bar", "EMAIL1")], None),
        ("Twice", "Mail", [("not given", "EMAIL1"), ("twice@example.org", "EMAIL2")], None),
        ("No", "Mail", [], None),
        (None, None, [("office@example.org", "EMAIL1")], {"id": "9001", "company_name": "Bright & Sons"}),
        (None, None, [], None),
    ):
        contact = books.contact(given, family, at(day), company=company)
        contact["email_addresses"] = [
            {"email": email, "field": field, "is_opt_in": False, "email_opt_status": "UNENGAGED_NON_MARKETABLE"}
            for email, field in emails
        ]
        held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, day)
        books.run(held, shop.COACHING_MONTHLY, shop.COACHING)


def addresses(books: Books) -> None:
    """Show contacts who live elsewhere, and one without an address."""
    day = books.day(2026, 7, 7)
    berlin = rows.address("Berlin", "DE-BE", "DEU", "10115")
    for given, where in (
        ("Jonas", [berlin]),
        ("Ship", [rows.address("Leeds", "GB-LDS", "GBR", "LS1 4DY", "SHIPPING")]),
        ("Nowhere", []),
        ("Odd", [rows.address("Atlantis", "XX-00", "XXX", "0")]),
    ):
        contact = books.contact(given, "Where", at(day), addresses=where)
        held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, day)
        books.run(held, shop.COACHING_MONTHLY, shop.COACHING)


def trials(books: Books) -> None:
    """Show a free trial as an order item, a first order before the start date, and a trial that is not over."""
    contact = books.contact("Tess", "Trial", at(books.day(2026, 2, 1)))
    held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, books.day(2026, 2, 15))
    free = rows.item("", "14 days free", "DISCOUNT_FREE_TRIAL", discount=4900)
    books.order(
        contact, at(books.day(2026, 2, 1), 12, 30), [books.line(shop.COACHING, shop.COACHING_MONTHLY, held), free],
        source_type="CHECKOUT_FORM", status="PAID",
    )  # fmt: skip
    books.run(held, shop.COACHING_MONTHLY, shop.COACHING)
    early = books.contact("Earl", "Trial", at(books.day(2026, 5, 1)))
    later = books.subscribe(early, shop.STARTER, shop.STARTER_MONTHLY, books.day(2026, 5, 20))
    books.pay(books.order(early, at(books.day(2026, 5, 6)), [books.line(shop.MUG)]), at(books.day(2026, 5, 6), 13))
    books.run(later, shop.STARTER_MONTHLY, shop.STARTER)
    fresh = books.contact("Fred", "Trial", at(books.now.date() - timedelta(days=5)))
    books.subscribe(fresh, shop.COACHING, shop.COACHING_MONTHLY, books.now.date() + timedelta(days=9))


def originating(books: Books) -> None:
    """Show an order that created its subscription and does not name it; later ones do."""
    contact = books.contact("Orla", "First", at(books.day(2026, 3, 8)))
    held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, books.day(2026, 3, 10))
    orders = books.run(held, shop.COACHING_MONTHLY, shop.COACHING)
    orders[0]["order_items"][0]["subscription_id"] = None
    orders[0]["source_type"] = "CHECKOUT_FORM"
    alone = books.contact("Ola", "Alone", at(books.day(2026, 6, 1)))
    books.pay(
        books.order(alone, at(books.day(2026, 6, 2)), [books.line(shop.STARTER, shop.STARTER_MONTHLY)]),
        at(books.day(2026, 6, 2), 13),
    )


def moved(books: Books) -> None:
    """Show subscriptions that went to another contact: one keeps being billed, one was stopped after the move."""
    for stopped in (False, True):
        old = books.contact("Olga", "Before", at(books.day(2025, 8, 1)))
        new = books.contact("Nils", "After", at(books.day(2026, 5, 20)))
        held = books.subscribe(old, shop.COACHING, shop.COACHING_MONTHLY, books.day(2025, 8, 18))
        books.run(held, shop.COACHING_MONTHLY, shop.COACHING, books.day(2026, 5, 18))
        held["contact_id"] = new["id"]
        held["modification_time"] = format_instant(at(books.day(2026, 5, 21), 10))
        if stopped:
            books.stop(held, at(books.day(2026, 6, 3)), end_date=books.day(2026, 6, 10), reason="Left the company")
        else:
            for month in range(6, 12):
                day = books.day(2026, month, 18)
                books.pay(books.bill(held, at(day), shop.COACHING_MONTHLY, shop.COACHING), at(day, 13))


def two_owners(books: Books) -> None:
    """Show one order with subscriptions of two contacts, and a mug."""
    first = books.contact("Ana", "Pair", at(books.day(2026, 9, 1)))
    second = books.contact("Ben", "Pair", at(books.day(2026, 9, 1)))
    mine = books.subscribe(first, shop.COACHING, shop.COACHING_MONTHLY, books.day(2026, 10, 5))
    theirs = books.subscribe(second, shop.STARTER, shop.STARTER_MONTHLY, books.day(2026, 10, 5))
    items = [
        books.line(shop.COACHING, shop.COACHING_MONTHLY, mine),
        books.line(shop.STARTER, shop.STARTER_MONTHLY, theirs),
        books.line(shop.MUG),
    ]
    shared = books.order(first, at(books.day(2026, 10, 5)), items)
    books.pay(shared, at(books.day(2026, 10, 5), 13), 6000)
    for held in (mine, theirs):
        books.billed(held, books.day(2026, 10, 5))


def plan_change(books: Books) -> None:
    """Show a change of plan: a second subscription of the same product, the first stopped later."""
    contact = books.contact("Pia", "Switch", at(books.day(2025, 12, 1)))
    old = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, books.day(2025, 12, 9))
    books.run(old, shop.COACHING_MONTHLY, shop.COACHING, books.day(2026, 7, 9))
    new = books.subscribe(contact, shop.COACHING, shop.COACHING_YEARLY, books.day(2026, 7, 20))
    books.run(new, shop.COACHING_YEARLY, shop.COACHING)
    books.stop(old, at(books.day(2026, 8, 4)), end_date=books.day(2026, 8, 9), reason="Changed plan")


def came_back(books: Books) -> None:
    """Show a pause: no orders for three months, then billing goes on; the end date was cleared."""
    contact = books.contact("Cleo", "Back", at(books.day(2025, 10, 1)))
    held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, books.day(2025, 10, 6))
    books.run(held, shop.COACHING_MONTHLY, shop.COACHING, books.day(2026, 4, 6))
    for month in range(8, 12):
        day = books.day(2026, month, 6)
        books.pay(books.bill(held, at(day), shop.COACHING_MONTHLY, shop.COACHING), at(day, 13))


def gone(books: Books) -> None:
    """Show orders whose subscription, and orders whose contact, Keap no longer has."""
    start, until = books.day(2026, 2, 17), books.day(2026, 9, 17)
    contact = books.contact("Gil", "Gone", at(start, 8))
    held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, start)
    books.run(held, shop.COACHING_MONTHLY, shop.COACHING, until)
    del books.subscriptions[held["id"]]
    erased = books.contact("Eve", "Erased", at(start, 8))
    books.pay(books.order(erased, at(until), [books.line(shop.WORKSHOP)]), at(until, 13))
    del books.contacts[erased["id"]]


def bystanders(books: Books) -> None:
    """Show contacts who never bought anything."""
    for number in range(8):
        books.contact("Guest", f"Number{number}", at(books.day(2025, 1 + number, 3)), contact_type="Lead")


def _tokyo() -> dict[str, str]:
    return rows.address("Shibuya", "JP-13", "JPN", "150-0002")


STORIES: tuple[Story, ...] = (
    plain_plans, yen, other_interval, end_dates, inactive_without_end, emails_and_names, addresses, trials,
    originating, moved, two_owners, plan_change, came_back, gone, bystanders,
)  # fmt: skip
