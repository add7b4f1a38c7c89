"""``python -m sandbox.ceiling``: how many requests a second the sandbox answers, measured alone.

Raw sockets in a process of their own, so that the client is not what is measured; both share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sandbox.sample.generate import generate_account

_LIFTED = {"enabled": False, "per_second": 10**9, "per_minute": 10**9, "per_day": 10**9}


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(head.decode("latin-1"))
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return length


async def _measure(host: str, port: int, request: bytes, count: int, connections: int) -> tuple[float, float, int]:
    """Return requests per second, the median in milliseconds, and the bytes of one answer."""
    left = count
    times: list[float] = []
    size = 0

    async def work() -> None:
        nonlocal left, size
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
        while left > 0:
            left -= 1
            began = time.perf_counter()
            size = await _ask(reader, writer, request)
            times.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    elapsed = time.perf_counter() - began
    return len(times) / elapsed, sorted(times)[len(times) // 2] * 1000, size


def _request(method: str, url: str, key: str, body: object = None) -> bytes:
    parts = urlsplit(url)
    data = b"" if body is None else json.dumps(body).encode()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [
        f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", f"Authorization: Bearer {key}",
        f"Content-Length: {len(data)}",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def _run(where: dict[str, Any], count: int) -> list[str]:
    parts = urlsplit(where["control_url"])
    host, port, key = str(parts.hostname), int(parts.port or 0), where["keap_api_key"]
    lift = _request("PUT", f"{where['control_url']}/keap/limits", key, _LIFTED)
    await _measure(host, port, lift, 1, 1)
    lines = [f"{'':34} {'connections':>11} {'requests/s':>10} {'median ms':>9} {'bytes':>9}"]
    for name, path, share, connections in (
        ("one small page", "products?page_size=1", 1, 1),
        ("one small page", "products?page_size=1", 1, 8),
        ("1000 contacts, all fields", f"contacts?page_size=1000&fields={_FIELDS}", 50, 4),
        ("1000 orders", "orders?page_size=1000", 50, 4),
        ("1000 payments since a time", f"sales/payments?page_size=1000&filter={_SINCE}", 50, 4),
    ):
        request = _request("GET", f"{where['keap_api_url']}/v2/{path}", key)
        await _measure(host, port, request, 1, 1)
        rate, median, size = await _measure(host, port, request, max(20, count // share), connections)
        lines.append(f"{name:34} {connections:>11} {rate:>10.0f} {median:>9.2f} {size:>9}")
    return lines


_FIELDS = "id,given_name,family_name,email_addresses,addresses,company,tag_ids,create_time,update_time,custom_fields"
_SINCE = "since_time%3D%3D2024-01-01T00:00:00.000Z"


def main(arguments: list[str] | None = None) -> int:
    """Start a sandbox, measure it, print a table.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox.ceiling", description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="small requests; large ones are a fiftieth")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        path = Path(folder, "account.json")
        path.write_bytes(msgspec.json.encode(generate_account(1, contacts=1000, months=24)))
        sys.stdout.write("\n".join(_measured(path, options.count)) + "\n")
    return 0


def _measured(account: Path, count: int) -> list[str]:
    command = [sys.executable, "-m", "sandbox", "--only", "keap", "--account", str(account)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        try:
            ready = process.stdout.readline() if process.stdout else ""
            return asyncio.run(_run(json.loads(ready), count))
        finally:
            process.terminate()


if __name__ == "__main__":
    raise SystemExit(main())
