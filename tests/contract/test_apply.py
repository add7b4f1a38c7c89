"""Apply against the sandbox over HTTP: every change lands once, in the order that ChartMogul demands."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from target_chartmogul.apply.lanes import Applier
from target_chartmogul.billing.differences import invoice_changes
from target_chartmogul.billing.normal import normal, same
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.errors import CredentialsError, UnreachableError
from target_chartmogul.chartmogul.listing import Listing
from tests.contract.chartmogul_target import NOW, Target
from tests.support.billing_objects import PLAN, cancellation, customer, invoice, line, on, paid
from tests.support.memory_journal import MemoryJournal, create, delete, root_of, update


@pytest.fixture
def target(sandbox):
    made = Target(sandbox)
    yield made
    made.client.close()


@pytest.mark.parametrize("prefix", ["", "keap-"])
def test_everything_lands_and_is_listed_as_it_was_desired(sandbox, prefix):
    target = Target(sandbox, prefix)
    ada = customer(1, tags=("vip",), custom=(("size", "L"),), city="Tempe", zip="85281", company="Ada Ltd")
    bill = invoice(
        "500",
        due_date=on("2025-02-15"),
        line_items=(
            line("500", tax_amount_in_cents=200, discount_amount_in_cents=100, quantity=2),
            line("500", 2, 1000, type="one_time", description="Mug", subscription_external_id=None),
            line("500", 3, -900, type="one_time", description="Keap credit", balance_transfer=True),
        ),
        transactions=(
            paid("500", amount=4000),
            paid("500", 2, 1000, result="failed"),
            paid("500", 3, 9, type="refund"),
        ),
    )
    event = cancellation()
    target.applier.apply_plans([create("plan", PLAN)])
    # The lane is given in the wrong order on purpose.
    target.run([create("event", event), create("invoice", bill), create("customer", ada)])
    assert not target.journal.refusals
    assert target.journal.lanes == {0: True}
    assert not target.journal.intents
    found = {listed.kind: listed for listed in target.listing.everything()}
    for kind, desired in (("plan", PLAN), ("customer", ada), ("invoice", bill), ("event", event)):
        assert normal(found[kind].content) == normal(desired)
        assert not found[kind].marks
        assert target.journal.uuids.items() >= found[kind].uuids.items()
    content = sandbox.content("Keap", NOW, prefix)
    rows = content["invoices"][f"{prefix}500"]["transactions"]
    assert rows[f"{prefix}1-500"]["amount_in_cents"] == 4000
    assert list(content["cancellations"]) == [f"{prefix}901-cancelled-2025-04-01"]


def test_what_is_there_already_is_adopted_and_brought_up_to_date(target):
    target.start()
    old = invoice("500", due_date=on("2025-02-10"))
    target.run([create("invoice", old), create("event", cancellation())])
    forgetful = MemoryJournal()
    applier = Applier(target.client, target.wire, forgetful, root_of)
    new = invoice(
        "500", line_items=(line("500", amount=6000), line("500", 2, 10)), transactions=(paid("500", 2, 6010),)
    )
    event = cancellation(effective_date=on("2025-04-02"))
    plan = msgspec.structs.replace(PLAN, name="Club Plus (monthly)")
    applier.apply_plans([create("plan", plan)])
    ada = customer(1, name="Ada King", city="Mesa", email=None)
    applier.apply_lanes([(0, [create("customer", ada), create("invoice", new), create("event", event)])])
    assert not forgetful.refusals
    assert sorted(what for _, what in forgetful.notices) == ["adopted"] * 4
    assert target.held("plan", plan.external_id) == plan
    assert same(target.held("customer", "1"), ada)
    assert same(target.held("event", event.external_id), event)
    found = target.listing.find("invoice", "500")
    assert same(found.content, new)
    assert forgetful.uuid("invoice", "500") == found.uuid


def test_customers_are_updated_field_by_field(target):
    target.start()
    before = customer(1, city="Tempe", tags=("vip",), custom=(("size", "L"),))
    target.run([update("customer", customer(1), before)])
    target.sandbox.control(
        "POST", "chartmogul/edit", {"kind": "customer", "external_id": "1", "changes": {"company": "Set by hand"}}
    )
    after = customer(1, zip="85281", custom=(("size", "M"),), free_trial_started_at=None)
    target.run([update("customer", before, after)])
    assert not target.journal.refusals
    held = target.held("customer", "1")
    assert held.company == "Set by hand"
    assert same(msgspec.structs.replace(held, company=None), after)
    target.run([update("customer", after, customer(1))])
    assert target.held("customer", "1").custom == ()


def test_a_state_that_the_country_does_not_have_is_no_difference(target):
    target.start()
    desired = customer(2, country="DE", state="NY")
    target.run([create("customer", desired)])
    assert target.held("customer", "2").state is None
    assert same(desired, target.held("customer", "2"))
    assert same(customer(2, country="US", state="AZ"), customer(2))


def test_a_refused_address_costs_the_address_alone(target):
    """Rule 3.3."""
    target.start()
    bad = customer(2, email="ada@nowhere")
    target.run([create("customer", bad), create("invoice", invoice("600", 2))])
    assert target.journal.emails == {"2": "ada@nowhere"}
    assert not target.journal.refusals
    held = target.held("customer", "2")
    assert (held.name, held.email) == ("Ada 2", None)
    taken = next(c.desired for c in target.journal.acknowledgements if c.external_id == "2")
    assert taken.email is None
    target.run([update("customer", customer(1), email="ada@nowhere", city="Tempe")])
    assert (target.held("customer", "1").email, target.held("customer", "1").city) == (None, "Tempe")


@pytest.mark.parametrize(
    ("lines", "transactions"),
    [
        ({1: 3000}, {1: 3000}),
        ({1: 9000}, {1: 9000}),
        ({2: 3000}, {1: 3000}),
        ({2: 9000, 3: -500}, {2: 8500}),
        ({1: 4900, 2: 100}, {1: 4900, 2: 100}),
        ({1: 4900, 3: -4900}, {}),
        ({1: 3000}, {1: 3000, -2: 3000}),
        ({1: 4000}, {2: 3000, 3: 1000, -2: 4000}),
    ],
)
def test_payments_never_exceed_the_invoice_on_the_way(target, lines, transactions):
    """Rule 4.9: edited in place, there and back, in an order that ChartMogul takes."""
    target.start()
    before = invoice("500", transactions=(paid("500"), paid("500", 9, 4900, type="refund")))
    after = invoice(
        "500",
        line_items=tuple(
            line("500", number, amount)
            if number == 1
            else line("500", number, amount, type="one_time", description="Extra", subscription_external_id=None)
            for number, amount in lines.items()
        ),
        transactions=tuple(
            paid("500", abs(number), amount, type="refund" if number < 0 else "payment")
            if number > 0
            else paid("500", 100 - number, amount, type="refund")
            for number, amount in transactions.items()
        ),
    )
    target.run([create("invoice", before)])
    target.change(before, after)
    target.change(after, before)


def test_a_change_that_changes_nothing_is_answered_304(target):
    """Case patch-304: every object is as wanted, and nothing counts as refused."""
    target.start()
    bill, event = invoice("500"), cancellation()
    target.run([create("invoice", bill), create("event", event)])
    target.sandbox.control("PUT", "chartmogul/settings", {"unchanged_patch": "304"})
    renamed = customer(1, name="Ada King")
    plan = msgspec.structs.replace(PLAN, name="Club Plus")
    later = invoice("500", due_date=on("2025-03-01"), line_items=(line("500", amount=5000),))
    moved = msgspec.structs.replace(event, effective_date=on("2025-04-02"))
    for _ in range(2):
        target.applier.apply_plans([update("plan", PLAN, plan)])
        target.run(
            [update("customer", customer(1), renamed), *invoice_changes(bill, later), update("event", event, moved)]
        )
    assert not target.journal.refusals
    assert [entry["status"] for entry in target.sandbox.writes()].count(304) == 4  # the plan is compared first
    assert target.held("customer", "1").name == "Ada King"
    assert target.held("plan", PLAN.external_id) == plan
    assert same(target.held("invoice", "500"), later)
    assert same(target.held("event", event.external_id), moved)


@pytest.mark.parametrize("prefix", ["50% /?#é", "..", "a/b"])
def test_ids_are_quoted_in_every_path(sandbox, prefix):
    target = Target(sandbox, prefix)
    target.start()
    written_off = invoice("500", status="written_off", transactions=())
    target.run([create("invoice", written_off), create("event", cancellation())])
    assert not target.journal.refusals
    assert not target.journal.notices
    assert target.held("invoice", "500").status == "written_off"
    target.run([delete("event", cancellation()), delete("invoice", written_off), delete("customer", customer(1))])
    assert not target.journal.refusals
    assert [target.held(*each) for each in (("invoice", "500"), ("customer", "1"))] == [None, None]


def test_a_move_imports_before_it_deletes(target):
    """Rules 2.1, 4.9: two requests per invoice, one per event."""
    target.start(members=2)
    old, new = invoice("500"), invoice("500-c2", 2)
    target.run([create("invoice", old), create("event", cancellation())])
    target.sandbox.clear_requests("chartmogul")
    event = cancellation(owner=2)
    target.run([delete("invoice", old, moved=True), update("event", cancellation(), event), create("invoice", new)])
    assert not target.journal.refusals
    assert len(target.sandbox.requests("chartmogul")) == 3
    uuid = target.journal.uuid("customer", "2")
    assert target.writes() == [
        ("POST", f"/import/customers/{uuid}/invoices"),
        ("DELETE", "/invoices"),
        ("PATCH", "/subscription_events"),
    ]
    assert target.held("invoice", "500") is None
    assert same(target.held("invoice", "500-c2"), new)
    assert same(target.held("event", event.external_id), event)


def test_a_move_whose_import_is_refused_deletes_nothing(target):
    target.start(members=2)
    old = invoice("500")
    target.run([create("invoice", old), create("invoice", invoice("700"))])
    bad = invoice("500-c2", 2, currency="XXY")
    target.run([delete("invoice", old, moved=True), create("invoice", bad), delete("invoice", invoice("700"))])
    assert target.journal.refused_ids() == ["500", "500-c2"]
    refusal = dict(zip(target.journal.refused_ids(), target.journal.refusals, strict=True))
    assert {each.status for _, each in refusal.values()} == {422, None}
    assert "currency" in {each.field for _, each in refusal.values()}
    assert target.held("invoice", "500") is not None
    assert target.held("invoice", "700") is None
    assert target.journal.lanes[0] is False


def test_the_same_id_under_another_customer(target):
    """The order's own contact changed: the id is free only once the old invoice is deleted."""
    target.start(members=2)
    target.run([create("invoice", invoice("500"))])
    new = invoice("500", 2)
    target.run([create("invoice", new), delete("invoice", invoice("500"), moved=True)])
    assert same(target.held("invoice", "500"), new)
    target.run([update("invoice", new, invoice("500", 1))])
    assert same(target.held("invoice", "500"), invoice("500", 1))
    assert not target.journal.refusals


