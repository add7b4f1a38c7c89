"""The report of a run (rules 7.1 to 7.3): counts, lists, refusals, what may not stand in it."""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from target_chartmogul.billing.changes import Change, Refusal
from target_chartmogul.billing.decisions import Note, Reject
from target_chartmogul.billing.objects import Customer
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.report.lists import LISTS
from target_chartmogul.report.months import month_table
from target_chartmogul.report.place import ReportPlace
from target_chartmogul.report.spool import without_addresses
from tests.unit.sources.keap.churn_cases import NOW, order

ROOT = Path(__file__).parents[3]
INVOICE = order("2026-01-10")
EVENTS = ("cancellations", "scheduled_cancellations")


@pytest.fixture(name="builder")
def fixture_builder():
    made = []

    def build(records=("orders:1",), **how):
        made.append(ReportBuilder(started=datetime.now(UTC), now=NOW, records_of=lambda _: [*records], **how))
        return made[-1]

    yield build
    for each in made:
        each.close()


def document(report: ReportBuilder, tmp_path: Path) -> dict:
    path = tmp_path / "report.json"
    report.list_refusals()
    report.write(path, outcome="finished", exit_code=0)
    return json.loads(path.read_text())


def create(thing, kind="invoice") -> Change:
    return Change(action="create", kind=kind, external_id=thing.external_id, desired=thing, rule="4.1")


def delete(thing, *, moved=False) -> Change:
    return Change(action="delete", kind="invoice", external_id=thing.external_id, held=thing, moved=moved, rule="4.9")


def test_rule_7_1_an_empty_run_is_a_whole_document(builder, tmp_path):
    found = document(builder(), tmp_path)
    assert found["report_version"] == 2
    assert found["run"]["outcome"] == "finished"
    assert found["run"]["now"] == "2026-06-01T08:00:00+00:00"
    assert (found["rejects"], found["refusals"], found["waiting"], found["churn"], found["lists"]) == (
        [],
        [],
        [],
        [],
        {},
    )
    assert "changes" not in found
    assert not list(tmp_path.glob(".*"))


def test_rule_7_1_objects_by_kind_with_lines_and_transactions_of_whole_invoices(builder, tmp_path):
    report = builder()
    report.held_before({"invoice": 10, "line_item": 12, "transaction": 9, "customer": 3})
    report.acknowledged(create(INVOICE))
    report.acknowledged(delete(INVOICE, moved=True))
    report.acknowledged(delete(INVOICE))
    customer = Customer(external_id="7", name="A")
    report.acknowledged(Change(action="update", kind="customer", external_id="7", desired=customer, held=customer))
    report.refused(create(INVOICE), Refusal(status=422, field="currency", reason="Currency is invalid"))
    counts = document(report, tmp_path)["counts"]
    assert counts["invoices"] == {
        "created": 1, "updated": 0, "deleted": 1, "moved": 1, "unchanged": 8, "rejected": 1
    }  # fmt: skip
    assert (counts["line_items"]["created"], counts["line_items"]["unchanged"]) == (1, 10)
    assert counts["transactions"]["moved"] == 1
    assert (counts["customers"]["updated"], counts["customers"]["unchanged"]) == (1, 2)
    assert report.written("delete") == 2


def test_rule_7_1_rejects_say_what_to_do_and_count_once_unless_accepted(builder, tmp_path):
    report = builder(accepted=frozenset({"orders:1"}))
    report.reject(Reject(stream="orders", id="1", field="currency", reason="is missing"))
    assert not report.has_rejects
    for _ in range(2):
        report.reject(Reject(stream="orders", id="2", field="currency", reason="is missing"))
    entry = {"stream": "orders", "record": "2", "field": "currency", "reason": "is missing", "rule": "1.5", "id": "x"}
    report.outstanding("rejects", entry, since="2026-01-01T00:00:00Z", new=False)
    assert report.rejects_in_words() == "1 rejected record"
    found = document(report, tmp_path)
    assert [(each["id"], each["accepted"]) for each in found["rejects"]] == [("1", True), ("2", False)]
    assert all("currency" in each["what_to_do"] for each in found["rejects"])


def test_rule_7_2_a_refusal_of_this_run_takes_its_day_from_the_store(builder, tmp_path):
    report = builder(records=("orders:3", "orders:4"), accepted=frozenset({"orders:3"}))
    refused = Refusal(status=422, field="date", reason="Date is in the future")
    report.refused(create(INVOICE), refused)
    other = order("2026-02-10")
    report.refused(create(other), Refusal(status=None, field="", reason="no answer", uncertain=True))
    stored = {"kind": "invoice", "action": "create", "status": 422, "field": "date", "reason": "Date is in the future"}
    for name in (INVOICE.external_id, "of an earlier run"):
        entry = {**stored, "id": f"invoice:{name}", "records": ["orders:3"], "rule": "1.5"}
        report.outstanding("refusals", entry, since="2026-01-01T00:00:00Z", new=False)
    found = document(report, tmp_path)["refusals"]
    assert [(each["id"], each["since"], each["new"], each["accepted"]) for each in found] == [
        (INVOICE.external_id, "2026-01-01T00:00:00Z", False, False),
        ("of an earlier run", "2026-01-01T00:00:00Z", False, True),
        (other.external_id, None, True, False),
    ]
    assert found[0]["what_to_do"] != found[2]["what_to_do"]
    assert report.rejects_in_words() == "2 objects that ChartMogul refused"


