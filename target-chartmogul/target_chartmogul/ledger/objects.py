"""What ChartMogul holds of ours, as the ledger knows it: objects by external id, with their uuids and owners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import msgspec

from target_chartmogul.billing.changes import Change, ChartMogulObject, Kind
from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import Customer, Invoice, LineItem, Plan, SubscriptionEvent, Transaction
from target_chartmogul.ledger.file import LedgerFile
from target_chartmogul.sources.keap import ids

_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "customer": msgspec.json.Decoder(Customer),
    "plan": msgspec.json.Decoder(Plan),
    "invoice": msgspec.json.Decoder(Invoice),
    "event": msgspec.json.Decoder(SubscriptionEvent),
}
_ENCODE: Final = msgspec.json.Encoder().encode


class LedgerObjects(LedgerFile):
    """The part of the ledger that could be read back from ChartMogul."""

    def clear_objects(self) -> None:
        """Forget all that ChartMogul is thought to hold, before it is read anew."""
        with self._lock:
            self._database.executescript(
                "BEGIN; DELETE FROM object; DELETE FROM part; DELETE FROM use_of_subscription;"
                " DELETE FROM use_of_order; DELETE FROM mark; DELETE FROM intent;"
                " DELETE FROM seen; DELETE FROM due; COMMIT;"
            )

    def held_counts(self) -> dict[str, int]:
        """How many objects of each kind ChartMogul is thought to hold."""
        with self._lock:
            rows = self._database.execute(
                "SELECT kind, count(*) FROM object GROUP BY kind"
                " UNION ALL SELECT kind, count(*) FROM part GROUP BY kind"
                " UNION ALL SELECT 'subscription', count(DISTINCT subscription) FROM use_of_subscription"
            ).fetchall()
        return dict(rows)

    def record(self, listed: Iterable[tuple[Kind, ChartMogulObject, str, Mapping[tuple[Kind, str], str]]]) -> None:
        """Take objects as ChartMogul listed them: kind, object, uuid, and the uuids of its lines and transactions."""
        with self.transaction():
            for kind, thing, uuid, parts in listed:
                self._put(kind, thing, {**parts, (kind, thing.external_id): uuid})

    def put_marks(self, kind: Kind, external_id: str, marks: Iterable[str]) -> None:
        """What people or a bulk import did to an object (`listing.Mark`), until the next change of it."""
        with self._lock:
            self._database.executemany(
                "INSERT OR IGNORE INTO mark VALUES (?, ?, ?)", [(kind, external_id, mark) for mark in marks]
            )

    def marks(self) -> dict[tuple[str, str], set[str]]:
        """All marks by kind and external id."""
        found: dict[tuple[str, str], set[str]] = {}
        with self._lock:
            for kind, external_id, mark in self._database.execute("SELECT kind, id, mark FROM mark"):
                found.setdefault((kind, external_id), set()).add(mark)
        return found

    def objects(self, kind: Kind) -> Iterator[Any]:
        """All objects of a kind, by external id."""
        with self._lock:
            rows = self._database.execute("SELECT payload FROM object WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        for (payload,) in rows:
            yield _DECODERS[kind].decode(payload)

    def accounts(self) -> Iterator[Holdings]:
        """What ChartMogul holds of each contact, one after the other, ascending."""
        last = -1
        while True:
            with self._lock:
                rows = self._database.execute(
                    "SELECT owner, kind, id, payload FROM object WHERE owner > ? AND owner <= (SELECT max(owner) FROM"
                    " (SELECT DISTINCT owner FROM object WHERE owner > ? ORDER BY owner LIMIT 200))"
                    " ORDER BY owner, kind, id",
                    (last, last),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for _, objects in groupby(rows, key=itemgetter(0)):
                yield _existing(objects)

    def existing(self, contacts: Iterable[int]) -> Holdings:
        """What ChartMogul holds of some contacts."""
        with self._lock:
            return _existing(
                row
                for contact in contacts
                for row in self._database.execute(
                    "SELECT owner, kind, id, payload FROM object WHERE owner = ? ORDER BY kind, id", (contact,)
                )
            )

    def contacts_of_order(self, order_id: int) -> list[int]:
        """Contacts under whom an order's invoices are or were."""
        return self._contacts("SELECT contact FROM use_of_order WHERE order_id = ? ORDER BY contact", order_id)

    def contacts_of_subscription(self, subscription_id: int) -> list[int]:
        """Contacts under whom a subscription's lines or cancellations are or were."""
        return self._contacts(
            "SELECT contact FROM use_of_subscription WHERE subscription = ? ORDER BY contact", subscription_id
        )

    def _contacts(self, query: str, number: int) -> list[int]:
        with self._lock:
            return [contact for (contact,) in self._database.execute(query, (number,))]

    # writing, with the lock held and inside a transaction

    def _settle_intent(self, change: Change) -> None:
        for table in ("intent", "mark"):
            self._database.execute(
                f"DELETE FROM {table} WHERE kind = ? AND id = ?",
                (change.kind, change.external_id),
            )

    def _take(self, change: Change, desired: ChartMogulObject, uuids: Mapping[tuple[Kind, str], str]) -> None:
        if isinstance(desired, LineItem | Transaction):
            invoice = self._invoice(change.parent)
            if invoice is not None:
                self._put("invoice", _with_part(invoice, desired), uuids)
        elif isinstance(desired, Invoice) and change.action == "update":
            held = self._invoice(change.external_id) or desired
            self._put(
                "invoice",
                msgspec.structs.replace(desired, line_items=held.line_items, transactions=held.transactions),
                uuids,
            )
        else:
            self._put(change.kind, desired, uuids)

    def _drop(self, change: Change) -> None:
        if change.kind in {"line_item", "transaction"}:
            invoice = self._invoice(change.parent)
            if invoice is not None:
                self._put("invoice", _without_part(invoice, change.kind, change.external_id), {})
            self._database.execute("DELETE FROM part WHERE kind = ? AND id = ?", (change.kind, change.external_id))
            return
        self._database.execute("DELETE FROM object WHERE kind = ? AND id = ?", (change.kind, change.external_id))
        if change.kind == "invoice":
            self._database.execute("DELETE FROM part WHERE invoice = ?", (change.external_id,))

    def _invoice(self, external_id: str | None) -> Invoice | None:
        found = self._database.execute(
            "SELECT payload FROM object WHERE kind = 'invoice' AND id = ?", (external_id,)
        ).fetchone()
        if found is None:
            return None
        invoice: Invoice = _DECODERS["invoice"].decode(found[0])
        return invoice

    def _put(self, kind: Kind, thing: ChartMogulObject, uuids: Mapping[tuple[Kind, str], str]) -> None:
        owner = _owner(thing, shaped=self.shaped)
        self._database.execute(
            "INSERT INTO object VALUES (:kind, :id, :uuid, :owner, :payload) ON CONFLICT(kind, id) DO UPDATE SET"
            " uuid = coalesce(:uuid, uuid), owner = :owner, payload = :payload",
            {
                "kind": kind,
                "id": thing.external_id,
                "uuid": uuids.get((kind, thing.external_id)),
                "owner": owner,
                "payload": _ENCODE(thing),
            },
        )
        if owner is None:
            return
        if isinstance(thing, Invoice):
            self._put_invoice_parts(thing, owner, uuids)
        elif isinstance(thing, SubscriptionEvent) and not self.shaped:
            self._use_subscriptions([thing.subscription_external_id], owner)

    def _put_invoice_parts(self, invoice: Invoice, owner: int, uuids: Mapping[tuple[Kind, str], str]) -> None:
        named: list[tuple[Kind, str]] = [("line_item", line.external_id) for line in invoice.line_items]
        named += [("transaction", row.external_id) for row in invoice.transactions]
        self._database.executemany(
            "INSERT INTO part VALUES (:kind, :id, :invoice, :uuid) ON CONFLICT(kind, id) DO UPDATE SET"
            " invoice = :invoice, uuid = coalesce(:uuid, uuid)",
            [
                {
                    "kind": kind,
                    "id": external_id,
                    "invoice": invoice.external_id,
                    "uuid": uuids.get((kind, external_id)),
                }
                for kind, external_id in named
            ],
        )
        if self.shaped:
            return
        self._use_subscriptions(
            {line.subscription_external_id for line in invoice.line_items if line.subscription_external_id}, owner
        )
        parsed = ids.parse_invoice_id(invoice.external_id)
        if parsed:
            self._database.execute("INSERT OR IGNORE INTO use_of_order VALUES (?, ?)", (int(parsed[0]), owner))

    def _use_subscriptions(self, subscriptions: Iterable[str], owner: int) -> None:
        self._database.executemany(
            "INSERT OR IGNORE INTO use_of_subscription VALUES (?, ?)",
            [(int(each), owner) for each in subscriptions if each.isdecimal()],
        )