def test_a_refusal_blocks_only_what_needs_it(target):
    target.start()
    long = customer(2, name="x" * 300)
    target.run(
        [create("customer", long), create("invoice", invoice("600", 2)), create("event", cancellation(owner=2))],
        [create("invoice", invoice("500", currency="XXY")), create("invoice", invoice("501"))],
    )
    assert target.journal.refused_ids() == ["2", "500", "600", "901-cancelled-2025-04-01"]
    by_id = {change.external_id: refusal for change, refusal in target.journal.refusals}
    assert (by_id["2"].status, by_id["2"].field) == (422, "name")
    assert (by_id["600"].status, by_id["600"].field) == (None, "customer_external_id")
    assert "xxx" not in by_id["2"].reason
    assert target.held("invoice", "501") is not None
    assert not target.journal.intents


def test_a_line_without_its_plan(target):
    target.start()
    target.run([create("invoice", invoice("500", line_items=(line("500", plan_external_id="9-0-1month"),)))])
    ((_, refusal),) = target.journal.refusals
    assert (refusal.status, refusal.field) == (404, "plan_uuid")


def test_what_a_person_deleted_is_made_again_when_it_changes(target):
    """Rule 6.8."""
    target.start(members=2)
    bill, event = invoice("500"), cancellation()
    target.run([create("invoice", bill), create("event", event)])
    for kind, external_id in (("invoice", "500"), ("subscription_event", event.external_id), ("customer", "2")):
        target.sandbox.control("POST", "chartmogul/edit", {"kind": kind, "external_id": external_id, "delete": True})
    later = msgspec.structs.replace(event, effective_date=event.effective_date + timedelta(days=1))
    target.run(
        [update("customer", customer(2), city="Mesa")],
        [update("invoice", bill, date=on("2025-02-03"))],
        [update("event", event, later)],
    )
    assert not target.journal.refusals
    assert target.held("customer", "2").city == "Mesa"
    assert same(target.held("invoice", "500"), invoice("500", date=on("2025-02-03")))
    assert same(target.held("event", event.external_id), later)


