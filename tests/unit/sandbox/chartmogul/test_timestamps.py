"""ChartMogul's date formats."""

from __future__ import annotations

import pytest

from sandbox.chartmogul import timestamps

ACCEPTED = [
    ("2016-01-01", "2016-01-01T00:00:00.000Z"),
    ("2016-01-01 12:00:00", "2016-01-01T12:00:00.000Z"),
    ("2016-01-01 12:00:00 UTC", "2016-01-01T12:00:00.000Z"),
    ("2016-01-01T12:00:00Z", "2016-01-01T12:00:00.000Z"),
    ("2016-01-01T12:00:00.123456Z", "2016-01-01T12:00:00.123Z"),
    ("2016-01-01T12:00:00.5Z", "2016-01-01T12:00:00.500Z"),
    ("2000-01-01 00:00:00 +0200", "1999-12-31T22:00:00.000Z"),
    ("2000-01-01T00:00:00-05:30", "2000-01-01T05:30:00.000Z"),
    ("1969-12-31T23:59:59.250Z", "1969-12-31T23:59:59.250Z"),
]


@pytest.mark.parametrize(("given", "shown"), ACCEPTED)
def test_accepted(given: str, shown: str) -> None:
    assert timestamps.with_milliseconds(timestamps.parse(given)) == shown


@pytest.mark.parametrize(
    "given", ["", "soon", "2016-02-30", "2016-13-01", "01/02/2016", "2016-01-01T25:00:00Z", "1451606400"]
)
def test_refused(given: str) -> None:
    with pytest.raises(ValueError):
        timestamps.parse(given)


def test_the_other_formats() -> None:
    moment = timestamps.parse("2022-05-18T09:48:34.750Z")
    assert timestamps.with_seconds(moment) == "2022-05-18T09:48:34Z"
    assert timestamps.with_offset(moment) == "2022-05-18T09:48:34+00:00"
    assert timestamps.shortest(moment) == "2022-05-18T09:48:34.750Z"
    assert timestamps.shortest(moment - 750) == "2022-05-18T09:48:34Z"
