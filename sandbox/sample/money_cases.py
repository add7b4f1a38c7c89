"""Stories of money: taxes, discounts, failures, refunds, voids, credits, and orders that are not plain."""

from __future__ import annotations

from datetime import date, timedelta

from sandbox.clock import format_instant
from sandbox.keap.values import Row
from sandbox.sample import catalogue as shop
from sandbox.sample import rows
from sandbox.sample.books import Books, discount_item, tax_item
from sandbox.sample.calendar import at
from sandbox.sample.showcase import Story


def _held(books: Books, given: str, start: date, until: date | None = None, *, paid: bool = True) -> tuple[Row, Row]:
    """Return a new contact with a monthly membership, billed up to a day, and the subscription."""
    contact = books.contact(given, "Money", at(start, 8))
    held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, start)
    books.run(held, shop.COACHING_MONTHLY, shop.COACHING, until, paid=paid)
    return contact, held


def _billed(books: Books, given: str, day: date) -> Row:
    """Return the one order, not paid, of a new monthly membership."""
    contact = books.contact(given, "Money", at(day, 8))
    held = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, day)
    return books.bill(held, at(day), shop.COACHING_MONTHLY, shop.COACHING)


def taxes_and_discounts(books: Books) -> None:
    """Show three lines under 10 % discount and 7.25 % tax with shipping, free shipping, and a percentage alone."""
    contact = books.contact("Tax", "Money", at(books.day(2026, 9, 3)))
    held = books.subscribe(contact, shop.STARTER, shop.STARTER_MONTHLY, books.day(2026, 9, 3))
    shipping = rows.item("", "Shipping", "SHIPPING", 795)
    items = [
        books.line(shop.STARTER, shop.STARTER_MONTHLY, held),
        books.line(shop.JOURNAL),
        books.line(shop.MUG, quantity=2),
        shipping,
        discount_item("Welcome 10%", "DISCOUNT_ORDER_TOTAL", 957, special=(10.0, "PERCENT")),
        tax_item(8609, "7.25"),
    ]
    books.pay(books.order(contact, at(books.day(2026, 9, 3)), items), at(books.day(2026, 9, 3), 12, 0, 3))
    books.billed(held, books.day(2026, 9, 3))
    second = [
        books.line(shop.STARTER, shop.STARTER_MONTHLY, held),
        books.line(shop.GIFT_CARD),
        rows.item("", "Shipping", "SHIPPING", 500),
        discount_item("Free shipping", "DISCOUNT_SHIPPING", 500),
        tax_item(3333, "7.25"),
    ]
    books.pay(books.order(contact, at(books.day(2026, 10, 3)), second), at(books.day(2026, 10, 3), 12, 0, 3))
    books.billed(held, books.day(2026, 10, 3))
    third = [
        books.line(shop.STARTER, shop.STARTER_MONTHLY, held),
        rows.item(
            "", "Loyalty 15%", "DISCOUNT_PRODUCT", of_product=shop.STARTER, discount=0, special=(15.0, "PERCENT")
        ),
    ]
    books.pay(books.order(contact, at(books.day(2026, 11, 3)), third, total=2833), at(books.day(2026, 11, 3), 12, 0, 3))
    books.billed(held, books.day(2026, 11, 3))


