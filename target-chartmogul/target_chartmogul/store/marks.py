"""The marks that arriving records leave: their accounts are to be decided (rule 1.8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from target_chartmogul.billing.nodes import END_NODE, FIRST_NODE
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.meta import Meta

ARRIVED: Final = "arrived"
"""Why an account is marked that an input touched which has not come to its end."""
_FIRST_READ: Final = "first read"
_ALL_THAT_NAME: Final = (
    "WITH RECURSIVE naming(node) AS (SELECT b FROM link WHERE a = :named AND back = 1"
    # A plan names its product: what names the plan hears of the product, too.
    " UNION SELECT l.b FROM naming JOIN link AS l ON l.a = naming.node AND l.back = 1 WHERE naming.node < :first)"
    " INSERT OR IGNORE INTO mark SELECT node, '', :why FROM naming WHERE node >= :first"
)


class Marks:
    """Writes marks, once the first read is done: before, nothing may be decided, and then everything is."""

    def __init__(self, file: StoreFile, meta: Meta) -> None:
        self._file = file
        self._meta = meta
        self._active = meta.get(_FIRST_READ) is not None

    @property
    def active(self) -> bool:
        """Whether every stream was read to its end once."""
        return self._active

    def set_active(self, *, active: bool) -> None:
        """It was, or it is to be read again."""
        self._active = active
        self._file.begin_loading()
        self._meta.put(_FIRST_READ, "done" if active else None)

    def arrived(self, nodes: Iterable[int]) -> None:
        """The accounts of these are to be decided; of the catalogue, those of all that names them.

        What is of no account marks none: where it bends a setting, rule 1.10 does.
        """
        if not self._active:
            return
        database = self._file.database
        accounts = []
        for each in nodes:
            if each >= END_NODE:
                continue
            if each >= FIRST_NODE:
                accounts.append((each, ARRIVED))
            else:
                database.execute(_ALL_THAT_NAME, {"named": each, "first": FIRST_NODE, "why": ARRIVED})
        database.executemany(
            "INSERT INTO mark VALUES (?, '', ?) ON CONFLICT DO UPDATE SET why = excluded.why WHERE why <> excluded.why",
            accounts,
        )

    @property
    def await_input(self) -> bool:
        """Whether accounts wait for the next input, since one that touched them was cut off (rule 1.8)."""
        return self._file.row("SELECT 1 FROM mark WHERE why = ? LIMIT 1", (ARRIVED,)) is not None

    def input_complete(self) -> None:
        """What the input touched need not wait for the next one."""
        if self.await_input:
            self._file.begin_loading()
            self._file.database.execute("UPDATE mark SET why = '' WHERE why = ?", (ARRIVED,))
