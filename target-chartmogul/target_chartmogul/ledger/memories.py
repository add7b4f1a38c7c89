"""What is remembered of groups whose changes are still to be made (rules 1.2, 1.5).

A run may end between any two of its changes. So all that is new is remembered before the first of them, and what it
replaces is forgotten after the last one: the next run finds what it needs, wherever this one ended. A day that has come
(rule 6.3) stays due until what it brought is done.
"""

from __future__ import annotations

from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.plan.change_file import ChangeStore


def remember_before(ledger: Ledger, store: ChangeStore) -> None:
    """Before the first change."""
    with ledger.transaction():
        for memory in store.memories():
            keep = ledger.remember if memory.lane is None else ledger.remember_also
            keep(memory.contacts, memory.facts, memory.due)


def forget_after(ledger: Ledger, store: ChangeStore) -> None:
    """After the last change: of groups whose every change was acknowledged."""
    done = ledger.lanes_done
    with ledger.transaction():
        for memory in store.memories():
            if memory.lane in done:
                ledger.forget_all_but(memory.contacts, memory.facts, memory.due)
