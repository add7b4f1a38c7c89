"""What is no record's fault: a defect in the rules costs one account and reveals no data, a signal ends the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from target_chartmogul.billing.decisions import Note, Reject
from target_chartmogul.failures import StoppedError
from target_chartmogul.plan import planner as planner_module
from target_chartmogul.plan.change_file import ChangeFile
from target_chartmogul.plan.planner import Planner
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.source import KeapSource
from target_chartmogul.sources.native.source import NativeSource
from target_chartmogul.sources.protocol import Context, Source
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.place import StorePlace
from target_chartmogul.store.store import Store
from tests.support.keap_rows import contact
from tests.support.native_rows import customer

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECRET = "member@example.com"


class Listener:
    """Keeps the rejects."""

    def __init__(self) -> None:
        self.found: list[Reject] = []

    def note(self, note: Note) -> None:
        """Nothing is said of this run alone here."""

    def reject(self, reject: Reject) -> None:
        self.found.append(reject)


def filled(source: Source, stream: str, rows: list[dict[str, Any]]) -> tuple[StorePlace, Store]:
    """A store with these rows, all of them marked."""
    nodes = SourceNodes(source.links_of, source.owner_node, source.subject_node, source.contact_stream)
    place = StorePlace(None, nodes)
    store = place.open()
    number = source.streams.index(stream)
    for row in rows:
        read = source.read(stream, json.dumps(row).encode())
        store.records.put(number, read.number, read.payload, read.links, id_text=read.id_text)
    store.finish_first_read()
    return place, store


Made = tuple[Planner, Store, ChangeFile, Listener, Source]


@pytest.fixture(params=["Keap's streams", "ChartMogul's objects"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A planner of two customers, of either kind of streams."""
    source: Source
    if request.param == "Keap's streams":
        source = KeapSource({})
        place, store = filled(source, "contacts", [contact("1"), contact("2")])
    else:
        source = NativeSource("shop-")
        place, store = filled(source, "customers", [customer("1"), customer("2")])
    listener = Listener()
    context = Context(
        settings=msgspec.convert({"customer_scope": "all"}, MappingSettings),
        now=NOW,
        settings_changed=frozenset(),
        complete_reads={},
    )
    with ChangeFile(tmp_path / "changes.sqlite") as file:
        yield Planner(source, store, file, listener, context), store, file, listener, source
    place.close()


def fail_first(monkeypatch: pytest.MonkeyPatch, holder: Any, name: str, error: Exception) -> None:
    """Of the first account this function fails."""
    decide = getattr(holder, name)
    calls: list[int] = []

    def decide_or_fail(*values: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return decide(*values, **named)

    monkeypatch.setattr(holder, name, decide_or_fail)


def test_two_customers_are_planned(made: Made) -> None:
    planner, store, file, listener, _ = made
    assert len(list(planner.plan(store.accounts.due(NOW)))) == 2
    assert file.counts["create", "customer", False] == 2
    assert listener.found == []


@pytest.mark.parametrize("name", ["decide", "notes_with_mrr", "account_changes", "account_figures"])
def test_rule_1_5_a_defect_costs_one_account_and_reveals_no_data(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    planner, store, file, listener, source = made
    fail_first(monkeypatch, source if name == "decide" else planner_module, name, ValueError(SECRET))
    list(planner.plan(store.accounts.due(NOW)))
    assert file.counts["create", "customer", False] == 1
    (reject,) = listener.found
    assert "ValueError at test_planning.py" in reject.reason
    assert "ValueError at test_planning.py" in caplog.text
    assert SECRET not in caplog.text + reject.reason


def test_a_signal_while_an_account_is_decided_is_not_a_defect(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    planner, store, _, listener, source = made
    fail_first(monkeypatch, source, "decide", StoppedError("stopped by SIGTERM", 143))
    with pytest.raises(StoppedError):
        list(planner.plan(store.accounts.due(NOW)))
    assert (listener.found, caplog.text) == ([], "")
