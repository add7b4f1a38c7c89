"""The stream map of `docs/other-targets.md` that hides personal data: run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.support.keap_rows import contact
from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import key_config, run_tap


def documented_map() -> dict[str, dict[str, str]]:
    page = (ROOT / "docs" / "other-targets.md").read_text().partition("## Without personal data")[2]
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    found: dict[str, dict[str, str]] = yaml.safe_load(block[1])["config"]["stream_maps"]
    return found


def test_the_documented_map_leaves_no_name_and_no_address(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    sandbox.load({"contacts": [contact("1207", create_time="2026-01-01T00:00:00Z", company=None)]})
    config = key_config(sandbox)
    plain = run_tap(tmp_path / "plain", config, streams=("contacts",))
    assert plain.rows["contacts"][0]["email_addresses"]
    mapped = run_tap(tmp_path / "mapped", config | {"stream_maps": documented_map()}, streams=("contacts",))
    assert mapped.code == 0, mapped.stderr
    (row,) = mapped.rows["contacts"]
    assert row["id"] == "1207"
    assert "Given1207" not in str(row)
    assert "@" not in str(row)
