"""Answers of ChartMogul that are broken, endless, hostile or of an odd form: each costs itself and never the run."""

from __future__ import annotations

import re
import time

import pytest

from target_chartmogul.apply.lanes import Applier
from target_chartmogul.billing.normal import same
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import create_data_source, find_data_source
from target_chartmogul.chartmogul.errors import ClosedForLongError, NotUnderstoodError, UnreachableError
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.checks.preflight import check_key
from tests.support.billing_objects import PLAN, cancellation, customer, invoice, line
from tests.support.memory_journal import MemoryJournal, create, root_of, update

NOW = "2026-01-15T00:00:00Z"


class Account:
    """Two customers with an invoice and a cancellation each."""

    def __init__(self, sandbox):
        sandbox.clock(NOW)
        sandbox.no_limits(("chartmogul",))
        self.sandbox = sandbox
        self.client = ChartMogulClient(
            sandbox.chartmogul_api_key, sandbox.chartmogul_url, gate=RequestGate(per_second=100_000), read_timeout=1
        )
        self.wire = Wire("", create_data_source(self.client, "Keap").uuid)
        self.journal = MemoryJournal()
        self.applier = Applier(self.client, self.wire, self.journal, root_of, workers=4)
        self.applier.apply_plans([create("plan", PLAN)])
        self.run(
            *(
                [
                    create("customer", customer(number)),
                    create("invoice", invoice(f"{number}00", number)),
                    create("event", cancellation(f"90{number}", number)),
                ]
                for number in (1, 2)
            )
        )
        assert not self.journal.refusals

    def run(self, *lanes):
        self.applier.apply_lanes(enumerate(lanes))

    def odd(self, kind, path, times=None, method=None):
        match = {"path_regex": path} | ({"method": method} if method else {})
        self.sandbox.faults("chartmogul", script=[{"match": match, "kind": kind, "times": times}])

    def listed(self):
        listing = Listing(self.client, self.wire)
        return [(each.kind, each.content.external_id) for each in listing.everything()], listing.odd


EVERYTHING = [
    ("plan", "31-7-1month"),
    ("customer", "1"),
    ("customer", "2"),
    ("invoice", "100"),
    ("invoice", "200"),
    ("event", "901-cancelled-2025-04-01"),
    ("event", "902-cancelled-2025-04-01"),
]


@pytest.fixture
def account(sandbox, monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda value: min(value, 0.002))
    monkeypatch.setattr("target_chartmogul.chartmogul.client._BEFORE_ASKING_AGAIN", 0.01)
    monkeypatch.setattr("target_chartmogul.chartmogul.gate.SHORTEST_PAUSE", 0.001)
    monkeypatch.setattr("target_chartmogul.chartmogul.gate.LONGEST_PAUSE", 0.002)
    made = Account(sandbox)
    yield made
    made.client.close()


PATHS = [("/plans", "plan"), ("/customers", "customer"), ("/invoices", "invoice"), ("/subscription_events", "event")]


@pytest.mark.parametrize(("path", "kind"), PATHS)
@pytest.mark.parametrize(
    ("oddity", "lost"),
    [
        ("null_row", 0),
        ("text_row", 0),
        ("nan_row", 0),
        ("deep_row", 0),
        ("odd_quota_headers", 0),
        ("row_without_id", 1),
    ],
)
def test_an_odd_row_costs_itself_at_most(account, path, kind, oddity, lost):
    account.odd(oddity, f"{path}$", method="GET")
    listed, odd = account.listed()
    assert len(set(listed)) == len(listed) == len(EVERYTHING) - lost
    assert set(EVERYTHING) - set(listed) == {(each.kind, each.external_id) for each in odd}
    assert {each.kind for each in odd} == ({kind} if lost else set())


@pytest.mark.parametrize("oddity", ["amount_text", "amount_float"])
def test_an_amount_may_be_a_text_or_a_float(account, oddity):
    account.odd(oddity, "/invoices$", method="GET")
    for external_id in ("100", "200"):
        found = Listing(account.client, account.wire).find("invoice", external_id)
        assert same(found.content, invoice(external_id, int(external_id[0])))


