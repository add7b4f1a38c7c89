"""The part of a run that is of its own for ChartMogul-shaped streams: from all rows to the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from target_chartmogul.billing.decisions import Reject
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.plan.change_file import ChangeStore
from target_chartmogul.plan.planner import Listener
from target_chartmogul.sources.native.grouping import ShapedGroups
from target_chartmogul.sources.native.inbox import ShapedInbox
from target_chartmogul.sources.native.planning import ShapedPlanner, ShapedSettling


def plan_shaped(
    inbox: ShapedInbox,
    ledger: Ledger,
    store: ChangeStore,
    listener: Listener,
    *,
    rejects: Iterable[Reject],
    hard_delete: bool,
    lasting: bool,
    now: datetime,
    check: Callable[[], None],
) -> tuple[ShapedPlanner, ShapedSettling]:
    """Plan all rows that arrived, and those that an earlier run kept.

    Args:
        inbox: with the rows.
        ledger: what ChartMogul holds.
        store: takes the changes.
        listener: hears the rest.
        rejects: of the input; a stream with one of them removes nothing.
        hard_delete: whether what a complete read did not bring is removed (rule 4.10).
        lasting: the ledger is there in the next run.
        now: the clock of the run.
        check: raises if the run is to stop.
    """
    inbox.settle()
    found = [*rejects, *_told(inbox.refuse_nested_transactions(), listener)]
    whole = inbox.whole(found)
    kept = (row for row in ledger.kept_rows() if row.stream not in whole)
    found += _told(inbox.put_kept(kept), listener)
    gone = inbox.whole(found) if hard_delete else frozenset()
    groups = ShapedGroups(inbox, ledger.path, gone)
    settling = ShapedSettling(inbox, ledger, lasting=lasting)
    planner = ShapedPlanner(inbox, ledger, groups, store, listener, gone, now)
    for outcome in planner.plan():
        check()
        settling.take(outcome)
    return planner, settling


def _told(rejects: Iterable[Reject], listener: Listener) -> list[Reject]:
    found = list(rejects)
    for reject in found:
        listener.reject(reject)
    return found
