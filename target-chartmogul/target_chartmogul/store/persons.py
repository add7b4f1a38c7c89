"""Which records are one person's (rule 7.4)."""

from __future__ import annotations

from collections.abc import Container, Iterable

from target_chartmogul.billing.nodes import FIRST_NODE, stream_of
from target_chartmogul.store.file import StoreFile


def records_of_person(file: StoreFile, contact: int, contact_stream: int) -> list[int]:
    """A contact, and all records that name it, or name these, but for those that are also of other contacts.

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
    """Whether a record is another contact's, be it in part: a payment may be for orders of two persons."""
    seen, waiting = {node}, [node]
    while waiting:
        named = [each for (each,) in file.rows("SELECT b FROM link WHERE a = ? AND back = 0", (waiting.pop(),))]
        contacts = {each for each in named if stream_of(each) == contact_stream}
        if contacts - {contact}:
            return True
        if not contacts:  # whose it is, the orders that it names say
            waiting += [each for each in named if each >= FIRST_NODE and each not in seen]
            seen.update(named)
    return False


def is_of_forgotten(links: Iterable[int], forgotten: Container[int], contact_stream: int) -> bool:
    """Whether a record that arrives is only about persons who were erased.

    Args:
        links: what it names.
        forgotten: nodes that were erased.
        contact_stream: number of the stream that contacts come in.
    """
    named = [each for each in links if each >= FIRST_NODE]
    contacts = [each for each in named if stream_of(each) == contact_stream]
    if contacts:
        return any(each in forgotten for each in contacts)
    return bool(named) and all(each in forgotten for each in named)
