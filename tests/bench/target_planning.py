"""Orders a second from a full store to the plan of a first load, on one core; prints what each step took as JSON.

    python -m tests.bench.target_planning FILE

Finding accounts, decoding, the rules, the comparison with what is held, and the plan on disk. Counts CPU time.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from target_chartmogul.plan.change_file import ChangeFile
from target_chartmogul.plan.planner import Planner
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.protocol import Context
from tests.bench.target_intake import taken

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def main(path: Path) -> dict[str, Any]:
    """Intake as it is, then everything that a first run plans."""
    with TemporaryDirectory() as folder, ChangeFile(Path(folder) / "changes.sqlite") as file:
        target, records, intake = taken(path, folder)
        source, store = target.intake.source, target.store
        assert source is not None
        report = ReportBuilder(started=NOW, now=NOW, records_of=source.records_of)
        context = Context(settings=MappingSettings(), now=NOW)
        begun = time.process_time()
        with store.outcomes.together():
            for _ in Planner(source, store, file, report, context).plan(store.accounts.due(NOW)):
                pass
        planning = time.process_time() - begun
        changes = len(file)
        report.close()
        assert target.place is not None
        target.place.close()
    orders = target.intake.arrived["orders"]
    return {"records": records, "orders": orders, "changes": changes, "intake": intake, "planning": planning}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
