"""The report of a run goes to its place: JSON, the page beside it, and both once more among those of earlier runs."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import msgspec

from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.report.place import ReportPlace

logger = logging.getLogger("target-chartmogul")

NOT_ASKED_FOR = "No report was written, since `report_path` is not set."


def save_report(
    builder: ReportBuilder, place: ReportPlace | None, *, outcome: str, exit_code: int, kept: bool = True
) -> str:
    """Write a report.

    Args:
        builder: has collected it.
        place: where to; None for no report.
        outcome: as in `ReportBuilder.write`.
        exit_code: the program's.
        kept: among those of earlier runs, too.

    Returns:
        Where it is, or that there is none, as a sentence. A report that cannot be written does not end a run.
    """
    if place is None:
        return NOT_ASKED_FOR
    from target_chartmogul.report.history import index_of, keep  # noqa: PLC0415 - only runs with a report need them
    from target_chartmogul.report.page import JSON_NAME, naming, render  # noqa: PLC0415

    try:
        with tempfile.TemporaryDirectory(prefix="target-chartmogul-") as name:
            json_file, page_file = Path(name) / "json", Path(name) / "page"
            builder.write(json_file, outcome=outcome, exit_code=exit_code)
            report = msgspec.json.decode(json_file.read_bytes())
            page = render(report, JSON_NAME)
            page_file.write_text(naming(page, place.json_name), encoding="utf-8")
            place.folder.put(json_file, place.json_name)
            place.folder.put(page_file, place.page_name)
            if kept:
                keep(place, report, json_file, page, Path(name))
    except OSError as error:
        logger.error("The report cannot be written: %s", error.strerror)  # noqa: TRY400
        return "The report could not be written."
    earlier = f" (earlier runs: {index_of(place)})" if kept else ""
    return f"Report: {place.where(place.page_name)}{earlier}"
