"""The mapping keeps its pace."""

from __future__ import annotations

import pytest

from tests.bench.decisions import FLOOR, measure


@pytest.mark.bench
def test_decide_keeps_its_pace() -> None:
    found = measure(contacts=400)
    assert min(found["new"], found["again"], found["one_account"]) >= FLOOR, found
