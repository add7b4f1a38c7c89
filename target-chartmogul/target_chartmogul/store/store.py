"""An open store: its parts, by what they keep."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final

from target_chartmogul.store.accounts import Accounts
from target_chartmogul.store.errors import store_errors
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.holdings import HoldingJournal
from target_chartmogul.store.meta import Meta
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.outcomes import Outcomes
from target_chartmogul.store.persons import records_of_person
from target_chartmogul.store.records import Records

_UNFINISHED: Final = "unfinished"


class Store:
    """Records, accounts, holdings, outcomes, and what is known of the store as a whole.

    Args:
        path: the file; created where there is nothing.
        source: whose records it holds.
        read_only: nothing can be written, and a run may write beside it.
        rehearsal: `close` takes back all that was written.

    Raises:
        ConfigurationError: the file is not a store, or one of a newer format.
        StoreDamagedError: it is malformed.
        StoreError: it cannot be read or written.
    """

    def __init__(self, path: Path, source: SourceNodes, *, read_only: bool = False, rehearsal: bool = False) -> None:
        self._file = StoreFile(path, read_only=read_only, rehearsal=rehearsal)
        self.meta = Meta(self._file)
        try:
            with store_errors():
                self.records = Records(self._file, self.meta, source)
        except BaseException:
            self._file.close()
            raise
        self.outcomes = Outcomes(self._file, self.records, source.contact_stream)
        self.accounts = Accounts(self._file, self.records, source)
        self.holdings = HoldingJournal(self._file, source)
        self._source = source

    @property
    def path(self) -> Path:
        """The file that it is in while it is open."""
        return self._file.path

    @property
    def changed(self) -> bool:
        """Whether anything was written since it was opened, or since it was uploaded last."""
        return self._file.changed

    @property
    def unfinished(self) -> bool:
        """Whether it was uploaded before a run wrote to ChartMogul, and that run did not come to its end.

        What ChartMogul has is then to be listed anew, untrusted (rule 1.6).
        """
        return self.meta.get(_UNFINISHED) is not None

    def set_unfinished(self, *, unfinished: bool) -> None:
        """For what is uploaded next."""
        self.meta.put(_UNFINISHED, "1" if unfinished else None)

    def transaction(self) -> AbstractContextManager[None]:
        """Several writes as one, or none of them on any error; one within another is part of that."""
        return self._file.transaction()

    def commit(self, unfinished_reads: Collection[int] = (), now: datetime | None = None) -> None:
        """Make records and what was told last: before a STATE goes out.

        Args:
            unfinished_reads: versions that this STATE names.
            now: the clock of the run, aware: since when the reads under these versions are under way.
        """
        self.records.commit(unfinished_reads, now)

    def checkpoint(self) -> None:
        """Everything into the one file, so that it can be copied."""
        self.commit()
        self._file.checkpoint()

    def as_saved(self) -> None:
        """It was uploaded as it is."""
        self._file.as_saved()

    def finish_first_read(self) -> None:
        """Every stream was read to its end once (rule 1.8): every account is to be decided."""
        if not self.records.first_read_done:
            with self.transaction():
                self.records.finish_first_read()
                self.accounts.mark_all("first read")

    def forget_first_read(self) -> None:
        """The store is older than what was read since (rule 1.6): all of it is to be read again first."""
        self.meta.forget_streams_read()
        self.records.forget_first_read()

    def forget(self, contact: int) -> list[int]:
        """Erase a person (rule 7.4): records, links, holdings, notes, memories, figures.

        Args:
            contact: node of the contact, or of a native customer.

        Returns:
            The nodes that were erased; none of them is taken again.
        """
        self.records.flush()
        erased = records_of_person(self._file, contact, self._source.contact_stream)
        with self.transaction():
            self.records.forget(erased)
            self.holdings.erase(contact)
            self.outcomes.clear(erased)
        self._file.scrub()
        return erased

    def copy_to(self, path: Path) -> None:
        """Write a copy as of this moment, for its owner's eyes only; a run may write meanwhile."""
        self._file.copy_to(path)

    def check(self) -> None:
        """Read the whole file; raises StoreDamagedError."""
        self._file.check()

    def close(self) -> None:
        """Keep what was committed; a rehearsal takes back all."""
        self.records.close()
        self._file.close()
