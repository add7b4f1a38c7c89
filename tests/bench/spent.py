"""What a command costs: wall and CPU seconds and its largest memory; and accounts as files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.sandbox_process import ROOT


@dataclass(frozen=True)
class Spent:
    """Seconds and MB of one process."""

    wall: float
    cpu: float
    megabytes: int


def spent(
    command: Sequence[str],
    *,
    stdin: Path | None = None,
    stdout: Path | None = None,
    stderr: Path | None = None,
    environment: Mapping[str, str] | None = None,
    codes: tuple[int, ...] = (0,),
) -> Spent:
    """Run a command to its end.

    Raises:
        RuntimeError: its exit code is none of `codes`.
    """
    with ExitStack() as stack:
        source = stack.enter_context((stdin or Path(os.devnull)).open("rb"))
        out = stack.enter_context((stdout or Path(os.devnull)).open("wb"))
        err = stack.enter_context((stderr or Path(os.devnull)).open("wb"))
        folder = stack.enter_context(TemporaryDirectory())
        figures = Path(folder) / "figures.json"
        measuring = [sys.executable, "-m", __name__, str(figures), *command]
        subprocess.run(
            measuring,
            cwd=ROOT,
            stdin=source,
            stdout=out,
            stderr=err,
            env={**os.environ, **(environment or {})},
            check=True,
        )
        told = json.loads(figures.read_bytes())
    if told["code"] not in codes:
        raise RuntimeError(f"{' '.join(command)} ended with {told['code']}; what it said: {stderr}")
    return Spent(told["wall"], told["cpu"], told["megabytes"])


def measure(figures: Path, command: Sequence[str]) -> None:
    """Run a command with this process's own standard streams, and write down what it cost.

    In a process of its own, since Linux counts the memory of the process that starts another one as that one's.
    """
    begun = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    told = {
        "code": process.returncode,
        "wall": time.monotonic() - begun,
        "cpu": usage.ru_utime + usage.ru_stime,
        "megabytes": usage.ru_maxrss // 1024,
    }
    figures.write_text(json.dumps(told))


def account_file(folder: Path, contacts: int, orders: int) -> Path:
    """The sandbox's generated account as Singer messages; made once per folder."""
    path = folder / f"{contacts}-{orders}.jsonl"
    if not path.exists():
        command = [sys.executable, "-m", "sandbox.sample", "--contacts", str(contacts), "--orders", str(orders)]
        spent([*command, "--singer"], stdout=path)
    return path


def arrived(messages: Path) -> Counter[str]:
    """How many records of each stream are in a file of Singer messages."""
    with messages.open("rb") as lines:
        return Counter(json.loads(line)["stream"] for line in lines if b'"RECORD"' in line[:32])


if __name__ == "__main__":
    measure(Path(sys.argv[1]), sys.argv[2:])
