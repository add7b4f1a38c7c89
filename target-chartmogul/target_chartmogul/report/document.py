"""The report as a file: its head in one piece, its lists entry by entry."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from target_chartmogul.report.lists import words
from target_chartmogul.report.spool import Spool, without_addresses

TOP_LISTS: Final = ("rejects", "refusals", "waiting", "churn", "changes")
"""Lists that stand at the top of the document; all others are under `lists`. The last one is a dry run's."""


def write_document(path: Path, head: Mapping[str, Any], spool: Spool, top_lists: Sequence[str]) -> None:
    """Write a report beside its place and then into it, so that a reader finds the old one or the new one.

    Args:
        path: where to; its folder is made.
        head: everything but the lists.
        spool: the lists.
        top_lists: those that stand at the top.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            _write(stream, head, spool, top_lists)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write(stream: IO[bytes], head: Mapping[str, Any], spool: Spool, top_lists: Sequence[str]) -> None:
    text = msgspec.json.encode(without_addresses(msgspec.to_builtins(head)))
    stream.write(msgspec.json.format(text, indent=1).removesuffix(b"\n}"))
    for name in top_lists:
        stream.write(b',\n "%s": ' % name.encode())
        _write_list(stream, spool, name)
    stream.write(b',\n "lists": {')
    between = b"\n  "
    for name in sorted(spool.counts().keys() - set(TOP_LISTS)):
        about = words(name)
        described = msgspec.json.encode({"title": about.title, "what_to_do": about.advice})
        stream.write(b'%s%s: %s, "entries": ' % (between, msgspec.json.encode(name), described[:-1]))
        _write_list(stream, spool, name)
        stream.write(b"}")
        between = b",\n  "
    stream.write(b"}\n}\n")


def _write_list(stream: IO[bytes], spool: Spool, name: str) -> None:
    stream.write(b"[")
    between = b"\n   "
    for line in spool.lines(name):
        stream.write(between + line)
        between = b",\n   "
    stream.write(b"]")
