"""A tap need not wait for this target to start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from target_chartmogul.singer.pipes import WIDE
from tests.support.sandbox_process import ROOT

WIDEN = "from target_chartmogul.singer.pipes import widen_input; widen_input()"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a pipe be widened")
def test_the_pipe_from_the_tap_holds_more_than_a_page() -> None:
    import fcntl

    most = int(Path("/proc/sys/fs/pipe-max-size").read_text())
    reading, writing = os.pipe()
    try:
        before = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
        subprocess.run([sys.executable, "-c", WIDEN], stdin=reading, cwd=ROOT, check=True, timeout=30)
        assert before < fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) == min(WIDE, most)
    finally:
        os.close(reading)
        os.close(writing)


READ = f"import sys; {WIDEN}; sys.stdout.write(sys.stdin.read() if sys.stdin else 'nothing')"


def test_a_file_as_input_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text("{}\n")
    with file.open("rb") as source:
        done = subprocess.run(
            [sys.executable, "-c", READ], stdin=source, cwd=ROOT, capture_output=True, check=False, timeout=30
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{}\n", b"")


def test_no_input_at_all() -> None:
    closed = ["/bin/sh", "-c", '"$0" -c "$1" <&-', sys.executable, READ]
    done = subprocess.run(closed, cwd=ROOT, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"nothing", b"")
