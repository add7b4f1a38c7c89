"""What is no record's fault: a defect in the mapping costs one group and tells no data, a signal ends the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from target_chartmogul.billing.decisions import Reject
from target_chartmogul.failures import StoppedError
from target_chartmogul.ledger.grouping import Groups
from target_chartmogul.ledger.inbox import Inbox
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.plan import planner as planning
from target_chartmogul.plan.change_file import ChangeStore
from target_chartmogul.plan.planner import Planner
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.sources.keap.account import Arrived
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.native import planning as shaped
from target_chartmogul.sources.native.grouping import ShapedGroups
from target_chartmogul.sources.native.inbox import ShapedInbox
from target_chartmogul.sources.native.planning import ShapedPlanner
from tests.support.native_rows import customer

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECRET = "member@example.com"


class Rejects(ReportBuilder):
    """A listener that keeps the rejects."""

    def __init__(self) -> None:
        super().__init__(started=NOW, now=NOW, dry_run=False)
        self.found: list[Reject] = []

    def reject(self, reject: Reject) -> None:
        self.found.append(reject)


@pytest.fixture
def listener() -> Iterator[Rejects]:
    made = Rejects()
    yield made
    made.close()


Plan = Callable[[], list[Any]]


@pytest.fixture(params=["Keap's streams", "ChartMogul's objects"])
def plan(request: pytest.FixtureRequest, tmp_path: Path, listener: Rejects) -> Iterator[Plan]:
    """Plans two customers, 1 and 2, of either kind of streams."""
    is_shaped = request.param != "Keap's streams"
    ledger = Ledger(tmp_path / "store.sqlite")
    ledger.claim(shaped=is_shaped)
    inbox: Inbox | ShapedInbox
    with ChangeStore(tmp_path / "changes.sqlite") as store:
        if is_shaped:
            inbox = ShapedInbox(tmp_path / "inbox.sqlite", "shop-")
            for name in ("1", "2"):
                inbox.put("customers", customer(name), json.dumps(customer(name)).encode(), None)
            inbox.settle()
            groups = ShapedGroups(inbox, ledger.path, frozenset())
            made = ShapedPlanner(inbox, ledger, groups, store, listener, frozenset(), NOW)
            yield lambda: list(made.plan())
        else:
            inbox = Inbox(tmp_path / "inbox.sqlite")
            for name in ("1", "2"):
                inbox.put("contacts", {"id": name}, json.dumps({"id": name}).encode(), None)
            inbox.attach(ledger.path)
            contacts = Groups(inbox)
            contacts.mark_all()
            contacts.gather()
            planner = Planner(inbox, ledger, contacts, store, listener, MappingSettings(), Arrived(), NOW)
            yield lambda: list(planner.plan())
    inbox.close()
    ledger.close()


def fails_first(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Deciding the first group fails."""
    for module in (planning, shaped):
        calls: list[int] = []
        decide = module.decide

        def decide_or_fail(*values: Any, calls: list[int] = calls, decide: Any = decide) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise error
            return decide(*values)

        monkeypatch.setattr(module, "decide", decide_or_fail)


def test_rule_1_5_a_defect_costs_one_group_and_tells_no_data(
    plan: Plan, listener: Rejects, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fails_first(monkeypatch, ValueError(SECRET))
    assert [each.failed for each in plan()] == [True, False]
    (reject,) = listener.found
    assert "ValueError at test_planning.py" in reject.reason
    assert "ValueError at test_planning.py" in caplog.text
    assert SECRET not in caplog.text + reject.reason


def test_a_signal_while_a_group_is_decided_is_no_defect_of_it(
    plan: Plan, listener: Rejects, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fails_first(monkeypatch, StoppedError("stopped by SIGTERM", 143))
    with pytest.raises(StoppedError):
        plan()
    assert (listener.found, caplog.text) == ([], "")
