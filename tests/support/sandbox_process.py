"""The sandbox as a process of its own, and its control calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]


class Sandbox:
    """A running ``python -m sandbox``. ``urls`` and ``keys`` hold what it printed when it was ready."""

    def __init__(self, ready: Mapping[str, str], process: subprocess.Popen[str]) -> None:
        self.process = process
        self.urls = {name: value for name, value in ready.items() if name.endswith("_url")}
        self.keys = {name: value for name, value in ready.items() if not name.endswith("_url")}
        self._session = requests.Session()
        self._session.trust_env = False

    @classmethod
    def start(cls, *arguments: str) -> Sandbox:
        """Start one on a free port and wait until it answers."""
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sandbox ended with code {process.wait()}")
        return cls(json.loads(line), process)

    def stop(self) -> int:
        """End it; return its exit code."""
        self._session.close()
        self.process.terminate()
        try:
            return self.process.wait(timeout=120)  # with a million orders in memory it takes its time
        finally:
            if self.process.poll() is None:
                self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()

    @property
    def keap_url(self) -> str:
        """The base of Keap's REST API without version."""
        return self.urls["keap_api_url"]

    @property
    def keap_api_key(self) -> str:
        return self.keys["keap_api_key"]

    @property
    def chartmogul_url(self) -> str:
        return self.urls["chartmogul_api_url"]

    @property
    def chartmogul_api_key(self) -> str:
        return self.keys["chartmogul_api_key"]

    def control(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Make a control call; return its answer."""
        answer = self._session.request(
            method, f"{self.urls['control_url']}/{path}", json=body, params=query, timeout=60
        )
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def reset(self) -> None:
        """Put everything back as it was at the start."""
        self.control("POST", "reset")

    def clock(self, now: str | None) -> None:
        """Fix the clock of both APIs; None: the machine's."""
        self.control("PUT", "clock", {"now": now})

    def load(self, account: Mapping[str, Any]) -> None:
        """Replace the whole Keap account."""
        self.control("PUT", "keap/account", dict(account))

    def account(self) -> dict[str, Any]:
        """Return the whole Keap account."""
        account: dict[str, Any] = self.control("GET", "keap/account")
        return account

    def put(self, stream: str, *rows: Mapping[str, Any]) -> None:
        """Insert or replace Keap rows."""
        self.control("POST", f"keap/rows/{stream}", {"rows": list(rows)})

    def delete(self, stream: str, row_id: str) -> None:
        """Delete a Keap row."""
        self.control("DELETE", f"keap/rows/{stream}/{row_id}")

    def behaviour(self, **changes: Any) -> None:
        """Change what Keap's documentation leaves open."""
        self.control("PUT", "keap/behaviour", changes)

    def tokens(self) -> list[dict[str, Any]]:
        """Return the OAuth tokens that Keap has issued."""
        tokens: list[dict[str, Any]] = self.control("GET", "keap/tokens")
        return tokens

    def content(self, source: str, now: str | None = None, prefix: str = "") -> dict[str, Any]:
        """Return what ChartMogul holds in a data source."""
        query = {"data_source": source, "prefix": prefix} | ({"now": now} if now else {})
        content: dict[str, Any] = self.control("GET", "chartmogul/content", **query)
        return content

    def requests(self, api: str, since: int = 0) -> list[dict[str, Any]]:
        """Return the request log of ``keap`` or ``chartmogul`` behind a number."""
        entries: list[dict[str, Any]] = self.control("GET", f"{api}/requests", since=str(since))
        return entries

    def summary(self, api: str) -> dict[str, Any]:
        """Return the figures over the request log."""
        summary: dict[str, Any] = self.control("GET", f"{api}/requests/summary")
        return summary

    def clear_requests(self, *apis: str) -> None:
        """Empty the request logs of these APIs, or of both."""
        for api in apis or ("keap", "chartmogul"):
            self.control("DELETE", f"{api}/requests")

    def writes(self) -> list[dict[str, Any]]:
        """Return the requests that wrote to ChartMogul."""
        return [entry for entry in self.requests("chartmogul") if entry["write"]]

    def faults(self, api: str, **plan: Any) -> None:
        """Let requests fail: ``rate`` and ``kinds``, or ``script``; without any, no more."""
        self.control("PUT", f"{api}/faults", plan)

    def odd(
        self,
        api: str,
        kind: str,
        path: str = "",
        *,
        query: str = "",
        times: int | None = None,
        method: str | None = None,
    ) -> None:
        """Answer requests whose path and query match oddly, for ever or so often; one kind at a time."""
        match = {"path_regex": path, "query_regex": query} | ({"method": method} if method else {})
        self.faults(api, script=[{"match": match, "kind": kind, "times": times}])

    def answers(self, chosen: Mapping[str, str]) -> None:
        """Give these answers to open questions, by question, and the assumed one to every other."""
        self.control("PUT", "answers", dict(chosen))

    def settings(self, **changes: Any) -> None:
        """Change ChartMogul's settings, and choices among its possible answers."""
        self.control("PUT", "chartmogul/settings", changes)

    def limits(self, api: str, **numbers: Any) -> None:
        """Override the limits; ``enabled=False`` lifts them."""
        self.control("PUT", f"{api}/limits", numbers)

    def no_limits(self, apis: Iterable[str] = ("keap", "chartmogul")) -> None:
        """Lift the limits, in Keap's headers too."""
        for api in apis:
            self.limits(api, enabled=False, per_second=1_000_000, per_minute=1_000_000, per_day=1_000_000_000)