def test_rule_1_5_what_is_outstanding_says_since_when(builder, tmp_path):
    """Of an earlier run too: rejects and refusals count for the exit code, what waits for its day does not."""
    report = builder()
    waiting = {"stream": "orders", "record": "5", "reason": "future", "rule": "1.5", "due": "2026-07-01T00:00:00Z"}
    report.outstanding("waiting", {"id": "orders:5", **waiting}, since="2026-05-01T00:00:00Z", new=False)
    assert not report.has_rejects
    rejected = {"stream": "orders", "record": "6", "field": "total", "reason": "is missing", "rule": "1.5"}
    report.outstanding("rejects", {"id": "orders:6:total", **rejected}, since="2026-05-02T00:00:00Z", new=False)
    assert report.rejects_in_words() == "1 rejected record"
    refused = {"kind": "invoice", "action": "create", "records": ["orders:7"], "status": 422, "field": "date"}
    refused |= {"id": "invoice:7", "reason": "Date is in the future", "rule": "1.5"}
    report.outstanding("refusals", refused, since="2026-05-03T00:00:00Z", new=False)
    assert report.rejects_in_words() == "1 rejected record and 1 object that ChartMogul refused"
    found = document(report, tmp_path)
    assert [(each["id"], each["since"], each["new"]) for each in found["waiting"]] == [
        ("5", "2026-05-01T00:00:00Z", False)
    ]
    assert [(each["id"], each["since"]) for each in found["rejects"]] == [("6", "2026-05-02T00:00:00Z")]
    assert [(each["id"], each["since"]) for each in found["refusals"]] == [("7", "2026-05-03T00:00:00Z")]


def test_rule_1_5_records_that_wait_are_no_rejects(builder, tmp_path):
    report = builder()
    entry = {"stream": "orders", "record": "5", "reason": "future", "rule": "1.5", "due": "2026-06-01T08:00:00Z"}
    report.outstanding("waiting", {**entry, "id": "orders:5"}, since="2026-05-01T08:00:00Z", new=False)
    assert not report.has_rejects
    (found,) = document(report, tmp_path)["waiting"]
    assert (found["id"], found["due"], found["since"], found["new"]) == (
        "5",
        "2026-06-01T08:00:00Z",
        "2026-05-01T08:00:00Z",
        False,
    )


def test_rule_7_1_lists_have_a_title_and_keep_their_order(builder, tmp_path):
    report = builder()
    for each in ("9", "8"):
        report.note(Note(kind="adjusted_orders", id=each, rule="4.6", detail={"difference_in_cents": 5}))
    report.noticed(create(INVOICE), "adopted")
    found = document(report, tmp_path)
    adjusted = found["lists"]["adjusted_orders"]
    assert [each["id"] for each in adjusted["entries"]] == ["9", "8"]
    assert adjusted["title"] == LISTS["adjusted_orders"].title
    assert found["lists"]["adopted"]["entries"][0]["kind"] == "invoice"
    assert found["list_counts"] == {"adjusted_orders": 2, "adopted": 1}


def test_rule_7_1_every_list_that_the_mapping_speaks_of_has_a_title():
    package = ROOT / "target-chartmogul" / "target_chartmogul"
    text = "\n".join(path.read_text() for path in package.rglob("*.py"))
    kinds = set(re.findall(r'(?:_note\(\s*|kind=)"([a-z_]+)"', text)) - {
        "plan", "customer", "invoice", "line_item", "transaction", "event"
    }  # fmt: skip
    kinds |= set(re.findall(r'noticed\(change, "([a-z_]+)"', text))
    kinds -= {"discount_shares", "plan_sources"}  # for `explain` only
    assert len(kinds) > 20
    assert kinds - LISTS.keys() == set()


def test_rule_7_1_every_list_that_has_a_title_can_come_about():
    package = ROOT / "target-chartmogul" / "target_chartmogul"
    files = [path for path in package.rglob("*.py") if path.name not in {"lists.py", "wording.py", "amounts.py"}]
    text = "\n".join(path.read_text() for path in files)
    of_events = {f"{kind}{end}" for kind in EVENTS for end in ("", "_added", "_moved", "_removed")}
    assert [kind for kind in LISTS if f'"{kind}"' not in text and kind not in of_events] == []


