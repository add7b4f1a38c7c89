"""Lists of the report while the run goes on: on disk, so that a million entries need no memory."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any

import msgspec

_ADDRESS = re.compile(r"[^\s\"'<>@,;]+@[^\s\"'<>@,;]+\.[^\s\"'<>@,;]+")
_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_IN_MEMORY = 65_536


def without_addresses(value: Any) -> Any:
    """The same with everything that looks like an e-mail address taken out.

    No part of the program puts one into the report; this holds even for what a service says in an error.
    """
    if isinstance(value, str):
        return _ADDRESS.sub("(address)", value) if "@" in value else value
    if isinstance(value, dict):
        return {key: without_addresses(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_addresses(each) for each in value]
    return value


class Spool:
    """Entries by list name, in the order in which they came; methods may be called from several threads."""

    def __init__(self) -> None:
        self._files: dict[str, IO[bytes]] = {}
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, name: str, entry: dict[str, Any]) -> None:
        """Put an entry at the end of a list."""
        line = _ENCODE(without_addresses(entry)) + b"\n"
        with self._lock:
            file = self._files.get(name)
            if file is None:
                file = self._files[name] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  closed by close()
            file.write(line)
            self._counts[name] = self._counts.get(name, 0) + 1

    def counts(self) -> dict[str, int]:
        """Entries per list, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def lines(self, name: str) -> Iterator[bytes]:
        """Each entry of a list as JSON. Nothing may be added meanwhile."""
        file = self._files.get(name)
        if file is None:
            return
        file.seek(0)
        for line in file:
            yield line.rstrip(b"\n")
        file.seek(0, 2)

    def entries(self, name: str) -> Iterator[dict[str, Any]]:
        """Each entry of a list."""
        for line in self.lines(name):
            yield msgspec.json.decode(line)

    def close(self) -> None:
        """Forget everything."""
        for file in self._files.values():
            file.close()
        self._files.clear()