def _existing(rows: Iterable[tuple[int, str, str, bytes]]) -> Holdings:
    """Rows of `object` (owner, kind, id, payload), by kind."""
    found = Holdings()
    shelves: dict[str, dict[str, Any]] = {
        "customer": found.customers,
        "invoice": found.invoices,
        "event": found.events,
    }
    for _, kind, external_id, payload in rows:
        shelves[kind][external_id] = _DECODERS[kind].decode(payload)
    return found


def owner_number(customer: str) -> int | None:
    """A number for a customer's id of any form: equal ids, equal numbers, above all that Keap gives to contacts."""
    if not customer:
        return None
    return int.from_bytes(blake2b(customer.encode(), digest_size=8).digest(), "big") >> 2 | 1 << 62


def _owner(thing: ChartMogulObject, *, shaped: bool) -> int | None:
    """The contact that an object belongs to, or its customer's `owner_number`; None for plans."""
    match thing:
        case Customer():
            text = thing.external_id
        case Invoice() | SubscriptionEvent():
            text = thing.customer_external_id
        case _:
            return None
    if shaped:
        return owner_number(text)
    return int(text) if text.isdecimal() else None


def _with_part(invoice: Invoice, part: LineItem | Transaction) -> Invoice:
    if isinstance(part, LineItem):
        return msgspec.structs.replace(invoice, line_items=_replaced(invoice.line_items, part))
    return msgspec.structs.replace(invoice, transactions=_replaced(invoice.transactions, part))


def _replaced(parts: tuple[Any, ...], part: Any) -> tuple[Any, ...]:
    """The parts with one of them, by external id, replaced in its place or added at the end."""
    if any(each.external_id == part.external_id for each in parts):
        return tuple(part if each.external_id == part.external_id else each for each in parts)
    return (*parts, part)


def _without_part(invoice: Invoice, kind: str, external_id: str) -> Invoice:
    if kind == "line_item":
        left = tuple(each for each in invoice.line_items if each.external_id != external_id)
        return msgspec.structs.replace(invoice, line_items=left)
    rows = tuple(each for each in invoice.transactions if each.external_id != external_id)
    return msgspec.structs.replace(invoice, transactions=rows)
