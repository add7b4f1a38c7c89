"""The documented stream map through Meltano, which drops a setting that is null (case null-else-in-meltano)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.sandbox_process import ROOT, Sandbox

NOW = "2026-06-01T08:00:00Z"
ROW = {"id": 1, "title": "Acme", "email": "billing@example.com", "city": "Leeds", "country": "Grande-Bretagne"}


def documented_maps() -> dict[str, Any]:
    """The maps of `docs/chartmogul-streams.md`, as a user copies them."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "chartmogul-streams.md").read_text(), re.DOTALL)
    block = yaml.safe_load(next(each for each in blocks if "stream_maps:" in each))
    maps: dict[str, Any] = block["plugins"]["loaders"][0]["config"]["stream_maps"]
    return maps


def meltano(folder: Path, maps: dict[str, Any], sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    """Run a tap that prints one account, and the target, by `meltano run`."""
    fields = {name: {"type": ["integer" if name == "id" else "string", "null"]} for name in ROW}
    described = {"type": "SCHEMA", "stream": "accounts", "schema": {"type": "object", "properties": fields}}
    messages = [{**described, "key_properties": ["id"]}, {"type": "RECORD", "stream": "accounts", "record": ROW}]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in messages))
    programs = {
        "tap-shop": f'cat "{folder / "rows.jsonl"}"',
        "target-chartmogul": f'exec "{sys.executable}" -m target_chartmogul "$@"',
    }
    for name, command in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{command}\n")
        (folder / name).chmod(0o755)
    config = {"stream_maps": maps, "external_id_prefix": "shop-", "data_source_name": "Shop", "now": NOW}
    config |= {"api_key": sandbox.chartmogul_api_key, "api_url": sandbox.chartmogul_url}
    config |= {"exit_code_file": str(folder / "code"), "report_path": str(folder / "report.json")}
    settings = [{"name": name, "kind": "object" if name == "stream_maps" else "string"} for name in config]
    tap = {"name": "tap-shop", "namespace": "tap_shop", "executable": str(folder / "tap-shop")}
    target = {"name": "target-chartmogul", "namespace": "target_chartmogul", "settings": settings, "config": config}
    target["executable"] = str(folder / "target-chartmogul")
    project = {"project_id": "maps", "default_environment": "dev", "environments": [{"name": "dev"}]}
    project |= {"send_anonymous_usage_stats": False, "plugins": {"extractors": [tap], "loaders": [target]}}
    (folder / "meltano.yml").write_text(yaml.safe_dump(project))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MELTANO")}
    return subprocess.run(
        [sys.executable, "-c", "from meltano.cli import main; main()", "run", "tap-shop", "target-chartmogul"],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), "MELTANO_AUTO_INSTALL": "false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_documented_maps_send_only_what_they_name(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    sandbox.clock(NOW)
    maps = documented_maps()
    assert all(each["__else__"] == "__NULL__" for each in maps.values() if "__else__" in each)
    done = meltano(tmp_path, {"accounts": maps["accounts"]}, sandbox)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert (tmp_path / "code").read_text() == "0\n"
    (customer,) = sandbox.content("Shop", NOW)["customers"].values()
    assert customer["name"] == "Acme"
    assert "billing@example.com" not in json.dumps(customer)
    assert "Leeds" not in json.dumps(customer)


def test_without_it_every_field_goes_on(sandbox: Sandbox, tmp_path: Path) -> None:
    """What the map is for: a country in words is refused, and its record with it."""
    sandbox.no_limits()
    sandbox.clock(NOW)
    maps = {"accounts": {**documented_maps()["accounts"], "__else__": None}}
    assert meltano(tmp_path, maps, sandbox).returncode != 0
    assert (tmp_path / "code").read_text() == "7\n"