def test_a_part_of_an_invoice_that_is_gone_tells_the_journal(target):
    target.start()
    target.run([create("invoice", invoice("500"))])
    target.sandbox.control("POST", "chartmogul/edit", {"kind": "invoice", "external_id": "500", "delete": True})
    target.run([create("transaction", paid("500", 2, 5), parent="500"), delete("transaction", paid("500"))])
    assert target.journal.refused_ids() == ["2-500"]
    assert target.journal.missing == [("invoice", "500")]


def test_deleting_what_is_gone_is_acknowledged(target):
    """Each is deleted by a person first; of each kind another one stays, so that a wrong id would show."""
    target.start(members=3)
    target.run(
        *([create("invoice", invoice(f"{n}00", n)), create("event", cancellation(f"90{n}", n))] for n in (1, 2, 3))
    )
    gone = [("subscription_event", "901-cancelled-2025-04-01"), ("invoice", "100"), ("transaction", "1-200")]
    for kind, external_id in [*gone, ("line_item", "200-1"), ("customer", "1")]:
        target.sandbox.control("POST", "chartmogul/edit", {"kind": kind, "external_id": external_id, "delete": True})
    target.sandbox.clear_requests("chartmogul")
    target.run(
        [delete("invoice", invoice("100")), delete("event", cancellation()), delete("customer", customer(1))],
        [delete("transaction", paid("200")), delete("line_item", line("200"))],
    )
    assert not target.journal.refusals
    assert not target.journal.intents
    assert [change.action for change in target.journal.acknowledgements[-5:]] == ["delete"] * 5
    assert {entry["status"] for entry in target.sandbox.writes()} == {404}
    assert [target.held("customer", str(n)) is not None for n in (1, 2, 3)] == [False, True, True]
    assert same(target.held("invoice", "300"), invoice("300", 3))


