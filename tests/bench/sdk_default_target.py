"""The SDK's target as it comes, with a sink that keeps nothing: what the same file costs without any of our ways."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target


class ForgetfulSink(BatchSink):
    """Takes batches and forgets them."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing."""


class DefaultTarget(Target):
    """Nothing is overridden."""

    name = "default-target"
    default_sink_class = ForgetfulSink


def main(source: Path) -> dict[str, Any]:
    logging.disable(logging.CRITICAL)
    target = DefaultTarget(config={})
    started = time.process_time()
    with source.open() as messages:
        counts = target.process_lines(messages)
    return {"records": counts["RECORD"], "cpu": time.process_time() - started}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
