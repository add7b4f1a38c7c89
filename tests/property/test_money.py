"""Money never gains or loses a hundredth, whatever comes (§4, §5)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from target_chartmogul.billing.money import (
    apportion,
    from_hundredths,
    minor_units,
    to_hundredths,
    to_hundredths_together,
    to_smallest,
)
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.unit.sources.keap.settle_cases import amounts, day, order, payment, row, settled

CURRENCIES = st.sampled_from(sorted(each.code for each in Currency if each.exponent is not None))
ZERO_DECIMALS = st.sampled_from(["hundredths", "units"])
AMOUNTS = st.integers(0, 10**9)


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_shares_sum_to_the_total_and_are_off_by_less_than_one(total, weights):
    if not sum(weights):
        weights[0] = 1
    shares = apportion(total, weights)
    assert sum(shares) == total
    assert min(shares) >= 0
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1
        assert weight or not share


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.data())
def test_equal_weights_differ_by_one_at_most_and_the_earlier_has_it(total, weights, data):
    weights[0] = weights[0] or 1
    weight = data.draw(st.sampled_from(weights))
    shares = [share for share, each in zip(apportion(total, weights), weights, strict=True) if each == weight]
    assert shares == sorted(shares, reverse=True)
    assert max(shares) - min(shares) <= 1


@given(st.lists(st.integers(-(10**7), 10**9), max_size=8), CURRENCIES, ZERO_DECIMALS)
def test_amounts_sent_together_sum_to_the_rounded_sum(smallest, currency, zero_decimal_amounts):
    sent = to_hundredths_together(smallest, currency, zero_decimal_amounts)
    assert sum(sent) == to_hundredths(sum(smallest), currency, zero_decimal_amounts)
    for before, after in zip(smallest, sent, strict=True):
        exact = Fraction(before, 10 ** minor_units(currency)) * 100
        if zero_decimal_amounts == "units" and minor_units(currency) == 0:
            exact = Fraction(before)
        assert abs(after - exact) < 1


@given(AMOUNTS, CURRENCIES, ZERO_DECIMALS)
def test_a_major_amount_is_exactly_its_smallest_units_and_comes_back(smallest, currency, zero_decimal_amounts):
    major = Decimal(smallest).scaleb(-minor_units(currency))
    assert to_smallest(major, currency) == smallest
    assert to_smallest(Decimal(str(float(major))), currency) == smallest
    if minor_units(currency) <= 2:
        sent = to_hundredths(smallest, currency, zero_decimal_amounts)
        assert from_hundredths(sent, currency, zero_decimal_amounts) == smallest


@st.composite
def accounts(draw):
    """Two orders, one with excluded items, one under two owners, and any mix of rows on them."""
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    unit = Decimal(1).scaleb(-minor_units(currency))
    totals = draw(st.tuples(st.integers(0, 90), st.integers(0, 90)))
    split = draw(st.integers(0, totals[1]))
    cents = to_hundredths_together([split, totals[1] - split], currency)
    refund_total = draw(st.integers(0, 60))
    kept = draw(st.one_of(st.none(), st.integers(0, to_hundredths(totals[0], currency))))
    excluded = None if kept is None else [("1", kept)]
    orders = [
        order("1", totals[0], currency=currency, refund_total=refund_total, invoices=excluded),
        order("2", totals[1], at=1, currency=currency, invoices=[("2-c5", cents[0]), ("2", cents[1])]),
    ]
    kinds = st.sampled_from(["Card", "Card", "Card", "Refund", "Credit", "Write Off"])
    ids = [str(8 + at) for at in range(draw(st.integers(0, 6)))]
    payments = [
        payment(
            each,
            str(draw(st.integers(0, 90)) * unit),
            draw(st.sampled_from([("1",), ("2",), ("1", "2"), ("2", "1")])),
            at=draw(st.integers(1, 4)),
            kind=draw(kinds),
            refunded_by=draw(st.sampled_from([None, None, *ids])),
        )
        for each in ids
    ]
    rows = [
        row(
            method,
            str(draw(st.integers(0, 60)) * unit),
            draw(st.sampled_from([("1",), ("2",), ("1", "2")])),
            at=draw(st.integers(1, 4)),
            good=method == "REFUND",
        )
        for method in draw(st.lists(st.sampled_from(["CAPTURE", "REFUND"]), max_size=4))
    ]
    return orders, payments, rows


SETTINGS = st.builds(MappingSettings, credits=st.sampled_from(["balance_transfer", "ignore"]))


@given(accounts(), SETTINGS)
def test_no_invoice_is_paid_above_its_total_or_refunded_above_what_was_paid(account, settings):
    orders, payments, rows = account
    answer = settled(orders, payments, rows, settings=settings)
    taken = 0
    for each in orders:
        settlement = answer.orders[each.order.id]
        for shell in each.invoices:
            sent = settlement.transactions[shell.external_id]
            total = shell.total_in_cents + sum(
                line.amount_in_cents for line in settlement.credit_lines.get(shell.external_id, ())
            )
            paid = sum(t.amount_in_cents for t in sent if (t.type, t.result) == ("payment", "successful"))
            refunded = sum(t.amount_in_cents for t in sent if t.type == "refund")
            assert total >= 0
            assert paid <= total
            assert refunded <= paid
            assert all(t.amount_in_cents > 0 for t in sent)
            assert len({t.external_id for t in sent}) == len(sent)
        if sum(shell.total_in_cents for shell in each.invoices) != each.total_before_exclusion_in_cents:
            continue
        taken += sum(amount for amount in amounts(settlement).values() if amount > 0) + settlement.excess_in_cents
    assert taken <= sum(abs(row.amount) for row in payments) * 100 + len(orders), "no cash is made up, but by rounding"


@given(accounts(), SETTINGS)
def test_the_order_of_arrival_does_not_matter(account, settings):
    orders, payments, rows = account
    expected = settled(orders, payments, rows, settings=settings)
    for turned in (orders[::-1], orders):
        again = settled(turned, payments[::-1], rows[::-1], settings=settings)
        assert again.orders == expected.orders


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 60))
def test_cash_is_taken_in_order_of_time_whatever_the_ids(paid, total):
    names = [str(9 + at) for at in range(len(paid))]
    for turned in list(permutations(names))[:6]:
        rows = [payment(name, str(amount), at=at) for at, (name, amount) in enumerate(zip(turned, paid, strict=True))]
        sent = settled([order("1", total * 100)], rows).orders["1"].transactions["1"]
        assert [t.date for t in sent] == [day(0) + timedelta(days=at) for at in range(len(sent))]
        assert [t.amount_in_cents for t in sent][:-1] == [amount * 100 for amount in paid][: max(len(sent) - 1, 0)]
        assert sum(t.amount_in_cents for t in sent) == min(sum(paid), total) * 100