def mixed_orders(books: Books) -> None:
    """Show one-time orders, a mixed one, quantities, fees and tips, instalments, and one with a due date."""
    contact = books.contact("Mix", "Money", at(books.day(2025, 5, 5)))
    one_time = [books.line(shop.WORKSHOP), books.line(shop.MUG, quantity=3)]
    books.pay(books.order(contact, at(books.day(2025, 5, 5)), one_time), at(books.day(2025, 5, 5), 13), type="PayPal")
    held = books.subscribe(contact, shop.COACHING, shop.COACHING_QUARTERLY, books.day(2026, 3, 5), quantity=2)
    extras = [
        books.line(shop.JOURNAL),
        rows.item("", "Setup fee", "FEE", 1500),
        rows.item("", "Tip", "TIP", 300),
        rows.item("", "Finance charge", "FINANCE_CHARGE", 120),
    ]
    first = books.bill(
        held, at(books.day(2026, 3, 5)), shop.COACHING_QUARTERLY, shop.COACHING, items=extras,
        due_time=format_instant(at(books.day(2026, 3, 20), 0)),
    )  # fmt: skip
    books.pay(first, at(books.day(2026, 3, 7)), type="Check")
    for day in (books.day(2026, 6, 5), books.day(2026, 9, 5)):
        books.pay(books.bill(held, at(day), shop.COACHING_QUARTERLY, shop.COACHING), at(day, 13))
    plan = {
        "auto_charge": True, "max_charge_attempts": 3, "days_between_retries": 2, "payment_method_id": "902",
        "initial_payment_amount": rows.money(6900), "initial_payment_percent": None,
        "initial_payment_date": books.day(2026, 8, 1).isoformat(),
        "plan_start_date": books.day(2026, 9, 1).isoformat(), "number_of_payments": 2,
        "days_between_payments": 30, "payment_plan_items": [],
    }  # fmt: skip
    slow = books.order(contact, at(books.day(2026, 8, 1)), [books.line(shop.WORKSHOP)], payment_plan=plan)
    for day, amount in ((books.day(2026, 8, 1), 6900), (books.day(2026, 9, 1), 6500), (books.day(2026, 10, 1), 6500)):
        books.pay(slow, at(day, 14), amount)
    program = books.subscribe(contact, shop.COACHING, shop.COACHING_MONTHLY, books.day(2026, 10, 9))
    line = books.line(shop.COACHING, shop.COACHING_MONTHLY, program, kind="PROGRAM")
    again = books.line(shop.COACHING, shop.COACHING_MONTHLY, program, price=600)
    books.pay(
        books.order(contact, at(books.day(2026, 10, 9)), [line, again]), at(books.day(2026, 10, 9), 13), type="Cash"
    )
    books.billed(program, books.day(2026, 10, 9))


def not_sent(books: Books) -> None:
    """Show a draft, an order without items, one for nothing, one in the future, and one nobody paid."""
    today = books.now.date()
    contact = books.contact("Draft", "Money", at(books.day(2026, 10, 1)))
    books.order(contact, at(books.day(2026, 10, 1)), [books.line(shop.WORKSHOP)], status="DRAFT")
    books.order(contact, at(books.day(2026, 10, 2)), [])
    coupon = discount_item("All free", "DISCOUNT_ORDER_TOTAL", shop.MUG["price"]["amount"])
    books.order(contact, at(books.day(2026, 10, 3)), [books.line(shop.MUG), coupon], status="PAID")
    later = books.order(contact, at(today + timedelta(days=10)), [books.line(shop.MUG)])
    later["creation_time"] = later["modification_time"] = format_instant(at(books.day(2026, 11, 19), 15))
    books.order(contact, at(books.day(2026, 10, 5)), [books.line(shop.JOURNAL)], status="VIEWED")


def uneven_totals(books: Books) -> None:
    """Show orders whose lines do not sum to the total, upwards and downwards."""
    contact = books.contact("Sum", "Money", at(books.day(2026, 10, 1)))
    for day, total in ((12, 1500), (13, 1400)):
        order = books.order(contact, at(books.day(2026, 10, day)), [books.line(shop.MUG)], total=total)
        books.pay(order, at(books.day(2026, 10, day), 13))


def failures(books: Books) -> None:
    """Show a charge that failed twice and was paid, one that was never paid, and one that is pending."""
    order = _billed(books, "Retry", books.day(2026, 10, 15))
    books.fail(order, at(books.day(2026, 10, 15), 12, 0, 31))
    books.fail(order, at(books.day(2026, 10, 17), 12, 0, 31), status="ERROR")
    books.pay(order, at(books.day(2026, 10, 19), 12, 1, 2))
    unpaid = _billed(books, "Never", books.day(2026, 10, 20))
    for day in (20, 22, 24):
        books.fail(unpaid, at(books.day(2026, 10, day), 12, 0, 31))
    pending = _billed(books, "Wait", books.day(2026, 11, 18))
    books.pay(pending, at(books.day(2026, 11, 18), 13), status="PENDING", type="Credit Card")


