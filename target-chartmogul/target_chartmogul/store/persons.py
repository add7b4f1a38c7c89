"""Which records are one person's (rule 7.4)."""

from __future__ import annotations

from target_chartmogul.billing.nodes import stream_of
from target_chartmogul.store.file import StoreFile


def records_of_person(file: StoreFile, contact: int, contact_stream: int) -> list[int]:
    """A contact, and all records that name it, or name these, but for those of other contacts.

    Args:
        file: the open store, without anything that waits to be written.
        contact: node of the contact.
        contact_stream: number of the stream that contacts come in.

    Returns:
        Their nodes, ascending.
    """
    found = {contact}
    waiting = [contact]
    while waiting:
        for (each,) in file.rows("SELECT b FROM link WHERE a = ? AND back = 1", (waiting.pop(),)):
            if each not in found and not _is_anothers(file, each, contact, contact_stream):
                found.add(each)
                waiting.append(each)
    return sorted(found)


def _is_anothers(file: StoreFile, node: int, contact: int, contact_stream: int) -> bool:
    named = [each for (each,) in file.rows("SELECT b FROM link WHERE a = ? AND back = 0", (node,))]
    return any(stream_of(each) == contact_stream and each != contact for each in named)
