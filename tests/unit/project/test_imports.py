"""Imports of the target go one way, also under TYPE_CHECKING; only `store` and scratch files know SQL."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import target_chartmogul

PACKAGE = Path(target_chartmogul.__file__).parent
ARCHITECTURE = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text()
MAY_IMPORT: dict[str, set[str]] = {
    "exit_codes": set(),
    "failures": {"exit_codes"},
    "log_lines": set(),
    "machine": {"failures"},
    "exit_code_file": {"failures"},
    "progress": set(),
    "settings_schema": set(),
    "stopping": {"exit_codes", "failures"},
    "billing": set(),
    "store": {"billing", "failures", "exit_codes"},
    "chartmogul": {"billing", "failures"},
    "sources": {"billing", "failures", "settings_schema"},
    "settings": {"billing", "failures", "settings_schema", "sources"},
    "singer": {"billing", "failures", "machine", "progress", "sources", "store"},
    "plan": {"billing", "failures", "sources", "store"},
    "apply": {"billing", "chartmogul", "failures", "plan", "settings", "sources", "store"},
    "report": {"billing", "failures", "plan", "settings", "sources", "store"},
    "checks": {
        *("billing", "chartmogul", "exit_codes", "failures", "settings", "sources", "stopping"),
        *("apply", "plan", "report", "singer", "store"),
    },
}
"""What each part may import. `docs/architecture.md` draws it."""
TOP = ("run", "target", "cli", "__main__")
"""Above all of them, in this order; `cli` has the commands beside the run."""
SQL = {"store", "plan/change_file.py", "report/spool.py", "apply/bulk.py"}


def imports() -> Iterator[tuple[str, str, str]]:
    """File, its part, and a part that it imports, wherever in the file."""
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE)
        part = relative.with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{relative}: imports are written in full"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            own = [name.split(".")[1] for name in names if name.startswith("target_chartmogul.")]
            yield from ((str(relative), part, other) for other in own if other != part)


def test_every_import_goes_down() -> None:
    wrong = [
        f"{file} imports {other}"
        for file, part, other in imports()
        if (other not in MAY_IMPORT.get(part, set()) if part not in TOP else other in TOP[TOP.index(part) :])
    ]
    assert wrong == []


def test_the_table_in_the_documentation_says_the_same() -> None:
    """Rows from the lowest folder up; what lies below all folders is in the sentence under the table."""
    rows = re.findall(r"^\| `(\w+)/` \|.*\| (.*) \|$", ARCHITECTURE.split("## Folders of the target")[1], re.MULTILINE)
    folders = [folder for folder, _ in rows]
    assert set(folders) == {part for part in MAY_IMPORT if (PACKAGE / part).is_dir()}
    documented: dict[str, set[str]] = {}
    for place, (folder, may) in enumerate(rows):
        if may == "everything above":
            documented[folder] = set(folders[:place])
        else:
            named = set(re.findall(r"`(\w+)`", may))
            documented[folder] = named | (documented[folders[place - 1]] if may.startswith("…") else set())
    for folder in folders:
        allowed = MAY_IMPORT[folder] & set(folders)
        assert allowed == documented[folder], folder


def test_there_is_no_circle() -> None:
    left = {part: set(others) for part, others in MAY_IMPORT.items()}
    while free := [part for part, others in left.items() if not others & left.keys()]:
        for part in free:
            del left[part]
    assert left == {}


def test_nobody_else_knows_sql() -> None:
    knowing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(
            isinstance(node, ast.Attribute) and node.attr in {"execute", "executemany", "executescript"}
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    assert {name for name in knowing if name not in SQL and name.split("/")[0] not in SQL} == set()
