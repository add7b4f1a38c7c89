"""What only the ledger remembers: facts that ChartMogul cannot tell, records that wait, and what was seen before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from target_chartmogul.billing.decisions import Note
from target_chartmogul.ledger.file import LedgerFile
from target_chartmogul.ledger.inbox import Row
from target_chartmogul.sources.keap.account import Remembered

_ENCODE: Final = msgspec.json.Encoder().encode
_REMEMBERED: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(get_args(hint)[-1] if get_origin(hint) is dict else hint)
    for name, hint in get_type_hints(Remembered).items()
}
_LEARNED: Final = "refused_emails"


class LedgerMemory(LedgerFile):
    """The part of the ledger that is lost with it (rule 1.2)."""

    def remembered(self, contacts: Iterable[int]) -> Remembered:
        """The facts of some contacts that ChartMogul cannot tell."""
        found = Remembered()
        with self._lock:
            for contact in contacts:
                for kind, key, value in self._database.execute(
                    "SELECT kind, key, value FROM remembered WHERE contact = ?", (contact,)
                ):
                    fact = _REMEMBERED[kind].decode(value)
                    if isinstance(fact, tuple):
                        setattr(found, kind, (*getattr(found, kind), *fact))
                    else:
                        getattr(found, kind)[key] = fact
        return found

    def remarks(self) -> dict[str, list[Note]]:
        """All that `explain` has to say beyond what ChartMogul holds."""
        with self._lock:
            rows = self._database.execute("SELECT key, value FROM remembered WHERE kind = 'remarks'").fetchall()
        return {key: _REMEMBERED["remarks"].decode(value) for key, value in rows}

    def cancellation_facts(self) -> Remembered:
        """Rules and sources of all cancellations, for the report."""
        found = Remembered()
        with self._lock:
            for kind, key, value in self._database.execute(
                "SELECT kind, key, value FROM remembered WHERE kind IN ('cancellation_rules', 'cancellation_sources')"
            ):
                getattr(found, kind)[key] = _REMEMBERED[kind].decode(value)
        return found

    def remember(self, contacts: list[int], facts: Remembered, due: str | None) -> None:
        """Replace what is remembered of some contacts, and the instant at which they must be looked at again."""
        with self._lock:
            for contact in contacts:
                self._database.execute("DELETE FROM remembered WHERE contact = ?", (contact,))
                self._database.execute("DELETE FROM due WHERE contact = ?", (contact,))
            self._add(contacts[0], facts, due, _REMEMBERED)

    def remember_also(self, contacts: list[int], facts: Remembered, due: str | None) -> None:
        """Add to what is remembered of some contacts; of two instants the earlier one counts.

        Addresses are replaced: which of them ChartMogul refused is learned while it is written to.
        """
        with self._lock:
            for contact in contacts:
                self._database.execute("DELETE FROM remembered WHERE contact = ? AND kind = ?", (contact, _LEARNED))
            self._add(contacts[0], facts, due, _REMEMBERED)

    def forget_all_but(self, contacts: list[int], facts: Remembered, due: str | None) -> None:
        """The same as `remember`, but for what was learned meanwhile."""
        with self._lock:
            for contact in contacts:
                self._database.execute("DELETE FROM remembered WHERE contact = ? AND kind <> ?", (contact, _LEARNED))
                self._database.execute("DELETE FROM due WHERE contact = ?", (contact,))
            self._add(contacts[0], facts, due, _REMEMBERED.keys() - {_LEARNED})

    def _add(self, home: int, facts: Remembered, due: str | None, kinds: Iterable[str]) -> None:
        for kind in kinds:
            held = getattr(facts, kind)
            for key, value in held.items() if isinstance(held, dict) else [(str(home), held)] if held else []:
                self._database.execute(
                    "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?)", (kind, key, home, _ENCODE(value))
                )
        if due is not None:
            self._database.execute(
                "INSERT INTO due VALUES (?, ?) ON CONFLICT DO UPDATE SET at = min(at, excluded.at)", (home, due)
            )

    def dues(self) -> dict[int, str]:
        """Contact and the instant at which its group must be looked at again."""
        with self._lock:
            return dict(self._database.execute("SELECT contact, at FROM due").fetchall())

    def kept(self) -> list[tuple[str, int]]:
        """Stream and id of all records that wait (rule 1.5)."""
        with self._lock:
            return self._database.execute("SELECT stream, id FROM kept ORDER BY stream, id").fetchall()

    def kept_rows(self) -> Iterator[Row]:
        """The records themselves."""
        for stream, number in self.kept():
            with self._lock:
                replication, raw = self._database.execute(
                    "SELECT replication, raw FROM kept WHERE stream = ? AND id = ?", (stream, number)
                ).fetchone()
            yield Row(stream, number, replication, bytes(raw))

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep records for the next run."""
        with self._lock:
            self._database.executemany(
                "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)",
                ((row.stream, row.id, row.replication, row.raw) for row in rows),
            )

    def release(self, records: Iterable[tuple[str, int]]) -> None:
        """Keep these records no longer."""
        with self._lock:
            self._database.executemany("DELETE FROM kept WHERE stream = ? AND id = ?", records)

    def saw(self, records: Iterable[tuple[int, int, int]]) -> None:
        """Stream number, id and fingerprint of records that are wholly dealt with."""
        with self._lock:
            self._database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", records)
