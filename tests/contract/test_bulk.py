"""Bulk imports against the sandbox: a first load is there as desired, and proven; what failed is sent singly."""

from __future__ import annotations

import itertools
import threading

import pytest

from target_chartmogul.apply.bulk import BulkLoader, loads_in_bulk
from target_chartmogul.apply.bulk_body import Body, is_new
from target_chartmogul.apply.lanes import Applier
from target_chartmogul.billing.normal import same
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import create_data_source
from target_chartmogul.chartmogul.errors import StoppedError
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.json_imports import LARGEST_BODY, JsonImports
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from tests.support.billing_objects import PLAN, cancellation, customer, invoice, line, on, paid
from tests.support.memory_journal import MemoryJournal, create, delete, root_of, update

NOW = "2026-01-15T00:00:00Z"


class Load:
    def __init__(self, sandbox, tmp_path, prefix=""):
        sandbox.clock(NOW)
        sandbox.no_limits(("chartmogul",))
        self.sandbox = sandbox
        self.client = ChartMogulClient(
            sandbox.chartmogul_api_key, sandbox.chartmogul_url, gate=RequestGate(per_second=100_000)
        )
        self.wire = Wire(prefix, create_data_source(self.client, "Keap").uuid)
        self.journal = MemoryJournal()
        self.applier = Applier(self.client, self.wire, self.journal, root_of)
        self.applier.apply_plans([create("plan", PLAN)])
        self.listing = Listing(self.client, self.wire)
        self.path = tmp_path / "bulk.sqlite"

    def imports(self):
        return JsonImports(self.client, self.wire)

    def run(self, lanes):
        imports = self.imports()
        imports.finish_earlier()
        self.sandbox.clear_requests("chartmogul")
        with BulkLoader(self.client, self.wire, self.journal, imports, self.path) as loader:
            loader.load(lanes)
            left = list(loader.leftovers(dict(lanes).__getitem__))
        self.applier.apply_lanes(left)
        return left

    def paths(self, method):
        return [entry["path"] for entry in self.sandbox.requests("chartmogul") if entry["method"] == method]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("target_chartmogul.chartmogul.json_imports.POLL_SECONDS", 0.05)


@pytest.fixture
def load(sandbox, tmp_path):
    made = Load(sandbox, tmp_path)
    yield made
    made.client.close()


def lane(number):
    """A customer with two paid orders and a cancellation."""
    bills = [
        invoice(
            f"{number}{month}",
            number,
            date=on(f"2025-0{month}-01"),
            line_items=(
                line(
                    f"{number}{month}",
                    subscription=str(number),
                    service_period_start=on(f"2025-0{month}-01"),
                    service_period_end=on(f"2025-0{month + 1}-01"),
                ),
            ),
            transactions=(paid(f"{number}{month}", date=on(f"2025-0{month}-02")),),
        )
        for month in (2, 3)
    ]
    changes = [create("customer", customer(number)), *(create("invoice", bill) for bill in bills)]
    return number, [*changes, create("event", cancellation(str(number), number))]


@pytest.mark.parametrize("prefix", ["", "keap-"])
def test_a_first_load_is_there_and_acknowledged(sandbox, tmp_path, prefix, monkeypatch):
    monkeypatch.setattr("target_chartmogul.apply.bulk_body.MOST_CUSTOMERS", 50)
    load = Load(sandbox, tmp_path, prefix)
    lanes = [lane(number) for number in range(100, 350)]
    assert load.run(lanes) == []
    assert load.journal.lanes == dict.fromkeys(range(100, 350), True)
    assert not load.journal.intents
    assert len(load.paths("POST")) == 5
    lists = [path for path in load.paths("GET") if "json_imports" not in path]
    assert len(lists) <= 500 / 200 + 250 / 200 + 20
    content = sandbox.content("Keap", NOW, prefix)
    assert (len(content["customers"]), len(content["invoices"]), len(content["cancellations"])) == (250, 500, 250)
    for listed in load.listing.everything():
        assert load.journal.uuids.items() >= listed.uuids.items()
    single = Load(sandbox_reset(sandbox), tmp_path / "single", prefix)
    single.applier.apply_lanes(lanes)
    assert not single.journal.refusals
    assert sandbox.content("Keap", NOW, prefix) == content


def sandbox_reset(sandbox):
    sandbox.reset()
    return sandbox


def test_what_failed_is_deleted_and_sent_singly(load):
    """Stored invalid records, refused addresses, written-off orders; whatever a bulk import leaves out."""
    lanes = [lane(number) for number in range(100, 140)]
    load.sandbox.control("PUT", "chartmogul/settings", {"import_failures": ["1002", "1012-1", "1-1022", "1033"]})
    lanes[10] = (110, [create("customer", customer(110, email="ada@nowhere")), *lanes[10][1][1:]])
    written_off = invoice("1112", 111, status="written_off", transactions=())
    lanes[11] = (111, [lanes[11][1][0], create("invoice", written_off)])
    lanes[12] = (112, [lanes[12][1][0], create("invoice", invoice("1122", 112, currency="XXY"))])
    left = load.run(lanes)
    assert sorted(number for number, _ in left) == [100, 101, 102, 103, 110, 111, 112]
    assert load.journal.refused_ids() == ["1122"]
    assert load.journal.emails == {"110": "ada@nowhere"}
    assert [number for number, complete in load.journal.lanes.items() if not complete] == [112]
    assert not load.journal.intents
    for _, changes in lanes:
        for change in changes:
            if change.external_id in {"110", "1122"}:
                continue
            found = load.listing.find(change.kind, change.external_id)
            assert not found.marks
            assert same(found.content, change.desired)


