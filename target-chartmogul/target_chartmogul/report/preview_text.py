"""A preview for the terminal: MRR by month, what would change by kind, and of which accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from target_chartmogul.billing.changes import Kind
from target_chartmogul.report.builder import KINDS, Counts
from target_chartmogul.report.months import Months
from target_chartmogul.report.text import money, table

MONTHS_SHOWN: Final = 24
ACCOUNTS_SHOWN: Final = 20


def preview_lines(preview: Any) -> Iterator[str]:
    """Lines of text.

    Args:
        preview: a `checks.preview.Preview`.
    """
    yield f"Preview as of {preview.as_of:%Y-%m-%d %H:%M} UTC. Nothing was written."
    for name, values in preview.settings.items():
        yield f"  {name}: {_shown(values['before'])} → {_shown(values['after'])}"
    if not preview.settings:
        yield "  No setting differs from the last run's: this is what is due anyway."
    yield ""
    yield from _mrr(preview.months_before, preview.months, MONTHS_SHOWN)
    yield from _counts(preview.counts)
    yield from _accounts(preview.accounts)
    for each in preview.guards:
        yield f"A run would stop before its first write, unless `force` is set: {each}."


def _mrr(before: Months, after: Months, most: int) -> Iterator[str]:
    currencies = sorted({currency for months in (before, after) for month in months.values() for currency in month})
    if not currencies:
        yield "There is no MRR, before or after."
    for currency in currencies:
        rows = []
        for month in sorted({*before, *after}):
            old, new = (months.get(month, {}).get(currency, {}).get("mrr", 0) for months in (before, after))
            rows.append((month, old, new))
        changed = [row for row in rows if row[1] != row[2]]
        if not changed:
            yield f"MRR in {currency}: no month changes ({money(rows[-1][1], currency)} now)."
            continue
        cut = f", the last {most} are shown" if len(changed) > most else ""
        yield f"MRR in {currency} at the end of the month; {len(changed)} of {len(rows)} months change{cut}:"
        yield from table(
            ("month", "before", "after", "change"),
            [
                (
                    month,
                    money(old, currency, code=False),
                    money(new, currency, code=False),
                    money(new - old, currency, sign=True, code=False),
                )
                for month, old, new in changed[-most:]
            ],
        )
        yield ""


def _counts(counts: dict[str, Counts]) -> Iterator[str]:
    rows = [
        (name.replace("_", " "), *(str(number) for number in (each.created, each.updated, each.deleted, each.moved)))
        for name, each in counts.items()
        if each.created or each.updated or each.deleted or each.moved
    ]
    if not rows:
        yield "Nothing in ChartMogul would change."
        return
    yield "What would change in ChartMogul:"
    yield from table(("", "created", "updated", "deleted", "moved"), rows)
    yield ""


def _accounts(accounts: list[Any]) -> Iterator[str]:
    if not accounts:
        return
    yield f"Accounts that change: {len(accounts)}"
    rows = [
        (
            each.account,
            ", ".join(money(delta, currency, sign=True) for currency, delta in each.mrr.items()) or "–",
            ", ".join(_counted(kind, number) for kind, number in sorted(each.changes.items())),
        )
        for each in accounts[:ACCOUNTS_SHOWN]
    ]
    yield from table(("account", "MRR", "changes"), rows, left=(0, 2))
    if len(accounts) > ACCOUNTS_SHOWN:
        yield f"… and {len(accounts) - ACCOUNTS_SHOWN} more; `--format json` names all."


def _counted(kind: Kind, number: int) -> str:
    """`1 cancellation`, `6 invoices`."""
    name = KINDS[kind].replace("_", " ")
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _shown(value: Any) -> str:
    if value is None or value in ((), [], {}, ""):
        return "not set"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
