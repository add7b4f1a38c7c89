"""The README says what the code does."""

from __future__ import annotations

import runpy

from tap_keap.exit_codes import ExitCode
from tests.support.sandbox_process import ROOT

README = (ROOT / "tap-keap" / "README.md").read_text()


def test_the_table_of_streams_is_the_codes() -> None:
    script = runpy.run_path(str(ROOT / "tap-keap" / "scripts" / "stream_table.py"))
    assert script["with_table"](README) == README


def test_the_table_of_exit_codes_is_the_codes() -> None:
    table = README.split("<!-- exit codes:")[1].split("<!-- end of exit codes")[0]
    assert [line for line in table.splitlines()[3:] if line] == [
        f"| {code.value} | {code.meaning} |" for code in ExitCode
    ]