def test_only_lanes_of_new_customers_are_imported(load):
    load.applier.apply_lanes([lane(100)])
    changed = [update("customer", customer(100), city="Mesa"), create("invoice", invoice("1009", 100))]
    moved = [create("customer", customer(101)), create("event", cancellation("5", 100))]
    gone = [create("customer", customer(102)), delete("invoice", invoice("1002", 100))]
    left = load.run([(100, changed), (101, moved), (102, gone), lane(103)])
    assert [number for number, _ in left] == [100, 101, 102]
    assert not any(is_new(changes) for changes in (changed, moved, gone))
    assert not load.journal.refusals
    assert load.listing.find("invoice", "1009")


def test_bodies_stay_below_five_megabytes():
    body = Body(Wire("", "ds_1"))
    taken = 0
    while body.take([create("customer", customer(taken, name="x" * 250, company="y" * 250)), *fat(taken)]):
        taken += 1
    assert 4_000_000 < body.size <= LARGEST_BODY
    assert body.customers == taken < 1000


def fat(number):
    lines = tuple(line(f"{number}9", each) for each in range(20))
    return [create("invoice", invoice(f"{number}9", number, line_items=lines))]


def test_a_lane_that_is_too_large_is_sent_singly(load, monkeypatch):
    monkeypatch.setattr("target_chartmogul.apply.bulk_body.LARGEST_BODY", 5000)
    many = tuple(line("9", each, subscription=str(each)) for each in range(40))
    large = (1, [create("customer", customer(1)), create("invoice", invoice("9", 1, line_items=many))])
    left = load.run([large, lane(100)])
    assert [number for number, _ in left] == [1]
    assert load.journal.lanes == {1: True, 100: True}


def test_imports_under_way_are_waited_for_after_a_crash(load, tmp_path):
    """The next run counts `load-0001`, … and waits, before it reads what ChartMogul holds."""
    load.sandbox.control("PUT", "chartmogul/settings", {"import_processing": 1.0})
    killer = threading.Timer(0.3, load.client.stop.set)
    killer.start()
    lanes = [lane(number) for number in range(100, 110)]
    with pytest.raises(StoppedError):
        load.run(lanes)
    assert load.journal.intents
    load.client.stop.clear()
    assert load.listing.find("customer", "100") is None
    imports = load.imports()
    assert imports.finish_earlier() == 1
    assert load.listing.find("customer", "100") is not None
    load.sandbox.clear_requests("chartmogul")
    assert load.imports().finish_earlier(known=1) == 1
    assert load.paths("GET") == [f"/chartmogul/v1/data_sources/{load.wire.data_source_uuid}/json_imports/load-0002"]


def test_the_last_number_is_found_in_few_steps(load):
    imports = load.imports()
    imports.finish_earlier()
    for number in range(1, 38):
        assert imports.post({"customers": [b_customer(load, number)]})
    load.sandbox.clear_requests("chartmogul")
    again = load.imports()
    assert again.finish_earlier() == 37
    assert len(load.paths("GET")) <= 20
    assert again.post({"customers": [b_customer(load, 99)]})
    again.wait()
    assert load.listing.find("customer", "99")


def b_customer(load, number):
    import msgspec

    return msgspec.Raw(msgspec.json.encode(load.wire.new_customer(customer(number))))


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "502", "truncated"])
def test_a_lost_answer_imports_nothing_twice(load, kind):
    load.sandbox.faults(
        "chartmogul", script=[{"match": {"method": "POST", "path_regex": "json_imports"}, "kind": kind, "times": 1}]
    )
    assert load.run([lane(number) for number in range(100, 110)]) == []
    content = load.sandbox.content("Keap", NOW)
    assert (len(content["customers"]), len(content["invoices"])) == (10, 20)


def test_a_refused_import_is_sent_singly(load, caplog):
    """An account without bulk imports; the refusal is logged with its reason."""
    load.sandbox.control("PUT", "chartmogul/settings", {"bulk_imports": "absent"})
    left = load.run([lane(100), lane(101)])
    assert [number for number, _ in left] == [100, 101]
    assert not load.journal.refusals
    assert not load.journal.intents
    assert load.journal.lanes == {100: True, 101: True}
    assert [path for path in load.paths("POST") if path.endswith("/json_imports")]
    assert [r for r in caplog.records if "Bulk import load-0001: ChartMogul refused (404)" in r.getMessage()]
    content = load.sandbox.content("Keap", NOW)
    assert (len(content["customers"]), len(content["invoices"]), len(content["cancellations"])) == (2, 4, 2)


def test_polls_are_two_seconds_apart(load, monkeypatch):
    monkeypatch.setattr("target_chartmogul.chartmogul.json_imports.POLL_SECONDS", 2.0)
    load.sandbox.control("PUT", "chartmogul/settings", {"import_processing": 3.0})
    load.run([lane(100)])
    polls = [e["time"] for e in load.sandbox.requests("chartmogul") if "/json_imports/" in e["path"]]
    assert len(polls) >= 2
    assert all(later - earlier >= 1.99 for earlier, later in itertools.pairwise(polls))


@pytest.mark.parametrize(
    ("method", "new", "bulk"),
    [
        ("auto", 499, False),
        ("auto", 500, True),
        ("single", 5000, False),
        ("bulk", 1, True),
        ("bulk", 0, False),
    ],
)
def test_load_method(method, new, bulk):
    assert loads_in_bulk(method, new) is bulk
