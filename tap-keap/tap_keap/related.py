"""Closed groups (rule 1.8 of the mapping): with an order its contact and its payments, with a payment its orders.

With a changed subscription comes its contact too.

A reader of billing can judge an order only with all payments that name it, and a payment only with all its orders. An
incremental read brings single changed rows, so what belongs to them is looked up by id, in batches, before the
bookmark moves: an interrupted run can therefore not leave half a group behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from tap_keap.client import Listing
from tap_keap.errors import RefusedRequestError
from tap_keap.id_set import IdSet
from tap_keap.instants import parse_instant
from tap_keap.rows import Page, Row

if TYPE_CHECKING:
    from tap_keap.streams import KeapStream
    from tap_keap.tap import TapKeap

BATCH = 400
"""Ids a request: with seven digits each they make an address of some 4 kB, which every gateway takes."""


class RelatedRecords:
    """Looks up what is missing from the groups of this run.

    Args:
        tap: Gives the streams and the client.
    """

    def __init__(self, tap: TapKeap) -> None:
        self._tap = tap
        self._contacts: dict[str, None] = {}
        self._orders: dict[str, None] = {}
        self._orders_for_payments: dict[str, None] = {}
        self._asked = {"contacts": IdSet(), "orders": IdSet(), "payments": IdSet()}
        self._streams: dict[str, KeapStream] = {
            name: stream for name in ("contacts", "orders", "payments") if (stream := tap.streams[name]).selected
        }

    def note_order(self, row: Row) -> None:
        """An order is written: its contact and its payments belong to it."""
        contact = row.get("contact") or {}
        if contact.get("id"):
            self._contacts[contact["id"]] = None
        self._orders_for_payments[row["id"]] = None

    def note_payment(self, row: Row) -> None:
        """A payment is written: its orders belong to it."""
        for order_id in row.get("order_ids") or ():
            if order_id:
                self._orders[order_id] = None

    def note_subscription(self, row: Row) -> None:
        """A subscription is written: if it changed, its contact belongs to it.

        It may have moved to that contact, or be the first thing of theirs that is billed.
        """
        contacts = self._streams.get("contacts")
        if contacts is None or contacts.plan.since is None or not row.get("contact_id"):
            return
        changed = row.get("modification_time")
        if changed is None or parse_instant(changed) >= contacts.plan.since:
            self._contacts[row["contact_id"]] = None

    def close(self) -> None:
        """Look up and write what is missing, and what that brings with it, until nothing is."""
        while self._contacts or self._orders or self._orders_for_payments:
            self._look_up("orders", self._take(self._orders, "orders"), "ids")
            if "payments" in self._streams and self._streams["payments"].plan.complete:
                self._orders_for_payments.clear()  # all payments are read in this run anyway
            self._look_up("payments", self._take(self._orders_for_payments, "payments"), "order_ids")
            if not self._orders:
                self._look_up("contacts", self._take(self._contacts, "contacts"), "ids")

    def _take(self, wanted: dict[str, None], stream: str) -> list[str]:
        """The wanted ids that were neither read nor asked for; `payments` are asked for by order."""
        ids = list(wanted)
        wanted.clear()
        if stream not in self._streams:
            return []
        seen = IdSet() if stream == "payments" else self._streams[stream].seen
        return [identifier for identifier in ids if identifier not in seen and self._asked[stream].add(identifier)]

    def _look_up(self, name: str, ids: list[str], condition: str) -> None:
        if not ids:
            return
        stream = self._streams[name]
        written = 0
        for page in self._pages(stream, ids, condition):
            written += stream.write_related(page)
        stream.logger.info("Looked up %d ids for related %s: %d new records.", len(ids), name, written)

    def _pages(self, stream: KeapStream, ids: Iterable[str], condition: str) -> Iterator[Page]:
        client = self._tap.client
        work = [
            client.submit(client.all_pages, self._listing(stream, condition, batch), stream.reader)
            for batch in batched_ids(ids)
        ]
        for future in work:
            try:
                yield from client.wait(future)
            except RefusedRequestError as error:
                if not self._tap.lacks(stream.name, error):
                    raise
                self._streams.pop(stream.name, None)

    @staticmethod
    def _listing(stream: KeapStream, condition: str, ids: Iterable[str]) -> Listing:
        query = stream.listing_params(f"{condition}=={','.join(ids)}", stream.spec.order)
        return Listing(stream.name, stream.spec.path, query)


def batched_ids(ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Ids in batches of at most `BATCH`."""
    rest = iter(ids)
    while batch := tuple(islice(rest, BATCH)):
        yield batch
