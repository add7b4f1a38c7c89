"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sandbox_process import Sandbox


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    """One sandbox for all tests of a worker, with the sample account."""
    running = Sandbox.start()
    yield running
    running.stop()


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """The sandbox as at its start: sample account, empty ChartMogul, no faults, default limits."""
    sandbox_process.reset()
    return sandbox_process
