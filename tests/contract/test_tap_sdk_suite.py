"""The SDK's own suite for taps, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_keap.tap import TapKeap
from tests.support.sandbox_process import Sandbox

CONFIG: dict[str, Any] = {"api_key": "set-below", "requests_per_minute": 100_000}


@pytest.fixture(scope="module", autouse=True)
def keap() -> Iterator[Sandbox]:
    """A sandbox of its own, whose address the suite's settings name."""
    running = Sandbox.start()
    running.no_limits(["keap"])
    CONFIG.update(api_key=running.keap_api_key, api_url=running.keap_url)
    yield running
    running.stop()


# The suite warns of fields that no record has. Keap leaves out what is not set, so there always are such fields.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records:UserWarning"),
    pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning"),
]

TestTapKeap = get_tap_test_class(
    tap_class=TapKeap,
    config=CONFIG,
    suite_config=SuiteConfig(max_records_limit=25),
)