def late_payments(books: Books) -> None:
    """Show a cancellation for a failed payment that was then paid: still inactive, active again, and voluntary."""
    for given, active, failed in (("Late", False, True), ("Again", True, True), ("Chosen", False, False)):
        contact, held = _held(books, given, books.day(2026, 3, 11), books.day(2026, 8, 11))
        order = books.bill(held, at(books.day(2026, 9, 11)), shop.COACHING_MONTHLY, shop.COACHING)
        if failed:
            for day in (11, 13, 15):
                books.fail(order, at(books.day(2026, 9, day), 12, 0, 31))
        books.stop(
            held,
            at(books.day(2026, 9, 16)),
            end_date=books.day(2026, 9, 16),
            reason="Payment failed" if failed else "Bye",
        )
        books.pay(order, at(books.day(2026, 9, 28)), touch=failed)
        if active:
            held.update(
                active=True,
                end_date=None,
                reason_stopped=None,
                modification_time=format_instant(at(books.day(2026, 9, 28), 13)),
            )
            for month in (10, 11):
                again = books.bill(held, at(books.day(2026, month, 11)), shop.COACHING_MONTHLY, shop.COACHING)
                books.pay(again, at(books.day(2026, month, 11), 13))
        contact["update_time"] = format_instant(at(books.day(2026, 9, 28), 13))


def refunds_and_voids(books: Books) -> None:
    """Show refunds in all the ways in which Keap shows them, a void, and a double charge with its refund."""
    day, later = books.day(2026, 9, 22), books.day(2026, 9, 29)
    for given, amount, how in (
        ("Part", 2000, {"negative": True}),
        ("Full", 4900, {"negative": False}),
        ("Lone", 4900, {"negative": True, "linked": False}),
        ("Only", 1500, {"row": False}),
    ):
        payment = books.pay(_billed(books, given, day), at(day, 13))
        books.refund(payment, amount, at(later), **how)
    void = books.pay(_billed(books, "Void", day), at(day, 13))
    books.void(void, at(day, 20))
    double = _billed(books, "Double", day)
    books.pay(double, at(day, 13))
    excess = books.pay(double, at(day, 13, 5), 4900)
    books.refund(excess, 4900, at(later))
    too_much = _billed(books, "More", day)
    books.pay(too_much, at(day, 13), 5500, type="Check")


def shared_payments(books: Books) -> None:
    """Show one payment for two orders: shares as they are, in hundredths, and not told."""
    contact = books.contact("Both", "Money", at(books.day(2026, 9, 1)))
    for day, factor, shown in ((2, 1, True), (9, 100, True), (16, 1, False)):
        pair = [books.order(contact, at(books.day(2026, 9, day), hour), [books.line(shop.JOURNAL)]) for hour in (9, 10)]
        books.pay_together(pair, [1333, 3333], at(books.day(2026, 9, day + 3)), factor=factor, shown=shown)


def credits(books: Books) -> None:  # noqa: A001 - it is what Keap calls them
    """Show a credit with cash, one that does not settle the order, an adjustment, and a write-off."""
    day = books.day(2026, 10, 6)
    with_cash = _billed(books, "Credit", day)
    books.pay(with_cash, at(day, 13), 2900)
    books.adjust(with_cash, "Credit", 2000, at(day, 14))
    books.adjust(_billed(books, "Short", day), "Credit", 2000, at(day, 14))
    books.adjust(_billed(books, "Adjust", day), "Adjustment", 4900, at(day, 14))
    books.adjust(_billed(books, "Lost", day), "Write Off", 4900, at(books.day(2026, 11, 6)))


def negative_prices(books: Books) -> None:
    """Show a discount that stands as a negative price, not in ``discount``."""
    contact = books.contact("Minus", "Money", at(books.day(2026, 10, 8)))
    coupon = rows.item("", "Five off", "DISCOUNT_ORDER_TOTAL", -500)
    books.pay(
        books.order(contact, at(books.day(2026, 10, 8)), [books.line(shop.MUG), coupon]), at(books.day(2026, 10, 8), 13)
    )


STORIES: tuple[Story, ...] = (
    taxes_and_discounts, mixed_orders, not_sent, uneven_totals, failures, late_payments, refunds_and_voids,
    shared_payments, credits, negative_prices,
)  # fmt: skip
