"""`tap-keap` as a process of its own, and what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.sandbox_process import ROOT, Sandbox

COMMAND = [sys.executable, "-W", "error", "-m", "tap_keap"]

FAST = 100_000
"""Requests a minute, for tests whose sandbox has no limits."""


@dataclass
class TapRun:
    """One run: exit code, stderr, and the messages on stdout."""

    code: int
    stderr: str
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Records by stream, in the order in which they were written."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for message in self.messages:
            if message["type"] == "RECORD":
                rows.setdefault(message["stream"], []).append(message["record"])
        return rows

    def ids(self, stream: str, key: str = "id") -> list[str]:
        return [row[key] for row in self.rows.get(stream, [])]

    @property
    def counts(self) -> Counter[str]:
        return Counter({stream: len(rows) for stream, rows in self.rows.items()})

    @property
    def state(self) -> dict[str, Any]:
        """The last STATE."""
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else {}

    def bookmark(self, stream: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.state["bookmarks"][stream]
        return entry

    @property
    def activated(self) -> set[str]:
        return {message["stream"] for message in self.messages if message["type"] == "ACTIVATE_VERSION"}

    @property
    def last_line(self) -> str:
        return self.stderr.strip().splitlines()[-1] if self.stderr.strip() else ""


def key_config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Settings for the sandbox with a service key."""
    return {"api_key": sandbox.keap_api_key, "api_url": sandbox.keap_url, "requests_per_minute": FAST, **settings}


def oauth_config(sandbox: Sandbox, token_path: Path | str, **settings: Any) -> dict[str, Any]:
    """Settings for the sandbox with OAuth."""
    return {
        "client_id": sandbox.keys["keap_client_id"],
        "client_secret": sandbox.keys["keap_client_secret"],
        "refresh_token": sandbox.keys["keap_refresh_token"],
        "token_path": str(token_path),
        "api_url": sandbox.keap_url,
        "token_url": sandbox.urls["keap_token_url"],
        "authorize_url": sandbox.urls["keap_authorize_url"],
        "requests_per_minute": FAST,
        **settings,
    }


def arguments(
    directory: Path,
    config: Mapping[str, Any],
    *more: str,
    state: Mapping[str, Any] | None = None,
    streams: tuple[str, ...] = (),
) -> list[str]:
    """Command line with its files; `streams` selects only these."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    command = [*COMMAND, "--config", str(directory / "config.json"), *more]
    if state is not None:
        (directory / "state.json").write_text(json.dumps(state))
        command += ["--state", str(directory / "state.json")]
    if streams:
        (directory / "catalog.json").write_text(json.dumps(catalog(*streams)))
        command += ["--catalog", str(directory / "catalog.json")]
    return command


def catalog(*streams: str) -> dict[str, Any]:
    """The discovered catalog with only these streams selected."""
    found: dict[str, Any] = json.loads(discovered())
    for entry in found["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"] == []:
                item["metadata"]["selected"] = entry["stream"] in streams
    return found


@cache
def discovered() -> str:
    """What `--discover` prints."""
    return subprocess.run([*COMMAND, "--discover"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def run_tap(
    directory: Path,
    config: Mapping[str, Any],
    *more: str,
    state: Mapping[str, Any] | None = None,
    streams: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> TapRun:
    """Run the command to its end."""
    done = subprocess.run(  # noqa: PLW1510 - the code is what is tested
        arguments(directory, config, *more, state=state, streams=streams),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
    return TapRun(done.returncode, done.stderr, parse(done.stdout))


def parse(text: str) -> list[dict[str, Any]]:
    """Messages of complete lines; what a killed process left of its last line is not one."""
    lines = text.split("\n")
    return [json.loads(line) for line in lines[:-1] if line.startswith("{")]
