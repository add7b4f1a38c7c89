"""The same pipeline by `meltano run`, with STATE in Meltano's own backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.pipeline import Pipeline, PipelineRun
from tests.support.sandbox_process import ROOT
from tests.support.tap_process import key_config
from tests.support.target_process import target_config

MELTANO = Path(sys.executable).parent / "meltano"
PLUGINS = ROOT / ".meltano" / "loaders" / "target-chartmogul" / "venv"
_JOB = "sandbox:tap-keap-to-target-chartmogul"


class MeltanoPipeline(Pipeline):
    """Runs of both commands under Meltano; without a store, or fed with messages, they run as ever."""

    _left: dict[str, Any] | None = None
    """The STATE that the last run left in Meltano's backend."""

    def run(self, *, timeout: float = 300, **more: Any) -> PipelineRun:
        """One `meltano run`, from the STATE that the last one left."""
        if "messages" in more or more.get("store_path", "") is None:
            return super().run(timeout=timeout, **more)
        full = more.pop("full", False)
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        kept = self.folder / "states" / _JOB / "state.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        if self.state is not self._left:
            # Else Meltano has it itself, in whatever form it keeps that of a run which failed.
            kept.write_text(json.dumps({"completed": {"singer_state": self.state or {}}, "partial": {}}))
        codes = {name: folder / f"{name}.code" for name in ("tap", "target")}
        variables = {
            **os.environ,
            "MELTANO_ENVIRONMENT": "sandbox",
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.sqlite'}",
            "MELTANO_STATE_BACKEND_URI": f"file://{self.folder / 'states'}",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            **_variables("TAP_KEAP", {**key_config(self.sandbox, **self.tap), "exit_code_file": str(codes["tap"])}),
            **_variables(
                "TARGET_CHARTMOGUL",
                {
                    "store_path": str(self.store),
                    "report_path": str(folder / "report.json"),
                    **target_config(self.sandbox, **{**self.target, **more}),
                    "exit_code_file": str(codes["target"]),
                },
            ),
        }
        command = [str(MELTANO), "run", *(["--full-refresh"] if full else []), "tap-keap", "target-chartmogul"]
        with (folder / "target.err").open("wb") as said:
            subprocess.run(
                command, cwd=ROOT, env=variables, stdout=said, stderr=subprocess.STDOUT, check=False, timeout=timeout
            )
        document = json.loads(kept.read_text()) if kept.exists() else {}
        found = [document.get(part, {}).get("singer_state") for part in ("partial", "completed")]
        self.state = self._left = next((each for each in found if each), None)
        (folder / "states.jsonl").write_text(json.dumps(self.state) + "\n" if self.state else "")
        tap, target = (int(codes[name].read_text()) if codes[name].exists() else -9 for name in ("tap", "target"))
        return PipelineRun(tap, target, folder, self.state)


def install_plugins() -> None:
    """Have Meltano install both plugins, unless it has."""
    if not PLUGINS.exists():
        subprocess.run([str(MELTANO), "install"], cwd=ROOT, check=True, capture_output=True)


def _variables(prefix: str, settings: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{prefix}_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
