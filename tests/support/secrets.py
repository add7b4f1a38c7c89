"""What nobody may read in anything that the commands say: keys, tokens, names, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.sandbox_process import Sandbox

_PERSONAL = {"given_name", "family_name", "middle_name", "preferred_name", "company_name", "email", "number", "line1",
             "line2", "locality", "postal_code", "first_name", "last_name"}  # fmt: skip
_WRITTEN_BY_THE_TEST = {"input.jsonl", "tap.jsonl", "tap.json", "target.json", "catalog.json"}
_SHORTEST = 4
"""Shorter texts stand in logs by chance."""
_WORDS = {"none"}
"""What generated contacts have in place of an address, and what stands in any log."""


def secrets_of(sandbox: Sandbox, keap: Mapping[str, Iterable[Mapping[str, Any]]]) -> set[str]:
    """Credentials of the sandbox, and names and addresses of the account's people."""
    found = {value for name, value in sandbox.keys.items() if "id" not in name.split("_")}
    found |= {str(token[name]) for token in sandbox.tokens() for name in token if name.endswith("token")}
    for stream in ("contacts", "orders", "companies", "affiliates", "users"):
        for row in keap.get(stream, ()):
            found |= set(_personal(row))
    return {each for each in found if len(each) >= _SHORTEST and each not in _WORDS}


def _personal(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _personal(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _personal(inner, name)
    elif name in _PERSONAL and isinstance(value, str):
        yield value.strip()


def told(folder: Path) -> Iterator[tuple[Path, str]]:
    """All files that the commands wrote below a folder, but for the tap's records and the store."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in _WRITTEN_BY_THE_TEST and ".sqlite" not in path.name:
            yield path, path.read_text(errors="replace")


def assert_nothing_told(
    sandbox: Sandbox, folder: Path, keap: Mapping[str, Iterable[Mapping[str, Any]]], *more: str
) -> None:
    """Search everything; the message names the file and the kind of text, with the text's first letters."""
    secrets = secrets_of(sandbox, keap) | set(more)
    assert len(secrets) > 5
    pattern = re.compile("|".join(rf"(?<![\w]){re.escape(each)}(?![\w])" for each in sorted(secrets, key=len)[::-1]))
    found = [
        f"{path.name}: {text[max(0, match.start() - 60) : match.end() + 20]!r}"
        for path, text in told(folder)
        for match in pattern.finditer(text)
    ]
    assert not found, "\n".join(found[:20])
