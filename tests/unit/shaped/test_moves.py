"""A transaction that comes into another invoice leaves its own first: ChartMogul takes no external id twice."""

from __future__ import annotations

import pytest

from target_chartmogul.plan.sequence import ordered
from tests.billing_objects import invoice, paid
from tests.memory_journal import create, delete


@pytest.mark.parametrize("reverse", [False, True])
def test_before_it_is_created_alone_or_in_a_new_invoice(reverse):
    moved = paid("1")
    alone = [delete("transaction", moved, parent="9"), create("transaction", moved, parent="1")]
    whole = [delete("transaction", moved, parent="9"), create("invoice", invoice("1", transactions=(moved,)))]
    for lane in (alone, whole):
        changes = ordered(reversed(lane) if reverse else lane)
        assert [change.action for change in changes] == ["delete", "create"]
