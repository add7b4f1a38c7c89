"""Bulk imports are validated after they are completed: what fails then is found, named and sent again."""

from __future__ import annotations

import pytest

from target_chartmogul.apply import late_validation
from target_chartmogul.apply.late_validation import ask, ask_after_load, changes_again
from target_chartmogul.billing.normal import same
from target_chartmogul.chartmogul.data_source import Processing, processing
from target_chartmogul.chartmogul.errors import UnreachableError
from tests.contract.test_bulk import Load, lane
from tests.support.billing_objects import cancellation, invoice
from tests.support.memory_journal import create


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("target_chartmogul.chartmogul.json_imports.POLL_SECONDS", 0.05)
    monkeypatch.setattr(late_validation, "POLL_SECONDS", 0.05)


@pytest.fixture(params=["", "keap/ 50%?#"])
def load(request, sandbox, tmp_path):
    made = Load(sandbox, tmp_path, request.param)
    yield made
    made.client.close()


def settings(load, **changes):
    load.sandbox.control("PUT", "chartmogul/settings", changes)


def test_what_fails_after_the_load_is_found_and_sent_again(load):
    """Case late-validation: invoice 1002 fails some time after its import was completed, and so does a line of 1013."""
    prefix = load.wire.prefix
    settings(load, late_failures=[f"{prefix}1002", f"{prefix}1013-1"], validation_delay=1.0)
    lanes = [lane(number) for number in range(100, 110)]
    assert load.run(lanes) == []
    early = ask(load.client, load.wire)
    assert early.failed == ()
    assert early.processing.pending == 2
    late = ask_after_load(load.client, load.wire)
    assert (late.processing.failed, late.processing.pending) == (2, 0)
    assert {each.external_id: each.reasons for each in late.failed} == {
        "1002": {"currency": "Currency must be supported"},
        "1013": {f"line_items[{prefix}1013-1].base": "could not be imported"},
    }
    sent = {(change.kind, change.external_id): change.desired for _, changes in lanes for change in changes}
    again = list(changes_again(late.failed, lambda kind, external_id: sent.get((kind, external_id))))
    load.applier.apply_lanes([(900 + number, [change]) for number, (_, change) in enumerate(again)])
    assert not load.journal.refusals
    assert ask(load.client, load.wire).failed == ()
    for external_id in ("1002", "1013"):
        found = load.listing.find("invoice", external_id)
        assert not found.marks
        assert same(found.content, sent["invoice", external_id])
    assert list(changes_again(late.failed, lambda *_: None)) == [(each, None) for each in late.failed]


def test_what_fails_again_is_refused_and_named(load):
    settings(load, late_failures=[f"{load.wire.prefix}1002"], validation_delay=0.8)
    load.run([lane(100)])
    (failed,) = ask_after_load(load.client, load.wire).failed
    ((_, change),) = changes_again([failed], lambda *_: invoice("1002", 100, currency="XXY"))
    load.applier.apply_lanes([(9, [change])])
    ((refused, why),) = load.journal.refusals
    assert (refused.external_id, why.field) == ("1002", "currency")


def test_a_run_without_failures_asks_once(load):
    load.run([lane(100)])
    load.sandbox.clear_requests("chartmogul")
    assert ask(load.client, load.wire).failed == ()
    assert len(load.sandbox.requests("chartmogul")) == 1


def test_what_others_left_invalid_is_not_ours(load):
    settings(load, late_failures=[f"{load.wire.prefix}1002"], validation_delay=0.8)
    load.run([lane(100)])
    load.wire.prefix = "other-"
    found = ask_after_load(load.client, load.wire)
    assert (found.processing.failed, found.failed) == (1, ())


def test_an_invalid_event_is_deleted_and_sent_again(load, monkeypatch):
    load.run([lane(100)])
    pages = load.client.pages

    def with_errors(path, key, params=None, *, whole=False):
        for rows in pages(path, key, params, whole=whole):
            if key == "subscription_events" and not load.paths("DELETE"):
                yield [row | {"errors": {"effective_date": ["is odd"]}} for row in rows]
            else:
                yield rows

    monkeypatch.setattr(load.client, "pages", with_errors)
    monkeypatch.setattr(late_validation, "processing", lambda *_: Processing(processed=9, failed=1, pending=0))
    (failed,) = ask(load.client, load.wire).failed
    assert (failed.kind, failed.reasons) == ("event", {"effective_date": "is odd"})
    event = cancellation("100", 100)
    assert failed.external_id == event.external_id
    load.applier.apply_lanes([(9, [change for _, change in changes_again([failed], lambda *_: event)])])
    assert not load.journal.refusals
    assert len(load.paths("DELETE")) == 1
    assert same(load.listing.find("event", event.external_id).content, event)


@pytest.mark.parametrize(
    ("status", "read"),
    [
        ({"processed": "12", "failed": 8.0, "pending": None}, Processing(processed=12, failed=8)),
        ({"processed": [], "failed": True, "pending": "soon"}, Processing()),
        (None, Processing()),
        (7, Processing()),
    ],
)
def test_a_status_of_an_odd_form(load, status, read):
    settings(load, source_fields={"processing_status": status})
    assert processing(load.client, load.wire.data_source_uuid) == read
    assert ask_after_load(load.client, load.wire).failed == ()


def test_a_status_that_nobody_has_documented_is_waited_for_with_an_end(load, monkeypatch, caplog):
    """Then what came of the import is looked up."""
    monkeypatch.setattr("target_chartmogul.chartmogul.json_imports.LONGEST_WAIT_FOR_UNKNOWN", 0.5)
    settings(load, import_statuses={"completed": "finished\nwith_notes"})
    assert load.run([lane(100), lane(101)]) == []
    told = [record.getMessage() for record in caplog.records if "not documented" in record.getMessage()]
    assert len(told) == 1
    assert "finished\\nwith_notes" in told[0]
    assert load.journal.lanes == {100: True, 101: True}


def test_an_unknown_status_may_become_a_known_one(load, monkeypatch):
    monkeypatch.setattr("target_chartmogul.chartmogul.json_imports.LONGEST_WAIT_FOR_UNKNOWN", 60)
    settings(load, import_statuses={"processing": "validating"}, import_processing=2.5)
    assert load.run([lane(100)]) == []


@pytest.mark.parametrize("shape", ["empty", "values_changed", "null"])
def test_a_history_without_an_edit_is_none(load, shape):
    """Case unedited-summary: every invoice counted as edited and was sent again alone."""
    settings(load, unedited_summary=shape)
    assert load.run([lane(number) for number in range(100, 110)]) == []
    assert not any(each.marks for each in load.listing.everything())
    edit = {"kind": "line_item", "external_id": f"{load.wire.prefix}1002-1", "changes": {"amount_in_cents": 9900}}
    load.sandbox.control("POST", "chartmogul/edit", edit)
    assert [each.content.external_id for each in load.listing.everything() if each.marks] == ["1002"]


def test_an_import_that_never_ends_ends_the_run(load, monkeypatch):
    monkeypatch.setattr("target_chartmogul.chartmogul.json_imports.LONGEST_WAIT", 0.2)
    settings(load, import_processing=3.0)
    with pytest.raises(UnreachableError, match="load-0001 is “processing” for hours"):
        load.run([(1, [create("customer", lane(1)[1][0].desired)])])
