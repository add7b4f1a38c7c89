"""Nothing secret or personal in anything that the commands say, at the level DEBUG, whatever goes wrong.

Faults of the networks are searched in `tests/property/test_failing_networks.py`; here the failures are of other kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipeline import Pipeline, PipelineRun
from tests.support.sandbox_process import Sandbox
from tests.support.secrets import assert_nothing_told
from tests.support.singer_messages import account_messages
from tests.support.singer_rows import Account, club_account

NOW = "2026-03-20T08:00:00Z"
WRONG_KEY = "a-key-that-nobody-issued-4711"


def all_is_well(pipeline: Pipeline, rows: Account) -> PipelineRun:
    return pipeline.run()


def nothing_is_new(pipeline: Pipeline, rows: Account) -> PipelineRun:
    pipeline.run().assert_fine()
    return pipeline.run()


def keap_refuses_the_key(pipeline: Pipeline, rows: Account) -> PipelineRun:
    pipeline.tap["api_key"] = WRONG_KEY
    return pipeline.run()


def chartmogul_refuses_the_key(pipeline: Pipeline, rows: Account) -> PipelineRun:
    return pipeline.run(api_key=WRONG_KEY)


def the_key_may_only_read(pipeline: Pipeline, rows: Account) -> PipelineRun:
    return pipeline.run(api_key=pipeline.sandbox.keys["chartmogul_read_only_key"])


def the_key_is_withdrawn_in_mid_run(pipeline: Pipeline, rows: Account) -> PipelineRun:
    script = [{"match": {"method": "POST", "path_regex": "/customers$"}, "kind": "401", "times": 1000, "after": 2}]
    pipeline.sandbox.faults("chartmogul", script=script)
    return pipeline.run()


def records_are_invalid(pipeline: Pipeline, rows: Account) -> PipelineRun:
    """Each with its person's name and address where a date, an amount, an object or an id is expected."""
    names = [contact["given_name"] for contact in rows["contacts"]]
    addresses = [contact["email_addresses"][0]["email"] for contact in rows["contacts"]]
    rows["orders"][0]["order_time"] = names[0]
    rows["orders"][1]["total"] = {"amount": names[1], "currency_code": addresses[1]}
    rows["orders"][2]["order_items"] = names[2]
    rows["orders"][3]["contact"] = addresses[3]
    rows["payments"][4]["amount"] = addresses[4]
    rows["subscriptions"][5]["end_date"] = names[5]
    rows["contacts"][2]["email_addresses"] = addresses[2]
    rows["contacts"][3]["create_time"] = names[3]
    rows["contacts"][4]["id"] = addresses[4]
    return pipeline.run(
        messages=account_messages(rows) + f'{{"type":"RECORD","stream":"contacts","record":"{names[0]}\n'
    )


def addresses_are_refused(pipeline: Pipeline, rows: Account) -> PipelineRun:
    """Valid for us, not for ChartMogul: the contact is named by its id."""
    for number, contact in enumerate(rows["contacts"]):
        contact["email_addresses"][0]["email"] = f"zenobia{number}@quillfeather..example"
    pipeline.sandbox.load(rows)
    return pipeline.run()


def a_guard_stops_the_run(pipeline: Pipeline, rows: Account) -> PipelineRun:
    pipeline.run().assert_fine()
    return pipeline.run(messages=account_messages({**rows, "orders": rows["orders"][:3]}), hard_delete=True)


def a_setting_is_a_secret_in_the_wrong_place(pipeline: Pipeline, rows: Account) -> PipelineRun:
    return pipeline.run(messages="", churn_fallback=pipeline.sandbox.chartmogul_api_key)


def the_address_is_not_https(pipeline: Pipeline, rows: Account) -> PipelineRun:
    return pipeline.run(messages="", api_url="http://api.chartmogul.com/v1")


def the_store_is_damaged(pipeline: Pipeline, rows: Account) -> PipelineRun:
    pipeline.run().assert_fine()
    pipeline.store.write_bytes(pipeline.store.read_bytes()[:9000])
    return pipeline.run()


def a_stream_map_breaks(pipeline: Pipeline, rows: Account) -> PipelineRun:
    return pipeline.run(stream_maps={"contacts": {"given_name": "int(given_name)"}})


KINDS: list[tuple[Callable[[Pipeline, Account], PipelineRun], set[tuple[int, int]]]] = [
    (all_is_well, {(0, 0)}),
    (nothing_is_new, {(0, 0)}),
    (keap_refuses_the_key, {(3, 6)}),
    (chartmogul_refuses_the_key, {(0, 3), (1, 3)}),
    (the_key_may_only_read, {(0, 3)}),
    (the_key_is_withdrawn_in_mid_run, {(0, 3)}),
    (records_are_invalid, {(0, 7)}),
    (addresses_are_refused, {(0, 0)}),
    (a_guard_stops_the_run, {(0, 8)}),
    (a_setting_is_a_secret_in_the_wrong_place, {(0, 2)}),
    (the_address_is_not_https, {(0, 2)}),
    (the_store_is_damaged, {(0, 10), (1, 10)}),
    (a_stream_map_breaks, {(0, 2), (1, 2)}),
]


@pytest.mark.parametrize(("kind", "codes"), KINDS, ids=[kind.__name__ for kind, _ in KINDS])
def test_nothing_secret_or_personal(sandbox: Sandbox, tmp_path: Path, kind: Any, codes: set[tuple[int, int]]) -> None:
    sandbox.no_limits()
    sandbox.clock(NOW)
    rows = club_account(12)
    sandbox.load(rows)
    pipeline = Pipeline(
        sandbox,
        tmp_path,
        tap={"now": NOW},
        target={"now": NOW},
        environment={"LOGLEVEL": "DEBUG", "TAP_KEAP_LOGLEVEL": "DEBUG", "TARGET_CHARTMOGUL_LOGLEVEL": "DEBUG"},
    )
    done = kind(pipeline, rows)
    assert done.codes in codes, done
    said = "".join(path.read_text() for path in tmp_path.rglob("*.err"))
    assert "DEBUG" in said or done.target_code == 2
    assert "Traceback" not in said
    assert_nothing_told(sandbox, tmp_path, club_account(12), WRONG_KEY, "quillfeather", "Quillfeather")


def test_the_search_finds_what_it_looks_for(sandbox: Sandbox, tmp_path: Path) -> None:
    for secret in (sandbox.chartmogul_api_key, sandbox.keap_api_key, "zenobia3@quillfeather.example", "Zenobia3"):
        (tmp_path / "target.err").write_text(f"2026 | INFO | refused: “{secret}”\n")
        with pytest.raises(AssertionError):
            assert_nothing_told(sandbox, tmp_path, club_account(12))
    (tmp_path / "target.err").write_text("2026 | INFO | contacts 3: refused\n")
    assert_nothing_told(sandbox, tmp_path, club_account(12))