def test_a_customer_that_was_merged_away_is_found_by_its_id(target):
    """Issue: a known uuid answers 404; invoices land on the merged customer, fields stay as they are there."""
    target.start(members=2)
    target.sandbox.control("POST", "chartmogul/edit", {"kind": "customer", "external_id": "2", "merge_into": "1"})
    listed = {each.content.external_id: each for each in target.listing.customers()}
    assert listed["2"].marks == {"merged"}
    assert listed["1"].marks == {"joined"}
    target.run([update("customer", customer(2), city="Mesa"), create("invoice", invoice("600", 2))])
    assert not target.journal.refusals
    assert ("2", "merged") in target.journal.notices
    assert target.held("customer", "1").city is None
    assert target.held("invoice", "600").customer_external_id == "2"
    target.run([delete("customer", customer(2))])
    assert target.journal.refused_ids() == ["2"]


def test_older_answers_without_external_ids(target, monkeypatch):
    """Answers that name an invoice's customer and plans by uuid only read the same."""
    target.start(members=2)
    target.run([create("invoice", invoice("500")), create("invoice", invoice("600", 2))])
    pages = target.client.pages

    def older(path, key, params=None, *, whole=False):
        for rows in pages(path, key, params, whole=whole):
            for row in rows:
                row.pop("customer_external_id", None) if key == "invoices" else None
                for part in row.get("line_items", ()):
                    part.pop("plan_external_id", None)
            yield rows

    monkeypatch.setattr(target.client, "pages", older)
    listing = Listing(target.client, target.wire)
    assert [normal(each.content) for each in listing.invoices()] == [
        normal(invoice("600", 2)),
        normal(invoice("500")),
    ]
    assert same(Listing(target.client, target.wire).find("invoice", "500").content, invoice("500"))
    target.sandbox.clear_requests("chartmogul")
    target.journal.uuids.pop(("invoice", "500"))
    target.run([create("invoice", invoice("500"))])
    assert [method for method, _ in target.writes()] == ["POST"]


