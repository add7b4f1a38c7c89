"""The report as a page: one HTML file, made from the report's JSON and nothing else (rule 7.1).

It holds no script and asks for nothing outside, so that it can be kept as an artifact, mailed or printed. Every figure
on it is the JSON's; long lists are cut, and say where the rest is.
"""

from __future__ import annotations

import os
import tempfile
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from target_chartmogul.report.charts import MOVEMENTS, movements_chart, mrr_chart

ROWS_AT_MOST = 500
"""Entries of a list that the page shows; the JSON has them all."""
COUNTED = ("created", "updated", "deleted", "moved", "unchanged", "rejected")
_LATER = ("id", "since", "new", "rule")


def is_page(report_path: str) -> bool:
    """Whether `report_path` asks for the page beside the JSON."""
    return Path(report_path).suffix.lower() in {".html", ".htm"}


def write_page(json_file: Path, page: Path) -> None:
    """Make the page from the report's JSON; a reader finds the old page or the new one.

    Raises:
        OSError: the JSON cannot be read, or the page cannot be written.
    """
    report = msgspec.json.decode(json_file.read_bytes())
    text = render(report, json_file.name)
    handle, temporary = tempfile.mkstemp(dir=page.parent, prefix=f".{page.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).replace(page)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def render(report: dict[str, Any], json_name: str) -> str:
    """The page's HTML.

    Args:
        report: the document that `docs/report.md` describes.
        json_name: what the page calls the file that has everything.
    """
    return _template().render(
        report=report,
        json_name=json_name,
        counted=COUNTED,
        currencies=_currencies(report),
        movements=MOVEMENTS,
        rows_at_most=ROWS_AT_MOST,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("target_chartmogul.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["money"] = _money
    environment.filters["label"] = lambda name: str(name).replace("_", " ").capitalize()
    environment.filters["cell"] = _cell
    environment.filters["columns"] = _columns
    environment.filters["day"] = lambda moment: str(moment)[:10]
    environment.filters["minute"] = lambda moment: str(moment)[:16].replace("T", " ")
    return environment.get_template("report.html.j2")


def _currencies(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Per currency its months, oldest first, with the charts; the one that most customers pay in first."""
    mrr = report.get("mrr") or {}
    months: dict[str, dict[str, Any]] = mrr.get("months") or {}
    before: dict[str, dict[str, Any]] = mrr.get("months_before") or {}
    found = sorted({currency for month in (*months.values(), *before.values()) for currency in month})
    result = []
    for currency in found:
        own = {month: values.get(currency) or {"mrr": 0} for month, values in sorted(months.items())}
        if not own:
            continue
        earlier = {month: values.get(currency, {}).get("mrr", 0) for month, values in before.items()}
        result.append(
            {
                "currency": currency,
                "months": own,
                "before": earlier,
                "changed": sum(own[month]["mrr"] != earlier.get(month, 0) for month in own) if before else 0,
                "now": own[next(reversed(own))]["mrr"],
                "customers": own[next(reversed(own))].get("customers", 0),
                # Made here from figures, a currency code and colours: nothing in them comes from a record's texts.
                "mrr_chart": Markup(mrr_chart(own, currency, f"mrr-{currency}", earlier)),  # noqa: S704
                "movements_chart": Markup(movements_chart(own, currency, f"movements-{currency}")),  # noqa: S704
            }
        )
    return sorted(result, key=lambda each: (-each["customers"], each["currency"]))


def _money(hundredths: int | None) -> str:
    """12345 → `123.45`."""
    return "" if hundredths is None else f"{Decimal(hundredths) / 100:,.2f}"


def _columns(entries: list[dict[str, Any]]) -> list[str]:
    """The fields that any entry has, the id first and the rule last."""
    found = dict.fromkeys(key for entry in entries[:ROWS_AT_MOST] for key in entry if key not in _LATER)
    have = {key for entry in entries[:ROWS_AT_MOST] for key in entry}
    first, last = _LATER[:1], _LATER[1:]
    return [*(name for name in first if name in have), *found, *(name for name in last if name in have)]


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_cell(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value) or "–"
    return str(value)
