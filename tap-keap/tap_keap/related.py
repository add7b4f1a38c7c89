"""Closed groups (rule 1.8 of the mapping): with an order its contact and its payments, with a payment its orders.

With a changed subscription comes its contact too; with an order that changed or was paid, and that is older than the
look-back, the attempts at a gateway that the look-back does not reach.

A reader of billing can judge an order only with all payments that name it, and a payment only with all its orders. An
incremental read brings single changed rows, so what belongs to them is looked up by id, in batches, before the
bookmark moves: an interrupted run can therefore not leave half a group behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from tap_keap.client import Listing
from tap_keap.errors import RefusedRequestError
from tap_keap.id_set import IdSet
from tap_keap.instants import format_instant, parse_instant
from tap_keap.rows import Page, Row

if TYPE_CHECKING:
    from tap_keap.streams import KeapStream
    from tap_keap.tap import TapKeap

BATCH = 400
"""Ids a request: with seven digits each they make an address of some 4 kB, which every gateway takes."""
MOST_SINGLE_ORDERS = 200
"""Attempts are found by one order each; for more orders than this at once, all since the oldest of them are read."""
_BEGINNINGS = ("creation_time", "order_time")


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
        self._old_orders: dict[str, datetime] = {}
        self._orders_with_news: set[str] = set()
        self._asked = {name: IdSet() for name in ("contacts", "orders", "transactions")}
        self._streams: dict[str, KeapStream] = {
            name: stream
            for name in ("contacts", "orders", "payments", "transactions")
            if (stream := tap.streams[name]).selected
        }

    def note_order(self, row: Row) -> None:
        """An order is written: its contact and its payments belong to it."""
        contact = row.get("contact") or {}
        if contact.get("id"):
            self._contacts[contact["id"]] = None
        self._orders_for_payments[row["id"]] = None
        if self._attempts_before is None:
            return
        begun = min((parse_instant(row[name]) for name in _BEGINNINGS if row.get(name)), default=self._attempts_before)
        if begun < self._attempts_before:
            self._old_orders[row["id"]] = begun
            if self._is_news(row.get("modification_time")):
                self._orders_with_news.add(row["id"])

    def note_payment(self, row: Row) -> None:
        """A payment is written: its orders belong to it."""
        orders = [each for each in row.get("order_ids") or () if each]
        self._orders.update(dict.fromkeys(orders))
        if self._attempts_before is not None and (
            self._is_news(row.get("payment_time")) or self._is_news(row.get("update_time"))
        ):
            self._orders_with_news.update(orders)

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
        self._look_up_attempts()

    @cached_property
    def _attempts_before(self) -> datetime | None:
        """The instant from which on this run reads all transactions; None where nothing before it is asked for."""
        stream = self._streams.get("transactions")
        return stream.plan.since if stream is not None and not stream.plan.whole else None

    def _is_news(self, moment: str | None) -> bool:
        """Whether an instant is of the time since the last run, as the orders' bookmark tells it."""
        since = self._tap.streams["orders"].plan.since
        return moment is not None and (since is None or parse_instant(moment) >= since)

    def _look_up_attempts(self) -> None:
        asked = self._asked["transactions"]
        old = [each for each in sorted(self._orders_with_news) if each in self._old_orders and asked.add(each)]
        self._orders_with_news.clear()
        if not old or "transactions" not in self._streams:
            return
        stream = self._streams["transactions"]
        conditions = [f"order_id=={order}" for order in old]
        if len(old) > MOST_SINGLE_ORDERS and self._attempts_before is not None:
            oldest = min(self._old_orders[order] for order in old)
            conditions = [f"since_time=={format_instant(oldest)};until_time=={format_instant(self._attempts_before)}"]
        written = sum(map(stream.write_related, self._pages(stream, conditions)))
        stream.logger.info("Looked up %d orders for earlier transactions: %d new records.", len(old), written)

    def _take(self, wanted: dict[str, None], stream: str) -> list[str]:
        """The wanted ids that were neither read nor asked for.

        `payments` are asked for by order, and again with one that was written again: it may be paid by now.
        """
        ids = list(wanted)
        wanted.clear()
        if stream not in self._streams:
            return []
        if stream == "payments":
            return ids
        seen = self._streams[stream].seen
        return [identifier for identifier in ids if identifier not in seen and self._asked[stream].add(identifier)]

    def _look_up(self, name: str, ids: list[str], condition: str) -> None:
        if not ids:
            return
        stream = self._streams[name]
        written = 0
        conditions = [f"{condition}=={','.join(batch)}" for batch in batched_ids(ids)]
        for page in self._pages(stream, conditions):
            written += stream.write_related(page)
        stream.logger.info("Looked up %d ids for related %s: %d new records.", len(ids), name, written)

    def _pages(self, stream: KeapStream, conditions: Iterable[str]) -> Iterator[Page]:
        client = self._tap.client
        work = [
            client.submit(client.all_pages, self._listing(stream, condition), stream.reader) for condition in conditions
        ]
        for future in work:
            try:
                yield from client.wait(future)
            except RefusedRequestError as error:
                if not self._tap.lacks(stream.name, error):
                    raise
                self._streams.pop(stream.name, None)

    @staticmethod
    def _listing(stream: KeapStream, condition: str) -> Listing:
        query = stream.listing_params(condition, stream.spec.order)
        return Listing(stream.name, stream.spec.path, query)


def batched_ids(ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Ids in batches of at most `BATCH`."""
    rest = iter(ids)
    while batch := tuple(islice(rest, BATCH)):
        yield batch
