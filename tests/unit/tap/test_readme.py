"""The README says what the code does."""

from __future__ import annotations

import re
import runpy

from tap_keap import exit_codes
from tests.support.sandbox_process import ROOT

README = (ROOT / "tap-keap" / "README.md").read_text()


def test_the_table_of_streams_is_the_codes() -> None:
    script = runpy.run_path(str(ROOT / "tap-keap" / "scripts" / "stream_table.py"))
    assert script["with_table"](README) == README


def test_every_exit_code_is_in_the_table() -> None:
    section = README.split("## Exit codes")[1].split("\n## ")[0]
    listed = {
        int(code) for cells in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE) for code in cells.split(",")
    }
    assert listed == {value for name, value in vars(exit_codes).items() if name.isupper()}
