"""Orders a second from a full inbox to the plan of a first load, on one core; prints what each step took as JSON.

    python -m tests.bench.target_planning FILE

Grouping, decoding, the mapping, the comparison with an empty ledger, and the plan on disk. Counts CPU time.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from target_chartmogul.ledger.grouping import Groups
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.ledger.settling import Settling
from target_chartmogul.plan.change_file import ChangeStore
from target_chartmogul.plan.planner import Planner
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.sources.keap.account import Arrived
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.bench.target_intake import IntakeOnly

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def main(source: Path) -> dict[str, Any]:
    """Intake as it is, then everything that a first run plans."""
    logging.disable(logging.CRITICAL)
    target = IntakeOnly(config={"api_key": "none"})
    begun = time.process_time()
    with source.open("rb") as messages:
        counts = target.process_lines(messages)  # type: ignore[arg-type]  it reads bytes
    inbox = target.intake.inbox
    inbox.settle()
    taken = time.process_time()
    with TemporaryDirectory() as folder, ChangeStore(Path(folder) / "changes.sqlite") as store:
        ledger = Ledger(Path(folder) / "store.sqlite")
        report = ReportBuilder(started=NOW, now=NOW, dry_run=False)
        inbox.attach(ledger.path)
        groups = Groups(inbox)
        groups.mark_all()
        groups.gather()
        grouped = time.process_time()
        settling = Settling(inbox, ledger, lasting=True)
        planner = Planner(inbox, ledger, groups, store, report, MappingSettings(), Arrived(), NOW)
        with inbox.transaction():
            for outcome in planner.plan():
                settling.take(outcome)
        planned = time.process_time()
        changes = len(store)
        ledger.close()
        report.close()
    orders = inbox.arrived["orders"]
    target.close()
    return {
        "records": counts["RECORD"],
        "orders": orders,
        "changes": changes,
        "intake": taken - begun,
        "grouping": grouped - taken,
        "planning": planned - grouped,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
