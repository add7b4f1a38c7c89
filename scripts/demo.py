"""`make demo`: the whole path on the sandbox's sample account, and what landed.

Starts the sandbox on a free port, runs `meltano run tap-keap target-chartmogul` twice and shows the result: counts, MRR
by month, what was rejected or dropped and why, and that the second run wrote nothing. Ends the sandbox again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from target_chartmogul.report.text import money

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
OUTPUT = ROOT / "output" / "demo"
NOW = "2026-11-20T08:00:00Z"
"""The sample account ends here; both services and both plugins take it as the time of the run."""
console = Console(highlight=False, soft_wrap=True)


def start_sandbox() -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """The sandbox's process and its addresses and keys."""
    ready = OUTPUT / "sandbox.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", "--now", NOW, "--ready-file", ready],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("The sandbox did not start.")
        time.sleep(0.05)
    addresses: dict[str, str] = json.loads(ready.read_text())
    return process, addresses


def ask(method: str, address: str) -> Any:
    """A call to the sandbox's control address."""
    request = urllib.request.Request(address, method=method)  # noqa: S310 - loopback, from the ready file
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def environment(addresses: dict[str, str]) -> dict[str, str]:
    """What Meltano and the plugins read; nothing of an earlier demo is left."""
    return os.environ | {
        "MELTANO_ENVIRONMENT": "sandbox",
        "MELTANO_DATABASE_URI": f"sqlite:///{OUTPUT / 'meltano.sqlite'}",
        "TAP_KEAP_API_URL": addresses["keap_api_url"],
        "TAP_KEAP_TOKEN_URL": addresses["keap_token_url"],
        "TAP_KEAP_API_KEY": addresses["keap_api_key"],
        "TAP_KEAP_NOW": NOW,
        "TARGET_CHARTMOGUL_API_URL": addresses["chartmogul_api_url"],
        "TARGET_CHARTMOGUL_API_KEY": addresses["chartmogul_api_key"],
        "TARGET_CHARTMOGUL_STORE_PATH": str(OUTPUT / "store.sqlite"),
        "TARGET_CHARTMOGUL_REPORT_PATH": str(OUTPUT / "report.html"),
        "TARGET_CHARTMOGUL_NOW": NOW,
        # A first load of this size is worth it: see `load_method`.
        "TARGET_CHARTMOGUL_LOAD_METHOD": "bulk",
        "UV_COMPILE_BYTECODE": "1",
    }


def meltano(arguments: list[str], variables: dict[str, str], log: Path) -> tuple[int, float]:
    """Run Meltano, its output in a file; exit code and seconds."""
    started = time.monotonic()
    with log.open("wb") as stream:
        code = subprocess.run(
            [BIN / "meltano", *arguments], cwd=ROOT, env=variables, stdout=stream, stderr=subprocess.STDOUT, check=False
        ).returncode
    return code, time.monotonic() - started


def run_pipeline(number: int, addresses: dict[str, str], variables: dict[str, str]) -> Counter[str]:
    """One `meltano run`; returns what the sandbox's own request log says of ChartMogul: reads and writes."""
    ask("DELETE", f"{addresses['control_url']}/chartmogul/requests")
    log = OUTPUT / f"run-{number}.log"
    console.print("[bold]$ meltano run tap-keap target-chartmogul[/bold]")
    code, seconds = meltano(["run", "tap-keap", "target-chartmogul"], variables, log)
    requests = ask("GET", f"{addresses['control_url']}/chartmogul/requests")
    requests = requests["requests"] if isinstance(requests, dict) else requests
    counted = Counter("writes" if each["write"] else "reads" for each in requests)
    console.print(f"  {seconds:.1f} s, exit code {code}, log in {log.relative_to(ROOT)}")
    if code not in EXPECTED_EXIT_CODES:
        console.print(log.read_text()[-4000:], markup=False)
        raise SystemExit(f"The run failed (exit code {code}).")
    return counted


# Meltano itself ends with 1 whenever a plugin did not end with 0; the sample account has no record that is refused.
EXPECTED_EXIT_CODES = {0}
LISTS_SHOWN = 6
MONTHS_SHOWN = 18


def bars(months: dict[str, dict[str, dict[str, int]]], width: int = 40) -> None:
    """MRR by month as a small chart, one currency after the other; amounts in hundredths."""
    for currency in sorted({currency for month in months.values() for currency in month}):
        series = {month: months[month].get(currency, {}).get("mrr", 0) for month in sorted(months)[-MONTHS_SHOWN:]}
        top = max(series.values()) or 1
        console.print(f"\n[bold]MRR by month, {currency}[/bold] (the last {len(series)} of {len(months)} months)")
        for month, amount in series.items():
            console.print(
                f"  {month} {money(amount, currency, code=False):>13}  [blue]{'█' * round(width * amount / top)}[/blue]"
            )


def show(report: dict[str, Any]) -> None:
    """Counts, MRR, and what was rejected or dropped and why."""
    columns = ("created", "updated", "deleted", "unchanged", "rejected")
    table = Table("in ChartMogul", *columns, box=None, pad_edge=False, header_style="bold")
    for kind, counts in report["counts"].items():
        table.add_row(kind, *(str(counts.get(each, 0)) for each in columns))
    console.print(table)
    bars(report["mrr"]["months"])
    console.print("\n[bold]Rejected, dropped, worth a look[/bold]")
    for each in report["rejects"] + report["refusals"]:
        where = f"{each.get('stream') or each.get('kind')} {each['id']}"
        console.print(f"  rejected: {where}, {each['field'] or 'record'}: {each['reason']}", markup=False)
    for each in report["waiting"]:
        console.print(f"  waits: {each['stream']} {each['id']}: {each['reason']} (rule {each['rule']})", markup=False)
    for each in report["lists"].values():
        if each["what_to_do"]:
            ids = [str(entry.get("id")) for entry in each["entries"]]
            more = f" and {len(ids) - LISTS_SHOWN} more" if len(ids) > LISTS_SHOWN else ""
            console.print(f"  {each['title']}: {', '.join(ids[:LISTS_SHOWN])}{more}", markup=False)
            console.print(f"    [dim]{each['what_to_do']}[/dim]")


def main() -> int:
    """Run the demo; 0 if both runs ended well and the second wrote nothing."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    process, addresses = start_sandbox()
    try:
        variables = environment(addresses)
        installed = ROOT / ".meltano" / "extractors" / "tap-keap" / "venv"
        if not installed.exists():
            console.print("[bold]$ meltano install[/bold]  (once)")
            code, seconds = meltano(["install"], variables, OUTPUT / "install.log")
            console.print(f"  {seconds:.1f} s")
            if code:
                console.print((OUTPUT / "install.log").read_text()[-4000:], markup=False)
                raise SystemExit("`meltano install` failed.")
        first = run_pipeline(1, addresses, variables)
        console.print(f"  ChartMogul's own request log: {first['writes']} writes, {first['reads']} reads\n")
        show(json.loads((OUTPUT / "report.json").read_text()))
        for name in ("report.json", "report.html"):
            shutil.copy(OUTPUT / name, OUTPUT / f"first-{name}")
        console.print("\n[bold]The same again: nothing is new[/bold]")
        second = run_pipeline(2, addresses, variables)
        console.print(f"  ChartMogul's own request log: {second['writes']} writes, {second['reads']} reads")
        console.print(f"\nThe report as a page: {(OUTPUT / 'first-report.html').relative_to(ROOT)}")
        return 0 if second["writes"] == 0 else 1
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


if __name__ == "__main__":
    sys.exit(main())
