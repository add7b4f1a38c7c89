"""Uuids that carry their sequence number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.chartmogul.identifiers import Identifiers

IDS = Identifiers()


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_a_uuid_leads_back_to_its_sequence_number(seq: int) -> None:
    assert IDS.seq("cus", IDS.uuid("cus", seq)) == seq


def test_foreign_uuids_are_unknown() -> None:
    uuid = IDS.uuid("cus", 7)
    assert IDS.seq("inv", uuid) is None
    assert Identifiers().seq("cus", uuid) is None
    for other in (None, 7, "", "cus_7", uuid.upper(), uuid + "0", IDS.bare(7)):
        assert IDS.seq("cus", other) is None


def test_uuids_do_not_follow_one_another() -> None:
    assert len({IDS.bare(seq)[:6] for seq in range(1000)}) > 990
