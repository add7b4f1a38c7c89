"""What writing to ChartMogul must reach (`make bench`)."""

from __future__ import annotations

import pytest

from tests.bench import chartmogul_first_load, chartmogul_writes

pytestmark = pytest.mark.bench


def test_single_writes_reach_the_limit_and_never_pass_it() -> None:
    found = chartmogul_writes.measure()
    assert found["share_of_floor"] >= 0.95
    assert found["ratio"] >= 5
    assert (found["detail"]["status_429"], found["detail"]["status_503"]) == (0, 0)


def test_a_first_load_in_bulk_needs_few_requests() -> None:
    found = chartmogul_first_load.measure()
    bulk = found["bulk"]
    assert bulk["import_posts"] <= found["most_import_posts"]
    assert bulk["lists"] <= found["most_lists"]
    assert bulk["polls"] <= bulk["seconds"] / 2 + 2
    assert found["ratio"] >= 5
