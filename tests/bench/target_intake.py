"""How long the target takes to put a file of Singer messages into its store; prints records and CPU seconds as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from target_chartmogul.sources.registry import source_of
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.place import StorePlace
from target_chartmogul.store.store import Store
from target_chartmogul.target import TargetChartMogul


class IntakeOnly(TargetChartMogul):
    """Everything up to the store: ChartMogul is not asked."""

    place: StorePlace | None = None

    def _admit(self, stream: str, schema: dict[str, Any]) -> None:
        source = source_of(stream, schema, self.settings.mapping, self.settings.external_id_prefix)
        if source is None:
            return
        self._taken[stream] = source
        self.intake.admit(source)
        if self.place is None:
            nodes = SourceNodes(source.links_of, source.owner_node, source.subject_node, source.contact_stream)
            self.place = StorePlace(self.settings.store_path, nodes)
            self.intake.open(self.place.open())

    @property
    def store(self) -> Store:
        assert self.place is not None
        assert self.place.store is not None
        return self.place.store


def taken(source: Path, folder: str) -> tuple[IntakeOnly, int, float]:
    """The target with all records in its store, their number, and CPU seconds."""
    logging.disable(logging.CRITICAL)
    target = IntakeOnly(config={"api_key": "none", "store_path": f"{folder}/store.sqlite"})
    started = time.process_time()
    with source.open("rb") as messages:
        counts = target.process_lines(messages)  # type: ignore[arg-type]  it reads bytes
    target.store.finish_first_read()
    target.store.commit()
    return target, counts["RECORD"], time.process_time() - started


def main(source: Path) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        target, records, cpu = taken(source, folder)
        assert target.place is not None
        target.place.close()
    return {"records": records, "cpu": cpu}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
