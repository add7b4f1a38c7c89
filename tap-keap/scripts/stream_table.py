"""Write the table of streams into the README from `tap_keap.stream_specs`.

python tap-keap/scripts/stream_table.py
"""

from __future__ import annotations

from pathlib import Path

from tap_keap.stream_specs import STREAM_SPECS, StreamSpec

README = Path(__file__).resolve().parent.parent / "README.md"
START = "<!-- streams: written by tap-keap/scripts/stream_table.py -->"
END = "<!-- end of streams -->"


def table() -> str:
    """The table as Markdown."""
    rows = ["| stream | endpoint | key | replication | filter | notes |", "|---|---|---|---|---|---|"]
    rows += [row(spec) for spec in STREAM_SPECS]
    return "\n".join(rows)


def row(spec: StreamSpec) -> str:
    """One stream's row."""
    replication = f"incremental, `{spec.replication_key}`" if spec.replication_key else "full table"
    filters = ", ".join(f"`{name}`" for name in (spec.since, spec.until) if name) or "–"
    notes = [spec.note] if spec.note else []
    if spec.lookback and "ook-back" not in spec.note:
        notes.append("Look-back" + (", whole every `full_reread_days`." if spec.full_reread else "."))
    keys = ", ".join(f"`{name}`" for name in spec.primary_keys)
    return f"| `{spec.name}` | `/v2/{spec.path}` | {keys} | {replication} | {filters} | {' '.join(notes)} |"


def with_table(text: str) -> str:
    """The README with the table as it is now."""
    before, rest = text.split(START)
    return f"{before}{START}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
