"""Erasing one person (rule 7.4)."""

from __future__ import annotations

from target_chartmogul.billing.nodes import stream_of
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.holdings import HoldingJournal
from target_chartmogul.store.records import Records


def forget(file: StoreFile, records: Records, holdings: HoldingJournal, contact: int, contact_stream: int) -> list[int]:
    """Erase a contact, and all records that name it, or name these, but for those of other contacts.

    Args:
        file: the open store, without anything that waits to be written.
        records: of the same store.
        holdings: of the same store.
        contact: node of the contact.
        contact_stream: number of the stream that contacts come in.

    Returns:
        The nodes that were erased, ascending.
    """
    found = {contact}
    waiting = [contact]
    while waiting:
        for (each,) in file.rows("SELECT b FROM link WHERE a = ? AND back = 1", (waiting.pop(),)):
            if each not in found and not _is_anothers(file, each, contact, contact_stream):
                found.add(each)
                waiting.append(each)
    erased = sorted(found)
    with file.transaction():
        records.forget(erased)
        holdings.erase(contact)
        for each in erased:
            for table in ("mark", "memory", "note"):
                file.database.execute(f"DELETE FROM {table} WHERE node = ?", (each,))  # noqa: S608  fixed names
        # Sums over all accounts are no data of a person; what they were made of is.
        file.database.execute("DELETE FROM figure WHERE node = ?", (contact,))
    return erased


def _is_anothers(file: StoreFile, node: int, contact: int, contact_stream: int) -> bool:
    named = [each for (each,) in file.rows("SELECT b FROM link WHERE a = ? AND back = 0", (node,))]
    return any(stream_of(each) == contact_stream and each != contact for each in named)
