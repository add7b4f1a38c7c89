"""The report as a page: one HTML file, made from the report's JSON and nothing else (rule 7.1).

It holds no script and asks for nothing outside, so that it can be kept as an artifact, mailed or printed. Every figure
on it is the JSON's; long lists are cut, and say where the rest is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup, escape

from target_chartmogul.report.charts import MOVEMENTS, movements_chart, mrr_chart
from target_chartmogul.report.text import money

ROWS_AT_MOST = 500
"""Entries of a list that the page shows; the JSON has them all."""
COUNTED = ("created", "updated", "deleted", "moved", "unchanged", "rejected")
JSON_NAME = "\ue000json\ue000"
"""Stands for the name of the JSON file, see `naming`; characters that no text has."""
_LATER = ("id", "since", "new", "rule")


def render(report: dict[str, Any], json_name: str) -> str:
    """The page's HTML.

    Args:
        report: the document that `docs/report.md` describes.
        json_name: what the page calls the file that has everything.
    """
    return _template("report.html.j2").render(
        report=report,
        json_name=json_name,
        counted=COUNTED,
        currencies=_currencies(report),
        movements=MOVEMENTS,
        rows_at_most=ROWS_AT_MOST,
    )


def naming(page: str, json_name: str) -> str:
    """A page that was rendered with `JSON_NAME`, for one place: a run's report is at two."""
    return page.replace(JSON_NAME, str(escape(json_name)))


def render_history(runs: list[dict[str, Any]], latest: str) -> str:
    """The page that lists earlier runs.

    Args:
        runs: as in `history.PastRun`, the latest first.
        latest: name of the page of the latest run, in the folder above.
    """
    return _template("history.html.j2").render(runs=runs, latest=latest)


@cache
def _template(name: str) -> jinja2.Template:
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
    return environment.get_template(name)


def _currencies(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Per currency its months, oldest first, with the charts; the one that most customers pay in first."""
    mrr = report.get("mrr") or {}
    months: dict[str, dict[str, Any]] = mrr.get("months") or {}
    before: dict[str, dict[str, Any]] = mrr.get("months_before") or {}
    found = sorted({currency for month in (*months.values(), *before.values()) for currency in month})
    result = []
    for number, currency in enumerate(found, 1):
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
                # Made here from figures, months and a currency, which the charts escape.
                "mrr_chart": Markup(mrr_chart(own, currency, f"mrr-{number}", earlier)),  # noqa: S704
                "movements_chart": Markup(movements_chart(own, currency, f"movements-{number}")),  # noqa: S704
            }
        )
    return sorted(result, key=lambda each: (-each["customers"], each["currency"]))


def _money(hundredths: int | None, currency: str | None = None) -> str:
    """Without the currency's code, which heads the table; empty if there is no amount."""
    return "" if hundredths is None else money(hundredths, currency, code=False)


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
