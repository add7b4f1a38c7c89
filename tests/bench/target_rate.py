"""What the target costs from its input to its plan, without any API; prints CPU seconds per step as JSON.

    python -m tests.bench.target_rate FILE

The plan is that of a first load: accounts found and loaded, decided, compared with nothing, and written on disk.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from target_chartmogul.billing.decisions import Note, Reject
from target_chartmogul.plan.change_file import ChangeFile
from target_chartmogul.plan.deciding import decide
from target_chartmogul.singer.receiving import Receiver
from target_chartmogul.sources.protocol import Context
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.place import StorePlace
from target_chartmogul.target import TargetChartMogul

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


class _Unheard:
    """Of a first load nothing is of this run alone."""

    def note(self, note: Note) -> None:
        """Nothing."""

    def reject(self, reject: Reject) -> None:
        raise AssertionError(reject)


class _WithoutChartMogul:
    """Stands in for `Run`: the records into the store, then the plan."""

    def __init__(self, settings: Any, source: Any, intake: Any, state: Any, stop: Any) -> None:
        del stop
        nodes = SourceNodes(source.links_of, source.owner_node, source.subject_node, source.contact_stream)
        self._settings, self._source, self._intake = settings, source, intake
        self._place = StorePlace(settings.store_path, nodes)
        self._store = self._place.open()
        intake.open(self._store)
        self._receiver = Receiver(self._place, self._store, intake, state, now=NOW, rehearsal=False)
        self.told: dict[str, Any] = {}

    def begin(self) -> None:
        """The store is open already."""

    def check_state(self) -> None:
        self._receiver.check_state()

    def state_passed(self) -> None:
        self._receiver.state_passed()

    def finish(self) -> int:
        received = self._receiver.finish()
        assert received.ready
        arrived = self._intake.arrived
        self.told |= {"records": sum(arrived.values()), "orders": arrived["orders"]}
        self.told["received"] = time.process_time()
        with TemporaryDirectory() as folder, ChangeFile(Path(folder) / "changes.sqlite") as file:
            decide(
                self._source,
                self._store,
                file,
                _Unheard(),
                Context(settings=self._settings.mapping, now=NOW, complete_reads=received.complete_reads),
                cut=False,
                resend=False,
                only=(),
                counts_figures=False,
                check=lambda: None,
                advance=lambda: None,
            )
            self.told["changes"] = len(file)
        self.told["planned"] = time.process_time()
        self._place.save()
        return 0

    def close(self) -> None:
        self._place.close()


class Measured(TargetChartMogul):
    """The target with its own sinks and store, and without ChartMogul."""

    run: _WithoutChartMogul

    def _admit(self, stream: str, schema: dict[str, Any]) -> None:
        begun = self._run is not None
        super()._admit(stream, schema)
        if self._run is not None and not begun:
            self.run = self._run  # type: ignore[assignment]  it is the one that stands in


def main(source: Path) -> dict[str, Any]:
    """Seconds of CPU by step, and what the store holds."""
    from target_chartmogul import run

    run.Run = _WithoutChartMogul  # type: ignore[assignment,misc]
    logging.disable(logging.CRITICAL)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        target = Measured(config={"api_key": "none", "store_path": str(path)})
        begun = time.process_time()
        with source.open("rb") as messages:
            target.process_lines(messages)  # type: ignore[arg-type]  it reads bytes
        received = target.run
        target.process_endofpipe()
        told = received.told
        return {
            "records": told["records"],
            "orders": told["orders"],
            "changes": told["changes"],
            "intake": told["received"] - begun,
            "planning": told["planned"] - told["received"],
            "bytes_per_record": path.stat().st_size / told["records"],
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
