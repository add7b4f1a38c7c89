"""How long the commands take to begin, and what Meltano adds to a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from tests.bench.accounts import NOW, Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import account_file, spent
from tests.support.sandbox_process import ROOT, Sandbox

TIMES = 5
MELTANO_TIMES = 3
MOST_SECONDS = 0.6


def start_rows(folder: Path) -> list[Row]:
    """`--version` of both commands, beside Python with the SDK imported."""
    del folder
    sdk = min(spent([sys.executable, "-c", "import singer_sdk"]).wall for _ in range(TIMES))
    rows = []
    for command, module in (("tap-keap", "tap_keap"), ("target-chartmogul", "target_chartmogul")):
        runs = [spent([sys.executable, "-m", module, "--version"]) for _ in range(TIMES)]
        best = min(run.wall for run in runs)
        rows.append(
            Row(
                what=f"start: {command} --version, seconds",
                ours=best,
                required=f"≤ {MOST_SECONDS}",
                peer=f"{sdk:.2f} import singer_sdk",
                ratio=sdk / best,
                detail=f"{min(run.cpu for run in runs):.2f} s of CPU; best of {TIMES}",
            )
        )
    return rows


def meltano_rows(folder: Path) -> list[Row]:
    """Seconds that `meltano run` takes more than the two commands in a shell's pipe, for a small run."""
    with serving(account_file(folder, 20, 200)) as sandbox:
        bridge = Bridge(sandbox, folder / "meltano")
        bridge.run()
        variables = _variables(sandbox, folder)
        meltano = [str(Path(sys.executable).parent / "meltano")]
        if not (ROOT / ".meltano" / "extractors" / "tap-keap" / "venv").exists():
            subprocess.run([*meltano, "install"], cwd=ROOT, env=variables, check=True, capture_output=True)
        command = [*meltano, "run", "tap-keap", "target-chartmogul"]
        said = folder / "meltano.log"
        spent(command, environment=variables, stderr=said)
        piped = median(bridge.run() for _ in range(MELTANO_TIMES))
        whole = median(spent(command, environment=variables, stderr=said).wall for _ in range(MELTANO_TIMES))
    return [
        Row(
            what="meltano run: seconds more than the same pipe in a shell",
            ours=whole - piped,
            peer=f"{piped:.2f} s pipe",
            detail=f"meltano run {whole:.2f} s; median of {MELTANO_TIMES}",
        )
    ]


def _variables(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    return os.environ | {
        "MELTANO_ENVIRONMENT": "sandbox",
        "MELTANO_DATABASE_URI": f"sqlite:///{folder / 'meltano.sqlite'}",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "TAP_KEAP_API_URL": sandbox.keap_url,
        "TAP_KEAP_TOKEN_URL": sandbox.urls["keap_token_url"],
        "TAP_KEAP_API_KEY": sandbox.keap_api_key,
        "TAP_KEAP_NOW": NOW,
        "TAP_KEAP_REQUESTS_PER_MINUTE": "100000",
        "TARGET_CHARTMOGUL_API_URL": sandbox.chartmogul_url,
        "TARGET_CHARTMOGUL_API_KEY": sandbox.chartmogul_api_key,
        "TARGET_CHARTMOGUL_STORE_PATH": str(folder / "meltano-store.sqlite"),
        "TARGET_CHARTMOGUL_REPORT_PATH": str(folder / "meltano-report.json"),
        "TARGET_CHARTMOGUL_NOW": NOW,
    }