def test_a_read_only_key_ends_the_work(sandbox):
    target = Target(sandbox)
    client = ChartMogulClient(sandbox.keys["chartmogul_read_only_key"], sandbox.chartmogul_url)
    applier = Applier(client, target.wire, target.journal, root_of)
    with pytest.raises(CredentialsError, match="403"):
        applier.apply_lanes([(0, [create("customer", customer(1))])])
    assert target.journal.lanes in ({}, {0: False})


def test_a_stop_leaves_the_rest(target):
    target.start()
    target.client.stop.set()
    target.run(*([create("invoice", invoice(str(number)))] for number in range(500, 600)))
    assert not any(target.journal.lanes.get(lane, False) for lane in range(1, 100))
    assert len(target.journal.acknowledgements) == 2


FAULTS = ["500", "502", "503", "504_html", "429", "reset_before", "reset_after", "truncated", "html_200", "never"]


@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_of_trouble_and_every_request(sandbox, kind, monkeypatch):
    """One request in five fails; each object is there once, and complete."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: min(value, 0.02))
    monkeypatch.setattr("target_chartmogul.chartmogul.gate.SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr("target_chartmogul.chartmogul.gate.LONGEST_PAUSE", 0.02)
    monkeypatch.setattr("target_chartmogul.chartmogul.gate._SLOWEST_SPACING", 0.01)
    monkeypatch.setattr("target_chartmogul.chartmogul.creation._AFTER_LOST_ANSWER", (0.0, 0.01))
    target = Target(sandbox)
    target.client._timeout = (2, 0.5)
    sandbox.faults("chartmogul", seed=7, rate=0.2, kinds=[kind])
    bills = [invoice(str(500 + number), number) for number in range(1, 7)]
    changed = [
        invoice(bill.external_id, bill.customer_external_id, line_items=(line(bill.external_id, amount=6000),))
        for bill in bills
    ]
    target.applier.apply_plans([create("plan", PLAN)])
    target.run(
        *(
            [
                create("customer", customer(number)),
                create("invoice", bills[number - 1]),
                create("event", cancellation(str(901 + number), number)),
            ]
            for number in range(1, 7)
        )
    )
    target.run(*(invoice_changes(bill, after) for bill, after in zip(bills, changed, strict=True)))
    target.run(*([delete("event", cancellation(str(901 + number), number))] for number in range(1, 4)))
    sandbox.faults("chartmogul")
    assert not target.journal.refusals
    assert not target.journal.intents
    content = sandbox.content("Keap", NOW)
    assert len(content["customers"]) == 6
    assert len(content["invoices"]) == 6
    assert len(content["cancellations"]) == 3
    for after in changed:
        assert same(target.held("invoice", after.external_id), after)
    assert target.client.traffic.retries or kind in {"reset_after", "truncated"}


def test_a_lost_answer_is_looked_up_before_it_is_repeated(target):
    target.start()
    target.sandbox.clear_requests("chartmogul")
    target.sandbox.faults(
        "chartmogul",
        script=[{"match": {"method": "POST", "path_regex": "/invoices$"}, "kind": "reset_after", "times": 1}],
    )
    target.run([create("invoice", invoice("500"))])
    assert [entry["method"] for entry in target.sandbox.requests("chartmogul")] == ["POST", "GET"]
    assert target.journal.uuid("invoice", "500")
    assert target.journal.notices == []  # it was not there before this run


def test_an_unreachable_service_ends_the_work_and_leaves_the_intents(sandbox, monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda value: min(value, 0.001))
    target = Target(sandbox)
    target.start()
    sandbox.faults("chartmogul", rate=1, kinds=["500"])
    with pytest.raises(UnreachableError):
        target.run(*([update("customer", customer(n), city="Mesa")] for n in range(1, 40)))
    assert 3 <= len(target.journal.intents) <= 8
    assert all(refusal.uncertain for _, refusal in target.journal.refusals)
    assert not any(target.journal.lanes.get(lane) for lane in target.journal.lanes if lane > 0)
