"""Imports of the tap go one way, also under TYPE_CHECKING, and the SDK is known to one module."""

from __future__ import annotations

import ast
from pathlib import Path

import tap_keap

PACKAGE = Path(tap_keap.__file__).parent
LAYERS = (
    {"errors", "exit_codes", "id_set", "instants", "progress", "raw_rows", "stream_specs"},
    {"bookmarks", "conform", "output", "rate_budget", "settings", "shared_orders", "stopping", "transport"},
    {"credentials", "custom_fields", "rows"},
    {"client"},
    {"paging"},
    {"sdk", "session"},
    {"streams"},
    {"special_streams"},
    {"tap"},
    {"__main__"},
)
"""From the bottom to the top. A module may import what is below it, and of its own layer what makes no circle."""
LATE = {("credentials", "tap")}
"""`tap-keap auth login --config ENV` reads the environment as the SDK does."""


def part(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def imports() -> dict[str, set[str]]:
    """Which part of the package imports which, wherever in the file."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        name = part(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found.setdefault(name, set()).update(modules)
    return found


def test_every_import_goes_down() -> None:
    height = {name: place for place, layer in enumerate(LAYERS) for name in layer}
    found = imports()
    assert set(found) - {"__init__"} == set(height)
    own = {
        (name, part(module.removeprefix("tap_keap.")))
        for name, modules in found.items()
        for module in modules
        if module.startswith("tap_keap.")
    }
    up = {(name, other) for name, other in own if name != other and height[name] < height[other]}
    assert up == LATE
    beside = {(name, other) for name, other in own if name != other and height[name] == height[other]}
    assert not beside & {(other, name) for name, other in beside}, "no two modules import each other"


def test_only_one_module_knows_the_sdk() -> None:
    assert {name for name, modules in imports().items() if any(part(each) == "singer_sdk" for each in modules)} == {
        "sdk"
    }
