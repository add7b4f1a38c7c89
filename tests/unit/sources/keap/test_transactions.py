"""§5 rule by rule, beside what the worked accounts 15 to 19, 21 and 24 show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from target_chartmogul.sources.keap.settings import MappingSettings
from tests.unit.sources.keap.settle_cases import (
    NOW,
    amounts,
    as_held,
    day,
    order,
    order_payment,
    payment,
    row,
    settled,
    unrecorded,
)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([payment("9", "49.00")], {"9-1": 4900}, id="5.1 else: payment"),
        pytest.param([payment("9", "49.00", status="PENDING")], {}, id="5.1 pending: not yet"),
        pytest.param([payment("9", "49.00", status="NONE")], {"9-1": 4900}, id="9.8 status NONE is final"),
        pytest.param([payment("9", "49.00", kind="Credit")], {}, id="5.1 credit is no cash"),
        pytest.param([payment("9", "-49.00", kind="Adjustment")], {}, id="5.1 non-cash whatever its sign"),
        pytest.param([payment("9", "49.00", kind=" write off ")], {}, id="5.1 write-off, however it is spelt"),
        pytest.param([payment("9", "0")], {}, id="5.3 nothing is not sent"),
        pytest.param(
            [payment("9", "49.00"), payment("10", "-20.00", at=2)],
            {"9-1": 4900, "10-1": -2000},
            id="5.1 refund by sign",
        ),
        pytest.param(
            [payment("9", "49.00"), payment("10", "20.00", at=2, kind="Refund")],
            {"9-1": 4900, "10-1": -2000},
            id="5.1 refund by type",
        ),
        pytest.param(
            [payment("9", "49.00", refunded_by="10"), payment("10", "20.00", (), at=2)],
            {"9-1": 4900, "10-1": -2000},
            id="5.4 refund without orders, named by its payment",
        ),
    ],
)
def test_rule_5_1_a_row_is_what_its_type_status_and_sign_say(rows, expected):
    assert amounts(settled([order()], rows).orders["1"]) == expected


def test_rule_5_1_a_setting_says_what_is_not_cash():
    rows = [payment("9", "49.00", kind="Barter")]
    answer = settled([order()], rows, settings=MappingSettings(non_cash_payment_types=("Barter",)))
    assert amounts(answer.orders["1"]) == {}
    assert answer.orders["1"].credit_lines["1"][0].amount_in_cents == -4900


@pytest.mark.parametrize(
    ("rows", "order_payments", "expected"),
    [
        pytest.param([row("VOID", payment_id="9")], [], {}, id="a successful VOID"),
        pytest.param([row("VOID", payment_id="9", good=False)], [], {"9-1": 4900}, id="a VOID that failed"),
        pytest.param([row("VOID", payment_id="8")], [], {"9-1": 4900}, id="another payment's"),
        pytest.param([], [order_payment("9", "1", "49", "VOIDED")], {}, id="9.8 a VOIDED order payment"),
    ],
)
def test_rule_5_1_a_voided_payment_never_was(rows, order_payments, expected):
    answer = settled([order()], [payment("9", "49.00")], rows, order_payments)
    assert amounts(answer.orders["1"]) == expected


def test_rule_5_1_classes_are_tried_in_order_so_that_a_voided_credit_is_a_credit():
    answer = settled([order()], [payment("9", "49.00", kind="Credit")], [row("VOID", payment_id="9")])
    assert [line.amount_in_cents for line in answer.orders["1"].credit_lines["1"]] == [-4900]


TWO = [order("1", 4900), order("2", 6000, at=17)]


@pytest.mark.parametrize(
    ("rows", "order_payments", "expected"),
    [
        pytest.param(
            [payment("9", "98.00", ("1", "2"))],
            [order_payment("9", "1", "38"), order_payment("9", "2", "60")],
            {"9-1": 3800, "9-2": 6000},
            id="5.2 as order payments say, in major units",
        ),
        pytest.param(
            [payment("9", "90.00", ("1", "2"))],
            [order_payment("9", "1", "3000"), order_payment("9", "2", "6000")],
            {"9-1": 3000, "9-2": 6000},
            id="5.2 in hundredths",
        ),
        pytest.param(
            [payment("9", "90.00", ("2", "1"))],
            [order_payment("9", "1", "30"), order_payment("9", "2", "61")],
            {"9-1": 4900, "9-2": 4100},
            id="5.2 order payments that do not sum to it are not believed",
        ),
        pytest.param(
            [payment("9", "98.00", ("1", "2"))],
            [order_payment("9", "1", "38", "VOIDED"), order_payment("9", "2", "60")],
            {"9-2": 6000},
            id="9.8 a VOIDED part is that order's alone",
        ),
        pytest.param(
            [payment("8", "10.00", ("1",), at=5), payment("9", "88.00", ("2", "1"), at=4)],
            [],
            {"8-1": 1000, "9-1": 3900, "9-2": 4900},
            id="5.2 the older order first, less its other cash, later cash too",
        ),
        pytest.param(
            [payment("8", "60.00", ("1", "2")), payment("9", "60.00", ("1", "2"), at=2)],
            [],
            {"8-1": 4900, "8-2": 1100, "9-2": 4900},
            id="5.2 two such payments, the earlier first; 11.00 are too much",
        ),
        pytest.param([payment("9", "98.00", ("2", "2"))], [], {"9-2": 6000}, id="5.2 one order, named twice"),
    ],
)
def test_rule_5_2_a_payment_over_several_orders_is_shared(rows, order_payments, expected):
    answer = settled(TWO, rows, (), order_payments)
    assert amounts(answer.orders["1"]) | amounts(answer.orders["2"]) == expected


def test_rule_5_2_what_no_order_has_room_for_is_the_last_ones_excess():
    answer = settled(TWO, [payment("9", "120.00", ("1", "2"))])
    assert amounts(answer.orders["1"]) | amounts(answer.orders["2"]) == {"9-1": 4900, "9-2": 6000}
    assert [answer.orders[each].excess_in_cents for each in ("1", "2")] == [0, 1100]


def test_rule_5_2_an_order_that_is_sent_in_no_part_uses_its_part_up():
    excluded = order("1", 4900, invoices=())
    answer = settled([excluded, TWO[1]], [payment("9", "88.00", ("1", "2"))])
    assert answer.orders["1"].transactions == {}
    assert amounts(answer.orders["2"]) == {"9-2": 3900}


def test_rule_5_3_cash_goes_up_to_the_total_in_order_of_time_and_the_rest_is_remembered():
    rows = [payment("9", "30.00", at=3), payment("10", "30.00", at=2), payment("8", "5.00", at=3)]
    answer = settled([order()], rows)
    assert amounts(answer.orders["1"]) == {"10-1": 3000, "8-1": 500, "9-1": 1400}
    assert answer.orders["1"].excess_in_cents == 1600
    assert [(note.kind, note.id, note.detail["amount_in_cents"]) for note in answer.notes] == [("excess", "1", 1600)]


def test_rule_4_8_payments_and_refunds_fill_the_first_invoice_first():
    two_owners = order("1", 7800, invoices=[("1-c3", 4900), ("1", 2900)])
    rows = [payment("9", "60.00", refunded_by="10"), payment("10", "-55.00", (), at=2)]
    answer = settled([two_owners], rows, [row("CAPTURE", good=False, status="FAILED")])
    assert amounts(answer.orders["1"]) == {"9-1-c3": 4900, "9-1": 1100, "10-1-c3": -4900, "10-1": -600}
    assert [each.result for each in answer.orders["1"].transactions["1-c3"]].count("failed") == 1


def test_rules_4_8_and_5_2_an_invoice_below_zero_makes_no_payment_larger_than_it_was():
    two_owners = order("1", 4500, invoices=[("1", -500), ("1-c3", 5000)])
    back = payment("10", "-45", at=3)
    assert amounts(settled([two_owners], [payment("9", "45")]).orders["1"]) == {"9-1-c3": 4500}
    assert amounts(settled([two_owners], [payment("8", "20"), payment("9", "25"), back]).orders["1"]) == {
        "8-1-c3": 2000,
        "9-1-c3": 2500,
        "10-1-c3": -4500,
    }


def test_rules_4_8_and_8_what_rounding_left_is_measured_by_all_invoices_together():
    two_owners = order("1", 4500, before_exclusion=9000, invoices=[("1", -500), ("1-c3", 5000)])
    rows = [payment("8", "30.01"), payment("9", "59.99", at=2)]
    assert amounts(settled([two_owners], rows).orders["1"]) == {"8-1-c3": 1501, "9-1-c3": 2999}


@pytest.mark.parametrize(
    ("rows", "expected", "excess"),
    [
        pytest.param(
            [payment("8", "49.00"), payment("9", "49.00", at=2), payment("10", "-49.00", at=3)],
            {"8-1": 4900},
            0,
            id="all of it is set against the excess",
        ),
        pytest.param(
            [payment("8", "49.00"), payment("9", "9.00", at=2), payment("10", "-19.00", at=3)],
            {"8-1": 4900, "10-1": -1000},
            0,
            id="a part",
        ),
        pytest.param(
            [payment("8", "49.00"), payment("9", "9.00", at=2), payment("10", "-4.00", at=3)],
            {"8-1": 4900},
            500,
            id="what is left of it is remembered",
        ),
        pytest.param(
            [payment("8", "20.00"), payment("10", "-49.00", at=3)],
            {"8-1": 2000, "10-1": -2000},
            0,
            id="at most what was paid",
        ),
    ],
)
def test_rule_5_4_a_refund_is_set_against_the_excess_first(rows, expected, excess):
    answer = settled([order()], rows)
    assert amounts(answer.orders["1"]) == expected
    assert answer.orders["1"].excess_in_cents == excess


def test_rule_5_4_what_was_paid_is_paid_back_once():
    answer = settled([order()], [payment("9", "20"), payment("10", "-15", at=2), payment("11", "-15", at=3)])
    assert amounts(answer.orders["1"]) == {"9-1": 2000, "10-1": -1500, "11-1": -500}
    assert [(note.kind, note.id, note.detail) for note in answer.notes] == [
        ("refunds_above_payments", "11", {"amount_in_cents": 1000})
    ]


def test_rule_5_4_a_refund_over_several_orders_goes_by_their_date():
    rows = [payment("8", "49.00"), payment("9", "60.00", ("2",)), payment("10", "-70.00", ("2", "1"), at=3)]
    answer = settled(TWO, rows)
    assert amounts(answer.orders["1"]) == {"8-1": 4900, "10-1": -4900}
    assert amounts(answer.orders["2"]) == {"9-2": 6000, "10-2": -2100}


@pytest.mark.parametrize("turned", [False, True])
def test_rule_5_4_a_refund_that_two_payments_name_is_on_the_orders_of_both(turned):
    rows = [payment("8", "49.00", refunded_by="10"), payment("9", "60.00", ("2",), refunded_by="10")]
    back = payment("10", "-70.00", (), at=3)
    answer = settled(TWO, [*(reversed(rows) if turned else rows), back])
    assert amounts(answer.orders["1"]) == {"8-1": 4900, "10-1": -4900}
    assert amounts(answer.orders["2"]) == {"9-2": 6000, "10-2": -2100}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([payment("10", "-49.00", ())], id="no orders, and no payment names it"),
        pytest.param([payment("10", "-49.00", ("1",))], id="its order has no payment"),
    ],
)
def test_rule_5_4_a_refund_whose_original_is_not_known_yet_waits(rows):
    answer = settled([order()], rows)
    assert [(each.id, each.reason, each.rule, each.due) for each in answer.waiting] == [
        ("10", "unsettled", "5.4", None)
    ]
    assert amounts(answer.orders["1"]) == {}


def test_rule_5_4_a_refund_of_a_payment_that_never_was_does_not_wait():
    rows = [payment("9", "49.00", refunded_by="10"), payment("10", "-49.00", at=2)]
    answer = settled([order()], rows, [row("VOID", payment_id="9")])
    assert amounts(answer.orders["1"]) == {}
    assert answer.waiting == []
    assert [note.kind for note in answer.notes] == ["refunds_above_payments"]


@pytest.mark.parametrize(
    ("rows", "expected", "excess"),
    [
        pytest.param(
            [payment("8", "12.346"), payment("9", "12.346", at=2), payment("10", "-12.346", at=3)],
            {"8-1": 1235},
            0,
            id="paid twice, one is refunded",
        ),
        pytest.param(
            [
                *(payment("8", "12.346"), payment("9", "12.346", at=2)),
                *(payment("10", "-12.346", at=3), payment("11", "-12.346", at=4)),
            ],
            {"8-1": 1235, "11-1": -1235},
            0,
            id="paid twice, both are refunded",
        ),
        pytest.param([payment("8", "12.346"), payment("9", "12.346", at=2)], {"8-1": 1235}, 1235, id="paid twice"),
        pytest.param(
            [payment("8", "12.346"), payment("10", "-6.173", at=3), payment("11", "-6.173", at=4)],
            {"8-1": 1235, "10-1": -618, "11-1": -617},
            0,
            id="refunded in two parts",
        ),
    ],
)
def test_rules_4_and_5_4_three_decimals_are_set_against_the_excess_before_they_are_rounded(rows, expected, excess):
    answer = settled([order("1", 12346, currency="KWD")], rows)
    assert amounts(answer.orders["1"]) == expected
    assert answer.orders["1"].excess_in_cents == excess


@pytest.mark.parametrize(
    ("refund_total", "payments", "rows", "expected"),
    [
        pytest.param(2000, [], [row("REFUND", "20.00", at=5)], [2000], id="seen only there"),
        pytest.param(0, [], [row("REFUND", "20.00", at=5)], [], id="Keap's refund_total does not have it"),
        pytest.param(2000, [], [row("REFUND", "20.00", at=5, good=False)], [], id="did not succeed"),
        pytest.param(1500, [], [row("REFUND", "20.00", at=5)], [1500], id="up to refund_total"),
        pytest.param(
            2000, [payment("10", "-20.00", at=5)], [row("REFUND", "20.00", at=5)], [2000], id="found among the payments"
        ),
        pytest.param(
            3500,
            [payment("10", "-15.00", at=5)],
            [row("REFUND", "15.00", at=5.1), row("REFUND", "20.00", at=6)],
            [1500, 2000],
            id="one of two found",
        ),
        pytest.param(
            3000,
            [payment("10", "-15.00", at=5)],
            [row("REFUND", "15.00", at=5.1), row("REFUND", "20.00", at=6)],
            [1500, 1500],
            id="one of two found, the rest up to refund_total",
        ),
    ],
)
def test_rule_5_4_refund_rows_count_for_what_refund_total_has_beyond_the_payments(
    refund_total, payments, rows, expected
):
    answer = settled([order(refund_total=refund_total)], [payment("9", "49.00"), *payments], rows)
    sent = [each for each in answer.orders["1"].transactions["1"] if each.type == "refund"]
    assert [each.amount_in_cents for each in sent] == expected
    if not payments and sent:
        assert sent[0].external_id.startswith("1-refund-")


def test_rule_5_4_refund_rows_of_two_orders_may_be_alike():
    orders = [order("1", refund_total=4900), order("2", at=17, refund_total=4900)]
    cash = [payment("8", "49.00"), payment("9", "49.00", ("2",), at=17)]
    rows = [row("REFUND", orders=(each,), at=20) for each in ("1", "2")]
    answer = settled(orders, cash, rows)
    assert [sum(amounts(answer.orders[each]).values()) for each in ("1", "2")] == [0, 0]
    assert answer.notes == []


def test_rule_5_4_a_refund_row_of_two_orders_is_used_up_once_and_stays_on_both():
    orders = [order("1", refund_total=4900), order("2", at=17, refund_total=4900)]
    cash = [payment("8", "49.00"), payment("9", "49.00", ("2",), at=17)]
    answer = settled(orders, cash, [row("REFUND", "60.00", ("1", "2"), at=20)])
    assert [sum(amounts(answer.orders[each]).values()) for each in ("1", "2")] == [0, 3800]


def test_rule_5_4_what_refund_total_has_and_no_row_shows_is_reported():
    answer = settled([order(refund_total=2000)], [payment("9", "49.00")])
    assert [(note.kind, note.id) for note in answer.notes] == [("refunds_not_found", "1")]


@pytest.mark.parametrize(
    ("attempt", "sent"),
    [
        pytest.param(row("CAPTURE", good=False, status="FAILED"), True, id="capture"),
        pytest.param(row("MANUAL", good=False, status="ERROR"), True, id="manual"),
        pytest.param(row("CAPTURE", good=False, status="PENDING"), False, id="pending"),
        pytest.param(row("CAPTURE", good=True), False, id="succeeded: its payment says so"),
        pytest.param(row("REFUND", good=False, status="FAILED"), False, id="a refund that failed"),
        pytest.param(row("CAPTURE", "0", good=False, status="FAILED"), False, id="nothing"),
    ],
)
def test_rule_5_5_failed_attempts_are_sent_and_use_up_nothing(attempt, sent):
    answer = settled([order()], [payment("9", "49.00", at=2)], [attempt])
    failed = [each for each in answer.orders["1"].transactions["1"] if each.result == "failed"]
    assert [(each.type, each.amount_in_cents, each.date) for each in failed] == (
        [("payment", 4900, day(1))] if sent else []
    )
    assert amounts(answer.orders["1"]) == {"9-1": 4900}


def test_rule_2_identical_attempts_are_one_and_others_are_not():
    same = row("CAPTURE", good=False, status="FAILED", reference="a")
    other = row("CAPTURE", good=False, status="FAILED", reference="b")
    answer = settled([order()], (), [same, same, other])
    assert len({each.external_id for each in answer.orders["1"].transactions["1"]}) == 2
    assert len(answer.orders["1"].transactions["1"]) == 2


def test_rule_5_5_an_attempt_for_several_orders_is_on_the_first():
    answer = settled(TWO, (), [row("CAPTURE", "109.00", ("2", "1"), good=False, status="FAILED")])
    assert len(answer.orders["1"].transactions["1"]) == 1
    assert answer.orders["2"].transactions["2"] == ()


def test_rule_5_6_what_is_dated_in_the_future_waits_for_its_day():
    rows = [payment("9", "49.00", at=200), payment("10", "-9.00", at=201), payment("11", "5", at=202, kind="Credit")]
    attempts = [row("CAPTURE", good=False, status="FAILED", at=203), row("REFUND", at=204)]
    answer = settled([order()], rows, attempts)
    assert answer.orders["1"].transactions["1"] == ()
    assert {(each.stream, each.reason, each.due) for each in answer.waiting} == {
        ("payments", "future", day(200)),
        ("payments", "future", day(201)),
        ("payments", "future", day(202)),
        ("transactions", "future", day(203)),
        ("transactions", "future", day(204)),
    }
    assert answer.next_due == day(200)
    assert settled([order()], [payment("9", "49.00", at=(NOW - day(0)).days)]).waiting == []


@pytest.mark.parametrize(
    ("rows", "lines", "cash", "written_off"),
    [
        pytest.param([("29", "Card"), ("20", "Credit")], [-2000], 2900, False, id="5.7 credit with cash"),
        pytest.param([("49", "Adjustment")], [-4900], 0, False, id="5.7 adjustment alone"),
        pytest.param([("20", "Credit"), ("29", "Adjustment")], [-2000, -2900], 0, False, id="5.7 each is a line"),
        pytest.param([("20", "Credit")], [], 0, False, id="5.7 does not settle it: none is sent"),
        pytest.param([("-29", "Credit"), ("20", "Card")], [-2900], 2000, False, id="5.1 whatever its sign"),
        pytest.param([("60", "Credit")], [-4900], 0, False, id="9.9 never below zero"),
        pytest.param([("20", "Credit"), ("49", "Card")], [-2000], 2900, False, id="9.9 cash up to what credits leave"),
        pytest.param([("49", "Write Off")], [], 0, True, id="5.7 written off in full"),
        pytest.param([("20", "Card"), ("29", "Write Off")], [], 2000, True, id="9.9 write-offs settle what is left"),
        pytest.param([("20", "Card"), ("28", "Write Off")], [], 2000, False, id="9.9 they do not"),
        pytest.param([("20", "Credit"), ("29", "Write Off")], [], 0, False, id="9.9 not alone"),
        pytest.param([("49", "Card"), ("49", "Write Off")], [], 4900, False, id="9.9 nothing is left"),
        pytest.param([("49", "Credit"), ("49", "Write Off")], [-4900], 0, False, id="9.9 credits settled it"),
    ],
)
def test_rule_5_7_credits_and_write_offs(rows, lines, cash, written_off):
    payments = [payment(str(9 + at), amount, at=at, kind=kind) for at, (amount, kind) in enumerate(rows)]
    settlement = settled([order()], payments).orders["1"]
    made = settlement.credit_lines.get("1", ())
    assert [line.amount_in_cents for line in made] == lines
    assert all(
        (line.type, line.description, line.balance_transfer) == ("one_time", "Keap credit", True) for line in made
    )
    assert sum(amounts(settlement).values()) == cash
    assert settlement.excess_in_cents == sum(int(amount) for amount, kind in rows if kind == "Card") * 100 - cash
    assert settlement.written_off is written_off


@pytest.mark.parametrize(
    ("rows", "lines", "cash", "written_off"),
    [
        pytest.param([("6.173", "Card"), ("6.173", "Credit")], [-617], 618, False, id="5.7 credit with cash"),
        pytest.param([("6.172", "Card"), ("6.173", "Credit")], [], 617, False, id="5.7 does not settle it"),
        pytest.param([("6.173", "Card"), ("6.173", "Write Off")], [], 617, True, id="9.9 write-offs settle the rest"),
        pytest.param([("12.345", "Write Off")], [], 0, False, id="9.9 they do not"),
        pytest.param([("6.173", "Credit"), ("6.173", "Credit")], [-618, -617], 0, False, id="5.7 each is a line"),
    ],
)
def test_rule_5_7_three_decimals_settle_an_order_before_they_are_rounded(rows, lines, cash, written_off):
    payments = [payment(str(9 + at), amount, at=at, kind=kind) for at, (amount, kind) in enumerate(rows)]
    settlement = settled([order("1", 12346, currency="KWD")], payments).orders["1"]
    assert [line.amount_in_cents for line in settlement.credit_lines.get("1", ())] == lines
    assert sum(amounts(settlement).values()) == cash
    assert settlement.written_off is written_off


def test_rules_4_8_and_9_9_credits_are_on_the_first_invoice_and_no_cash_is_made_up_for_the_second():
    two_owners = order("1", 7800, invoices=[("1-c3", 4900), ("1", 2900)])
    settlement = settled([two_owners], [payment("9", "60", kind="Credit"), payment("10", "20")]).orders["1"]
    assert [line.amount_in_cents for line in settlement.credit_lines["1-c3"]] == [-4900]
    assert amounts(settlement) == {"10-1": 2000}
    assert settlement.excess_in_cents == 0


def test_rule_5_7_credits_ignored_leave_the_cash_alone():
    payments = [payment("9", "29"), payment("10", "20", kind="Credit")]
    settlement = settled([order()], payments, settings=MappingSettings(credits="ignore")).orders["1"]
    assert settlement.credit_lines == {}
    assert amounts(settlement) == {"9-1": 2900}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([payment("9", "64.80")], {"9-1": 4536}, id="whole"),
        pytest.param([payment("9", "10.00")], {"9-1": 700}, id="a part"),
        pytest.param([payment("9", "0.05")], {"9-1": 4}, id="half-up"),
        pytest.param(
            [payment(str(9 + at), "6.48", at=at) for at in range(10)],
            {f"{9 + at}-1": 454 for at in range(9)} | {"18-1": 450},
            id="paid in full is paid in full, to the cent",
        ),
        pytest.param(
            [payment("9", "64.80"), payment("10", "-64.80", at=2)], {"9-1": 4536, "10-1": -4536}, id="refunded in full"
        ),
        pytest.param([payment("9", "64.80"), payment("10", "5.00", at=2)], {"9-1": 4536}, id="excess"),
    ],
)
def test_rule_8_excluded_items_take_their_share_of_the_payments(rows, expected):
    kept = order("1", 6480, invoices=[("1", 4536)])
    assert amounts(settled([kept], rows).orders["1"]) == expected


def test_rule_8_shares_that_are_rounded_down_leave_nothing_open():
    kept = order("1", 3000, invoices=[("1", 1000)])
    rows = [payment(str(at), "10", at=at) for at in (1, 2, 3)]
    assert list(amounts(settled([kept], rows).orders["1"]).values()) == [333, 333, 334]
    assert list(amounts(settled([kept], rows[:2]).orders["1"]).values()) == [333, 333]
    back = payment("4", "-30", at=4)
    assert list(amounts(settled([kept], [*rows, back]).orders["1"]).values()) == [333, 333, 334, -1000]


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        pytest.param([payment("9", "49.00", ())], [("9", {})], id="9.8 names no order"),
        pytest.param([payment("9", "49.00", ("5",))], [("9", {"order": "5"})], id="1.8 its order did not arrive"),
        pytest.param([payment("9", "49.00", (), status="PENDING")], [], id="9.8 not yet"),
    ],
)
def test_rule_9_8_a_payment_without_order_is_reported(rows, missing):
    answer = settled([order()], rows)
    assert [(note.id, note.detail) for note in answer.notes if note.kind == "payments_without_order"] == missing


def test_rule_9_8_payments_of_orders_that_are_not_sent_are_no_news():
    rows = [
        payment("9", "49.00", ("5",), refunded_by="10"),
        payment("10", "-49.00", ("5",)),
        payment("11", "-1", ("5",)),
    ]
    answer = settled([order()], rows, unsent=[order("5")])
    assert (answer.notes, answer.waiting) == ([], [])
    assert len(settled([order()], rows).notes) == 3


def test_rule_1_5_a_row_without_amount_or_time_costs_itself_alone():
    broken = [payment("8", "1"), payment("10", "1"), payment("11", "NaN")]
    broken[0].amount = None
    broken[1].payment_time = None
    attempt = row("CAPTURE", good=False, status="FAILED", payment_id="12")
    attempt.amount = Decimal("Infinity")
    answer = settled([order()], [*broken, payment("9", "49.00")], [attempt])
    assert amounts(answer.orders["1"]) == {"9-1": 4900}
    assert {(each.stream, each.id, each.field) for each in answer.rejects} == {
        ("payments", "8", "amount"),
        ("payments", "10", "payment_time"),
        ("payments", "11", "amount"),
        ("transactions", "12", "amount"),
    }


def test_rule_4_10_an_order_that_only_chartmogul_knows_keeps_its_part_of_a_payment():
    rows = [payment("9", "88.00", ("1", "2")), payment("10", "-10.00", ("1", "2"), at=3)]
    whole = settled(TWO, rows)
    held = as_held(whole, TWO[:1])
    answer = settled(TWO[1:], rows, unrecorded=unrecorded(held))
    assert amounts(answer.orders["2"]) == amounts(whole.orders["2"]) == {"9-2": 3900}
    assert answer.notes == []


def test_rule_5_5_an_attempt_that_an_unrecorded_order_has_is_not_sent_for_the_next_one():
    attempt = row("CAPTURE", "109.00", ("2", "1"), good=False, status="FAILED")
    held = as_held(settled(TWO, (), [attempt]), TWO[:1])
    assert settled(TWO[1:], (), [attempt], unrecorded=unrecorded(held)).orders["2"].transactions["2"] == ()


@pytest.mark.parametrize(
    ("rows", "lines", "cash", "excess"),
    [
        pytest.param([("20", "Credit", 1), ("49", "Card", 2)], [-2000], 2900, 2000, id="the credit came first"),
        pytest.param([("49", "Card", 1), ("20", "Credit", 2)], [], 4900, 0, id="nothing is left for the credit"),
        pytest.param([("20", "Credit", 1), ("49", "Card", 1)], [], 4900, 0, id="at the same time the payment first"),
        pytest.param([("40", "Card", 1), ("20", "Credit", 2)], [-900], 4000, 0, id="a part of the credit"),
        pytest.param([("20", "Credit", 1), ("20", "Card", 2)], [], 2000, 0, id="9.9 what is not sent takes no room"),
    ],
)
def test_rule_5_3_payments_and_credits_find_room_in_order_of_time(rows, lines, cash, excess):
    payments = [payment(str(9 + at), amount, at=when, kind=kind) for at, (amount, kind, when) in enumerate(rows)]
    settlement = settled([order()], payments).orders["1"]
    assert [line.amount_in_cents for line in settlement.credit_lines.get("1", ())] == lines
    assert (sum(amounts(settlement).values()), settlement.excess_in_cents) == (cash, excess)


def test_rule_5_3_a_refund_gives_no_room_back_to_a_later_credit():
    rows = [payment("9", "49"), payment("10", "-49", at=2), payment("11", "49", at=3, kind="Credit")]
    answer = settled([order()], rows)
    assert amounts(answer.orders["1"]) == {"9-1": 4900, "10-1": -4900}
    assert answer.orders["1"].credit_lines == {}
    assert [note.kind for note in answer.notes] == ["credits_not_sent"]


@pytest.mark.parametrize(
    ("rows", "total_paid", "missing", "unpaid"),
    [
        pytest.param([], 4900, 4900, False, id="no payment names it"),
        pytest.param([payment("9", "20")], 4900, 2900, False, id="a payment is missing"),
        pytest.param([payment("9", "29"), payment("10", "20", kind="Credit")], 4900, None, False, id="a credit"),
        pytest.param([payment("9", "49", kind="Write Off")], 4900, None, True, id="9.6 written off"),
        pytest.param([payment("9", "20", kind="Write Off")], 4900, 2900, False, id="9.6 beyond the write-off"),
        pytest.param([payment("9", "20", kind="Credit")], 0, None, True, id="9.6 a credit that does not settle it"),
        pytest.param([payment("9", "49", kind="Credit")], 0, None, False, id="9.6 one that does"),
        pytest.param([payment("9", "60")], 4900, None, False, id="more than Keap says"),
    ],
)
def test_rules_5_3_and_9_6_what_total_paid_says_beyond_what_was_found(rows, total_paid, missing, unpaid):
    asked = order(total_paid=total_paid)
    answer = settled([asked], rows)
    noted = [note.detail["amount_in_cents"] for note in answer.notes if note.kind == "payments_not_found"]
    assert noted == ([] if missing is None else [missing])
    assert answer.orders["1"].is_unpaid is unpaid
    ignored = settled([asked], rows, settings=MappingSettings(credits="ignore"))
    assert ignored.orders["1"].is_unpaid is unpaid
