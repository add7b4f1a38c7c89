"""The two commands in processes that have imported them already: `main()` as ever, without a second of start-up.

A fork server imports both packages once; each run is a process of its own with its own standard streams, so that it can
be stopped and killed like any other. Hundreds of runs take minutes that way instead of hours.
"""

from __future__ import annotations

import importlib
import io
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_MODULES = (
    "requests",
    "s3fs",
    "tests.support.preloaded",
    "tap_keap.tap",
    "target_chartmogul.target",
    "target_chartmogul.run",
    "target_chartmogul.report.whole_account",
    "target_chartmogul.cli",
    "target_chartmogul.report.saving",
    "target_chartmogul.report.history",
)
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(_MODULES))


class PreloadedProcess:
    """A running command, with what of `subprocess.Popen` the tests use."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        stdin: Path | None,
        stdout: Path,
        stderr: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._process: ForkServerProcess = _server.Process(
            target=run_command,
            args=(
                module,
                list(arguments),
                str(stdin or os.devnull),
                str(stdout),
                str(stderr),
                {**os.environ, **environment},
            ),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Exit code; the negative number of the signal that killed it."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"the command did not end within {timeout} s")
        return code

    def send_signal(self, signum: int) -> None:
        """As `Popen`: a process that has ended gets none."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_command(
    module: str, arguments: list[str], stdin: str, stdout: str, stderr: str, environment: dict[str, str]
) -> None:
    """In the child: what `python -W error -m module arguments <stdin >stdout 2>stderr` does, after its imports."""
    for number, path, flags in (
        (2, stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (0, stdin, os.O_RDONLY),
        (1, stdout, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), encoding="utf-8")  # noqa: SIM115
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(open(2, "wb", buffering=0, closefd=False), encoding="utf-8", write_through=True)  # noqa: SIM115
    os.environ.clear()  # the fork server's is that of the test which started it
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("error")
    sys.argv = [module, *arguments]
    importlib.import_module(f"{module}.__main__").main()
