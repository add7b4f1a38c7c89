"""The table of lists in `docs/report.md`, from where their words are: run it after adding a list to the report."""

from __future__ import annotations

from pathlib import Path

from target_chartmogul.report.lists import LISTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "report.md"
HEAD = "| list | what it says |\n|---|---|\n"


def table() -> str:
    """One row for each list, by name."""
    return "\n".join(
        f"| `{name}` | {about.title}.{' ' + about.advice if about.advice else ''} |"
        for name, about in sorted(LISTS.items())
    )


def main() -> None:
    """Replace the table, and nothing else."""
    page = PAGE.read_text()
    before, _, rest = page.partition(HEAD)
    _, gap, after = rest.partition("\n\n")
    PAGE.write_text(before + HEAD + table() + gap + after)


if __name__ == "__main__":
    main()
