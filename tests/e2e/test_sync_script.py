"""`deploy/sync.sh` with the plugins of this checkout: it heals a lost store, and ends with the plugins' own codes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.singer_rows import club_account

NOW = "2026-03-20T08:00:00Z"


class Checkout:
    """A folder with the script, what Meltano reads, and programs; nothing else is on the path."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder / "check out"
        self.sandbox = sandbox
        self.folder.mkdir()
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        shutil.copy(ROOT / "meltano.yml", self.folder)
        self.program(".venv/bin/meltano", "meltano")
        for plugin, module in (("extractors/tap-keap", "tap_keap"), ("loaders/target-chartmogul", "target_chartmogul")):
            self.program(f".meltano/{plugin}/venv/bin/{plugin.rpartition('/')[2]}", module)

    def program(self, name: str, module: str) -> None:
        """A program that runs a module of this Python: nothing is installed, nothing outside the folder is touched."""
        path = self.folder / name
        path.parent.mkdir(parents=True)
        start = "from meltano.cli import main; main()" if module == "meltano" else ""
        arguments = f"-c '{start}'" if start else f"-m {module}"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        path.chmod(0o755)

    @property
    def store(self) -> Path:
        return self.folder / "kept" / "main" / "store.sqlite"

    def start(self, **more: str) -> subprocess.Popen[str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELTANO", "TAP_KEAP", "TARGET_CHARTMOGUL", "VIRTUAL_ENV"))
        }
        return subprocess.Popen(
            ["bash", str(self.folder / "deploy" / "sync.sh")],
            cwd="/",
            env=inherited
            | {
                "PATH": "/usr/bin:/bin",
                "MELTANO_AUTO_INSTALL": "false",
                "STORE": "kept",
                "TAP_KEAP_API_KEY": self.sandbox.keap_api_key,
                "TAP_KEAP_API_URL": self.sandbox.keap_url,
                "TAP_KEAP_NOW": NOW,
                "TARGET_CHARTMOGUL_API_KEY": self.sandbox.chartmogul_api_key,
                "TARGET_CHARTMOGUL_API_URL": self.sandbox.chartmogul_url,
                "TARGET_CHARTMOGUL_NOW": NOW,
            }
            | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **more: str) -> tuple[int, str]:
        with self.start(**more) as process:
            output = process.communicate(timeout=180)[0]
        return process.returncode, output


@pytest.fixture
def checkout(sandbox: Sandbox, tmp_path: Path) -> Checkout:
    sandbox.no_limits()
    sandbox.clock(NOW)
    sandbox.load(club_account(4))
    return Checkout(tmp_path, sandbox)


def test_a_lost_store_is_healed_by_a_second_run(checkout: Checkout) -> None:
    code, output = checkout.run()
    assert code == 0, output[-3000:]
    content = checkout.sandbox.content("Keap", NOW)
    assert len(content["invoices"]) == 8
    checkout.store.unlink()
    code, output = checkout.run()
    assert code == 0, output[-3000:]
    assert output.count("exit code 10, so once more") == 1
    assert checkout.sandbox.content("Keap", NOW) == content
    assert "once more" not in checkout.run()[1]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"TARGET_CHARTMOGUL_API_KEY": "not-the-key"}, 3),
        ({"TAP_KEAP_API_KEY": "not-the-key"}, 3),
        pytest.param({"TARGET_CHARTMOGUL_DRYRUN": "true"}, 2, marks=pytest.mark.long),
        pytest.param({"TARGET_CHARTMOGUL_API_URL": "http://127.0.0.1:9/v1"}, 4, marks=pytest.mark.long),
    ],
)
def test_it_ends_with_the_plugins_own_code(checkout: Checkout, settings: dict[str, str], code: int) -> None:
    found, output = checkout.run(**settings)
    assert found == code, output[-3000:]
    assert "not-the-key" not in output


def test_a_signal_reaches_the_plugins(checkout: Checkout) -> None:
    """As from a scheduler: to the script alone. Both stop at a safe point; the next run continues."""
    checkout.sandbox.faults("chartmogul", latency_ms=150)
    with checkout.start(TARGET_CHARTMOGUL_LOAD_METHOD="single") as process:
        deadline = time.monotonic() + 120
        while len(checkout.sandbox.writes()) < 4:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 143, output[-3000:]
    assert "Stopped by SIGTERM" in output
    checkout.sandbox.faults("chartmogul")
    code, output = checkout.run()
    assert code == 0, output[-3000:]
    assert len(checkout.sandbox.content("Keap", NOW)["invoices"]) == 8