@pytest.mark.parametrize(
    ("path", "oddity", "kind", "place"),
    [
        ("/invoices", "date_text", "invoice", "transactions[0].date"),
        ("/invoices", "lists_null_in_row", "invoice", "line_items"),
        ("/subscription_events", "date_text", "event", "effective_date"),
        ("/subscription_events", "row_without_id", "event", "id"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_missing(account, path, oddity, kind, place):
    account.odd(oddity, f"{path}$", method="GET")
    listed, (odd,) = account.listed()
    assert len(listed) == len(EVERYTHING) - 1
    assert odd.place == f"GET {path}: {place} of {odd.external_id}"
    with pytest.raises(NotUnderstoodError, match=re.escape(f"GET {path}: {place}")):
        Listing(account.client, account.wire).find(kind, odd.external_id)


@pytest.mark.parametrize(("path", "kind"), PATHS)
def test_foreign_objects_may_have_any_id(account, path, kind):
    """A person's customer with a number of twenty digits ended every later run."""
    account.odd("odd_id_row", f"{path}$", method="GET")
    listed, odd = account.listed()
    assert len(EVERYTHING) - len(listed) in {0, 1}
    assert not odd
    source = {"data_source_uuid": account.wire.data_source_uuid}
    account.sandbox.faults("chartmogul")
    for external_id in ("12345678901234567890", "../..", "x" * 255, "\u202e\n", "0"):
        account.client.post("/customers", {**source, "external_id": external_id})
    assert len(account.listed()[0]) == len(EVERYTHING) + 5
    account.wire.prefix = "keap-"
    assert account.listed() == ([], [])


@pytest.mark.parametrize("oddity", ["list_null", "list_number", "list_true", "deep"])
def test_a_listing_without_its_list(account, oddity):
    account.odd(oddity, "/invoices$", method="GET")
    with pytest.raises(NotUnderstoodError, match="GET /invoices without a list “invoices”"):
        account.listed()


@pytest.mark.parametrize("oddity", ["alternating_tokens", "repeated_token", "repeated_token_empty", "token_number"])
def test_cursors_that_lead_nowhere(account, oddity):
    account.odd(oddity, "/customers$", method="GET")
    account.sandbox.clear_requests("chartmogul")
    with pytest.raises(NotUnderstoodError, match=r"GET /customers, page [123], has more pages"):
        account.listed()
    assert len(account.sandbox.requests("chartmogul")) <= 6


@pytest.mark.parametrize("path", [path for path, _ in PATHS])
def test_a_list_that_is_empty_once_is_not_believed(account, path):
    account.odd("list_empty", f"{path}$", times=1, method="GET")
    assert sorted(account.listed()[0]) == sorted(EVERYTHING)
    account.odd("list_empty", f"{path}$", method="GET")
    assert len(account.listed()[0]) < len(EVERYTHING)


@pytest.mark.parametrize(
    ("oddity", "tries", "told"),
    [
        ("gzip_bomb", 3, "larger than 64 MB"),
        ("large", 3, "larger than 64 MB"),
        ("bad_gzip", 9, "compression is broken"),
        ("truncated", 9, "connection broke"),
        ("html_200", 9, "something else than JSON"),
    ],
)
def test_answers_that_cannot_be_read_end_with_the_path(account, oddity, tries, told):
    account.odd(oddity, "/invoices$", method="GET")
    account.sandbox.clear_requests("chartmogul")
    with pytest.raises(UnreachableError, match=rf"{told} \(GET /invoices, {tries} tries\)"):
        list(Listing(account.client, account.wire).invoices())
    assert len(account.sandbox.requests("chartmogul")) == tries


def test_an_answer_that_trickles_has_an_end(account, monkeypatch):
    monkeypatch.setattr("target_chartmogul.chartmogul.client.TRIES", 2)
    account.odd("trickle", "/invoices$", method="GET")
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="no complete answer in time"):
        list(Listing(account.client, account.wire).invoices())
    assert 3 < time.monotonic() - begun < 10


@pytest.mark.parametrize("oddity", ["not_utf8", "half_character_row"])
def test_characters_that_are_none_are_replaced(account, oddity):
    account.odd(oddity, "/customers$", method="GET")
    try:
        listed, _ = account.listed()
    except NotUnderstoodError as error:
        assert "entries" in str(error)  # noqa: PT017  the first text of the answer is the name of its list
    else:
        assert len(listed) >= len(EVERYTHING) - 1


@pytest.mark.parametrize(("oddity", "status"), [("429_year", 429), ("503_year", 503), ("429_date", 429)])
def test_a_pause_of_a_year_is_named_once_and_not_waited_for(account, oddity, status):
    account.odd(oddity, ".")
    account.sandbox.clear_requests("chartmogul")
    begun = time.monotonic()
    lanes = [[update("customer", customer(number), city="Mesa")] for number in range(1, 30)]
    with pytest.raises(ClosedForLongError, match=rf"no requests until 202\d-\d\d-\d\d .* UTC \({status}") as caught:
        account.run(*lanes)
    assert caught.value.exit_code == 4
    assert time.monotonic() - begun < 5
    assert len(account.sandbox.requests("chartmogul")) <= 4  # those of the other workers were under way
    assert not account.journal.refusals
    assert account.journal.intents


@pytest.mark.parametrize("oddity", ["429_odd", "429_empty", "429_html", "429"])
def test_a_pause_of_no_length_is_a_short_one(account, oddity):
    account.odd(oddity, "/ping", times=2)
    check_key(account.client)


@pytest.mark.parametrize("oddity", ["redirect", "redirect_to_itself"])
def test_a_redirect_is_named(account, oddity):
    account.odd(oddity, "/ping")
    with pytest.raises(UnreachableError, match=r"answered GET /ping with a redirect \(30[28]\)"):
        check_key(account.client)


def test_a_read_answered_304_says_nothing(account):
    account.odd("304", "/ping", times=1)
    with pytest.raises(UnreachableError, match="304"):
        check_key(account.client)


@pytest.mark.parametrize(
    ("oddity", "refused"),
    [
        ("500", ["101", "102"]),
        ("never", ["101", "102"]),
        ("422_deep", ["101", "102"]),
        ("404_html", ["101", "102"]),
        ("redirect", ["101", "102"]),
        ("deep", []),
        ("gzip_bomb", []),
        ("bad_gzip", []),
        ("empty_200", []),
        ("304", ["101", "102"]),
    ],
)
def test_one_object_that_fails_never_stops_others(account, oddity, refused, monkeypatch):
    """Not even one whose every request fails, while others are answered; what was done all the same is looked up."""
    monkeypatch.setattr("target_chartmogul.chartmogul.client.TRIES", 2)
    monkeypatch.setattr("target_chartmogul.chartmogul.creation.POSTS", 2)
    monkeypatch.setattr("target_chartmogul.chartmogul.creation._AFTER_LOST_ANSWER", (0.0, 0.01))
    account.client._timeout = (1, 0.3)
    account.odd(oddity, f"{account.journal.uuid('customer', '1')}/invoices")
    others = (201, 301, 401)
    account.run(
        [create("invoice", invoice("101", 1)), create("invoice", invoice("102", 1))],
        *([create("customer", customer(n // 100)), create("invoice", invoice(str(n), n // 100))] for n in others),
    )
    assert account.journal.refused_ids() == refused
    assert [account.journal.lanes[lane] for lane in range(4)] == [not refused, True, True, True]
    listing = Listing(account.client, account.wire)
    for number in others:
        assert same(listing.find("invoice", str(number)).content, invoice(str(number), number // 100))


def test_no_answer_for_several_objects_in_a_row_ends_the_work(account, monkeypatch):
    """The parts of one invoice are one object."""
    monkeypatch.setattr("target_chartmogul.chartmogul.client.TRIES", 2)
    account.odd("500", "/line_items$", method="PATCH")
    account.run([update("line_item", line("100", number), amount_in_cents=1, parent="100") for number in range(1, 6)])
    assert len(account.journal.refusals) == 5
    account.odd("500", "/customers")
    with pytest.raises(UnreachableError, match="answered 500"):
        account.run(*([update("customer", customer(number), city="Mesa")] for number in (1, 2, 3, 4, 5, 6)))


def test_an_answer_to_a_creation_without_uuid_is_looked_up(account):
    account.odd("row_without_id", "/customers$", method="POST")
    account.run([create("customer", customer(3))])
    assert account.journal.uuid("customer", "3")


@pytest.mark.parametrize("fields", [{"uuid": 7}, {"uuid": None}])
def test_a_data_source_without_uuid(account, fields):
    account.sandbox.control("PUT", "chartmogul/settings", {"source_fields": fields})
    with pytest.raises(NotUnderstoodError, match="no uuid"):
        find_data_source(account.client, name="Keap")


def test_what_others_wrote_cannot_forge_a_line_of_the_log(account, caplog):
    source = {"data_source_uuid": account.wire.data_source_uuid}
    account.client.post("/customers", {**source, "external_id": "9\nERROR forged\x1b[31m"})
    account.odd("date_text", "/customers$", method="GET")
    account.listed()
    account.odd("row_without_id", "/customers$", method="GET")
    account.listed()
    assert not [record for record in caplog.records if "\n" in record.getMessage() or "\x1b" in record.getMessage()]


def test_no_netrc_replaces_the_key(account, tmp_path, monkeypatch):
    """Whoever may write that file would otherwise have their password sent to ChartMogul, and requests refused."""
    (tmp_path / ".netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    check_key(account.client)