def test_rule_7_3_a_dry_run_counts_and_itemises_without_values(builder, tmp_path):
    report = builder(dry_run=True)
    report.planned(create(INVOICE))
    report.planned(delete(INVOICE, moved=True))
    before, after = Customer(external_id="7", name="Mara"), Customer(external_id="7", name="Mira", city="Rome")
    report.planned(Change(action="update", kind="customer", external_id="7", desired=after, held=before, rule="3.2"))
    report.mrr(month_table({("2026-01", "USD", "mrr"): 4900}, NOW), {}, before={})
    found = document(report, tmp_path)
    assert [(each["action"], each["kind"], each["fields"]) for each in found["changes"]] == [
        ("create", "invoice", []),
        ("move", "invoice", []),
        ("update", "customer", ["name", "city"]),
    ]
    assert "Mira" not in json.dumps(found)
    assert found["counts"]["invoices"]["created"] == 1
    assert found["mrr"]["months_before"] == {}
    assert found["mrr"]["months"]["2026-01"]["USD"]["mrr"] == 4900
    assert "would be created" in " ".join(report.summary())


def test_rule_7_1_nothing_that_looks_like_an_address_comes_through(builder, tmp_path):
    report = builder()
    refusal = Refusal(status=422, field="email", reason="mara.quill@example.com is not valid")
    report.refused(create(INVOICE), refusal)
    report.note(Note(kind="excess", id="1", rule="5.3", detail={"nested": [{"x": "a@b.example"}]}))
    report.section("preflight", {"text": ["ask bob@c.example, please"]})
    path = tmp_path / "report.json"
    report.list_refusals()
    report.write(path, outcome="finished", exit_code=7)
    assert "@" not in path.read_text()
    assert "(address) is not valid" in path.read_text()


@pytest.mark.parametrize(
    ("text", "clean"), [("a@b.c", "(address)"), ("<a@b.c>", "<(address)>"), ("5 @ 3.00", "5 @ 3.00"), (7, 7)]
)
def test_without_addresses(text, clean):
    assert without_addresses(text) == clean


def test_rule_7_1_the_file_is_whole_or_the_old_one(builder, tmp_path):
    report = builder()
    path = tmp_path / "deep" / "report.json"
    report.write(path, outcome="finished", exit_code=0)
    before = path.read_bytes()
    report.section("broken", object())
    with pytest.raises(TypeError):
        report.write(path, outcome="finished", exit_code=0)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("given", "json_name", "page_name"),
    [
        ("out/report.html", "report.json", "report.html"),
        ("out/r.HTM", "r.json", "r.HTM"),
        ("r.json", "r.json", "r.html"),
        ("r", "r", "r.html"),
        ("memory://bucket/r.json", "r.json", "r.html"),
    ],
)
def test_rule_7_1_the_json_and_the_page_are_beside_each_other(given, json_name, page_name):
    place = ReportPlace(given)
    assert (place.json_name, place.page_name) == (json_name, page_name)
    assert place.where(page_name) == given.rpartition("/")[0] + ("/" if "/" in given else "") + page_name


def test_rule_7_1_many_threads_lose_nothing(builder, tmp_path):
    report = builder()

    def work():
        for number in range(500):
            report.acknowledged(create(INVOICE))
            report.note(Note(kind="excess", id=str(number), rule="5.3"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = document(report, tmp_path)
    assert found["counts"]["invoices"]["created"] == 2000
    assert len(found["lists"]["excess"]["entries"]) == 2000


def test_rule_7_1_summary_names_what_needs_a_look(builder):
    report = builder()
    report.held_before({"invoice": 5})
    report.acknowledged(create(INVOICE))
    report.note(Note(kind="dropped_emails", id="7", rule="3.3"))
    report.note(Note(kind="inferred_links", id="7", rule="4.3"))
    report.reject(Reject(stream="orders", id="2", field="currency", reason="is missing"))
    assert report.summary() == [
        "invoices: 1 created, 5 unchanged",
        "line items: 1 created",
        "transactions: 1 created",
        "records rejected: 1",
        "Customers sent without an e-mail address: 1",
    ]


def test_rule_7_1_the_documentation_names_every_key_and_every_list(builder, tmp_path):
    text = (ROOT / "docs" / "report.md").read_text()
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))
    assert LISTS.keys() - rows == set(), "run scripts/report_lists.py"
    assert document(builder(dry_run=True), tmp_path).keys() - rows == set()
    for name, about in LISTS.items():
        assert f"| `{name}` | {about.title}." in text, "run scripts/report_lists.py"


def test_rule_7_1_what_is_of_the_whole_account_is_listed_once(builder, tmp_path):
    report = builder()
    for order_id in ("1", "2"):
        report.note(Note(kind="zero_decimal_currencies", id="JPY", rule="4", detail={"order": order_id}))
    report.note(Note(kind="zero_decimal_currencies", id="KRW", rule="4"))
    entries = document(report, tmp_path)["lists"]["zero_decimal_currencies"]["entries"]
    assert [each["id"] for each in entries] == ["JPY", "KRW"]
