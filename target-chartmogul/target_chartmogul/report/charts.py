"""The report's charts as SVG that stands in the page: no script, no outside resource, colours from the page's own."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any

import pygal
from pygal.style import Style

# pygal looks for its own plugins by an import protocol that Python no longer has: every later import would warn.
sys.meta_path[:] = [each for each in sys.meta_path if type(each).__name__ != "PluginImportFixer"]

MOVEMENTS = ("new", "expansion", "reactivation", "contraction", "churn")
"""Kinds of MRR movement, those that add first (ChartMogul's terms)."""
_COMMENT_OR_SCRIPT = re.compile(r"<!--.*?-->|<script.*?</script>", re.DOTALL)
_WIDTH, _HEIGHT = 960, 320
_LABELS_AT_MOST = 20


def _style(colours: Sequence[str]) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--muted)",
        foreground_strong="var(--text)",
        foreground_subtle="var(--line)",
        colors=tuple(colours),
        opacity="1",
        opacity_hover="0.8",
        transition="none",
        font_family="inherit",
        label_font_size=14,
        major_label_font_size=14,
        legend_font_size=14,
    )


def _rendered(chart: Any, name: str, description: str) -> str:
    chart.uuid = name
    svg: str = _COMMENT_OR_SCRIPT.sub("", chart.render(is_unicode=True))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" focusable="false" ', 1)


def _chart(kind: type, colours: Sequence[str], months: Sequence[str], **options: Any) -> Any:
    chart = kind(
        style=_style(colours),
        js=[],
        width=_WIDTH,
        height=_HEIGHT,
        margin=4,
        spacing=8,
        disable_xml_declaration=True,
        show_x_guides=False,
        legend_at_bottom=True,
        legend_at_bottom_columns=5,
        truncate_legend=-1,
        truncate_label=-1,
        x_label_rotation=40,
        margin_bottom=18,
        value_formatter=lambda value: f"{value:,.0f}",
        **options,
    )
    chart.x_labels = list(months)
    if len(months) > _LABELS_AT_MOST:
        step = -(-len(months) // _LABELS_AT_MOST)
        chart.x_labels_major = list(months)[::-step][::-1]
        chart.show_minor_x_labels = False
    return chart


def _major(hundredths: int) -> float:
    return float(Decimal(hundredths) / 100)


def mrr_chart(
    months: Mapping[str, Mapping[str, int]], currency: str, name: str, before: Mapping[str, int] | None = None
) -> str:
    """MRR at the end of each month, as bars; beside each what it was before the run, where that is given.

    Args:
        months: by month (`2026-03`), with `mrr` in hundredths.
        currency: ISO code, for the description.
        name: unique in the page.
        before: by month, in hundredths.
    """
    colours = ["var(--muted)", "var(--mrr)"] if before else ["var(--mrr)"]
    chart = _chart(pygal.Bar, colours, list(months), show_legend=bool(before))
    if before:
        chart.add("Before", [_major(before.get(month, 0)) for month in months])
    chart.add("After" if before else "MRR", [_major(each["mrr"]) for each in months.values()])
    last = max(months, default="")
    summary = f"MRR in {currency} by month, {min(months, default='')} to {last}; the table below has the figures"
    return _rendered(chart, name, summary)


def movements_chart(months: Mapping[str, Mapping[str, int]], currency: str, name: str) -> str:
    """What moved MRR in each month, as stacked bars above and below zero. Arguments as for `mrr_chart`."""
    colours = [f"var(--{each})" for each in MOVEMENTS]
    chart = _chart(pygal.StackedBar, colours, list(months))
    for each in MOVEMENTS:
        chart.add(each.capitalize(), [_major(month.get(each, 0)) or None for month in months.values()])
    return _rendered(chart, name, f"MRR movements in {currency} by month; the table below has the figures")
