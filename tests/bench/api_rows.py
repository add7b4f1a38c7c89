"""Beside the APIs: the sandbox's own ceiling, single writes, and the first load."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench import chartmogul_first_load, chartmogul_writes
from tests.bench.row import Row
from tests.support.sandbox_process import Sandbox

CONNECTIONS = 4
ANSWERS = 2_000


def ceiling_rows(folder: Path) -> list[Row]:
    """How much the sandbox answers with no limits and no latency: what is measured through it stays far below."""
    del folder
    sandbox = Sandbox.start("--account", "empty")
    try:
        sandbox.no_limits()
        keap = _answers(f"{sandbox.keap_url}/v2/products?page_size=1", sandbox.keap_api_key)
        chartmogul = _answers(f"{sandbox.chartmogul_url}/ping", sandbox.chartmogul_api_key)
    finally:
        sandbox.stop()
    return [
        Row(what="sandbox alone, Keap, answers/s", ours=keap, floor="Keap allows 4/s to 25/s"),
        Row(what="sandbox alone, ChartMogul, answers/s", ours=chartmogul, floor="ChartMogul allows 40/s"),
    ]


def _answers(url: str, key: str) -> float:
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {key}"} if "keap" in parts.path else {"Authorization": _basic(key)}

    def ask(count: int) -> None:
        connection = HTTPConnection(str(parts.hostname), parts.port)
        for _ in range(count):
            connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
        connection.close()

    begun = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(ask, [ANSWERS // CONNECTIONS] * CONNECTIONS))
    return ANSWERS / (time.monotonic() - begun)


def _basic(key: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(f"{key}:".encode()).decode()


def writing_rows(folder: Path) -> list[Row]:
    """Requests a second of single writes, beside the official client in a loop."""
    del folder
    found = chartmogul_writes.measure()
    detail = found["detail"]
    refused = (detail["status_429"], detail["status_503"])
    return [
        Row(
            what="writing, single objects, requests/s at 150 ms",
            ours=found["figure"],
            required="≥ 38 (95 %)",
            peer=f"{found['peer']:.1f} official client",
            ratio=found["ratio"],
            floor="40/s",
            also=found["ratio"] >= 5 and refused == (0, 0),
            detail=f"{detail['requests']} requests; 429: {refused[0]}, 503: {refused[1]}",
        )
    ]


def first_load_rows(folder: Path) -> list[Row]:
    """The same account in bulk and by single requests, with the requests that bulk may take."""
    del folder
    found = chartmogul_first_load.measure()
    bulk = found["bulk"]
    polls = int(bulk["seconds"] / 2) + 1
    return [
        Row(
            what=f"{found['what']}, bulk",
            ours=found["figure"],
            peer=f"{found['peer']} single",
            ratio=found["ratio"],
            detail=f"{bulk['requests']} requests, single {found['single']['requests']}",
            also=bulk["status_429"] == 0,
        ),
        Row(what="  imports posted", ours=bulk["import_posts"], required=f"≤ {found['most_import_posts']}"),
        Row(what="  lists for verification", ours=bulk["lists"], required=f"≤ {found['most_lists']}"),
        Row(what="  polls", ours=bulk["polls"], required=f"≤ {polls}", floor="one per 2 s"),
    ]
