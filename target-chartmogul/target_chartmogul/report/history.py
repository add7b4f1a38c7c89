"""Reports of earlier runs: the last thirty are kept, with a page that lists them."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec

from target_chartmogul.report.page import naming, render_history
from target_chartmogul.report.place import ReportPlace

KEPT: Final = 30
_LIST: Final = "runs.json"
_INDEX: Final = "index.html"
_ENDINGS: Final = (".json.gz", ".html")


class PastRun(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the history. Amounts are in hundredths."""

    name: str
    """Of its files, without their endings."""
    started_at: str
    seconds: float
    dry_run: bool
    outcome: str
    exit_code: int
    mrr: dict[str, int]
    """Currency -> MRR in the month of the run."""
    changed: dict[str, int]
    """`created`, `updated`, `deleted`, `moved` -> objects of all kinds."""
    rejected: int


def keep(place: ReportPlace, report: dict[str, Any], json_file: Path, page: str, scratch: Path) -> None:
    """Keep a run's report beside those of earlier runs, and forget the oldest.

    Args:
        place: of the reports.
        report: the document, for the line in the list.
        json_file: the report as JSON; it is kept packed.
        page: HTML, with `JSON_NAME` where it names the JSON; here it is the packed one.
        scratch: a folder for what is made here.

    Raises:
        OSError: it cannot be written.
    """
    folder = place.folder
    run = _past_run(report)
    packed = scratch / "packed"
    with json_file.open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    folder.put(packed, f"{place.runs}/{run.name}.json.gz")
    made = scratch / "made"
    made.write_text(naming(page, f"{run.name}.json.gz"), encoding="utf-8")
    folder.put(made, f"{place.runs}/{run.name}.html")
    runs = [run, *(each for each in past_runs(place) if each.name != run.name)]
    for each in runs[KEPT:]:
        _remove(place, each)
    runs = runs[:KEPT]
    made.write_bytes(msgspec.json.format(msgspec.json.encode(runs), indent=1))
    folder.put(made, f"{place.runs}/{_LIST}")
    made.write_text(render_history([msgspec.to_builtins(each) for each in runs], place.page_name), encoding="utf-8")
    folder.put(made, f"{place.runs}/{_INDEX}")


def files_of(place: ReportPlace) -> list[str]:
    """Names of all files that reports left at their place."""
    runs = past_runs(place)
    kept = [f"{each.name}{ending}" for each in runs for ending in _ENDINGS]
    names = [place.json_name, place.page_name, *(f"{place.runs}/{each}" for each in (_INDEX, _LIST, *kept))]
    return [name for name in names if place.folder.has(name)]


def past_runs(place: ReportPlace) -> list[PastRun]:
    """Those that are kept, the latest first; none if their list cannot be read."""
    try:
        return msgspec.json.decode(place.folder.read(f"{place.runs}/{_LIST}") or b"[]", type=list[PastRun])
    except msgspec.DecodeError:
        return []


def index_of(place: ReportPlace) -> str:
    """Where the page is that lists them."""
    return place.where(f"{place.runs}/{_INDEX}")


def _remove(place: ReportPlace, run: PastRun) -> None:
    for ending in _ENDINGS:
        place.folder.remove(f"{place.runs}/{run.name}{ending}")


def _past_run(report: dict[str, Any]) -> PastRun:
    run, counts = report["run"], report["counts"].values()
    months: dict[str, Any] = (report.get("mrr") or {}).get("months") or {}
    latest = months[max(months)] if months else {}
    return PastRun(
        name=run["started_at"][:23].replace(":", "-").replace(".", "-"),
        started_at=run["started_at"],
        seconds=run["seconds"],
        dry_run=run["dry_run"],
        outcome=run["outcome"],
        exit_code=run["exit_code"],
        mrr={currency: each["mrr"] for currency, each in latest.items()},
        changed={
            word: total
            for word in ("created", "updated", "deleted", "moved")
            if (total := sum(each[word] for each in counts))
        },
        rejected=len(report["rejects"]) + len(report["refusals"]),
    )
