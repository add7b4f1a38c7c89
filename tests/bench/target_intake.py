"""How long the target takes to put a file of Singer messages into its inbox; prints records and CPU seconds as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from target_chartmogul.target import TargetChartMogul


class IntakeOnly(TargetChartMogul):
    """Everything up to the inbox: no ledger is locked, and ChartMogul is not asked."""

    def _begin(self) -> None:
        """Nothing."""


def main(source: Path) -> dict[str, Any]:
    logging.disable(logging.CRITICAL)
    target = IntakeOnly(config={"api_key": "none"})
    started = time.process_time()
    with source.open("rb") as messages:
        counts = target.process_lines(messages)  # type: ignore[arg-type]  it reads bytes
    target.intake.inbox.settle()
    spent = time.process_time() - started
    target.close()
    return {"records": counts["RECORD"], "cpu": spent}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
