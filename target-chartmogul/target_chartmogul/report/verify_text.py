"""What `verify` found, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from target_chartmogul.billing.amounts import CANCELLATIONS
from target_chartmogul.report.text import money, table

DIFFERENCES_SHOWN: Final = 50


def verify_lines(verified: Any, *, everything: bool) -> Iterator[str]:
    """Lines of text.

    Args:
        verified: a `checks.verify.Verified`.
        everything: show months without a difference, and differences that a rule means to have, too.
    """
    yield f"Data source {verified.data_source_uuid}, as of {verified.as_of:%Y-%m-%d %H:%M} UTC. Nothing was written."
    content = verified.content
    rows = [row for row in content.rows if everything or row.difference]
    rows += content.totals
    yield ""
    yield "Content" if everything else "Content: totals, and the months that differ"
    yield from table(
        ("", "month", "currency", "store", "ChartMogul", "difference"),
        [
            (
                row.what,
                row.month,
                row.currency,
                *(_shown(row, each) for each in (row.store, row.chartmogul)),
                _diff(row),
            )
            for row in rows
        ],
        left=(0, 1, 2),
    )
    found = [each for each in content.differences if everything or not each.is_meant]
    meant = len(content.differences) - sum(not each.is_meant for each in content.differences)
    yield ""
    yield f"Differences that need a look: {len(content.differences) - meant}; meant by a rule: {meant}"
    for each in found[:DIFFERENCES_SHOWN]:
        yield (
            f"  {each.what} {each.id} ({', '.join(each.records)}), {each.month}: store"
            f" {_shown(each, each.store)}{_unit(each)}, ChartMogul {_shown(each, each.chartmogul)}{_unit(each)}"
        )
        for reason in each.because:
            yield f"    {reason['rule']}  {reason['text']}"
        if not each.because:
            yield "    no rule explains it"
    if len(found) > DIFFERENCES_SHOWN:
        yield f"  … and {len(found) - DIFFERENCES_SHOWN} more; `--format json` has all."


def _shown(row: Any, number: int) -> str:
    return f"{number:,}" if row.what == CANCELLATIONS else money(number, row.currency, code=False)


def _unit(row: Any) -> str:
    return f" {row.currency}" if row.currency else ""


def _diff(row: Any) -> str:
    if not row.difference:
        return "–"
    return (
        f"{row.difference:+,}"
        if row.what == CANCELLATIONS
        else money(row.difference, row.currency, sign=True, code=False)
    )
