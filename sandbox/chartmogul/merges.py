"""Merging customers and splitting them again (fact sheet §3.3.3)."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import errors
from sandbox.chartmogul.http import Answer, Call
from sandbox.chartmogul.records import Customer, Invoice
from sandbox.chartmogul.shelf import Shelf
from sandbox.chartmogul.state import State
from sandbox.chartmogul.store import Store

MERGED_TAG = "merged-customer"


class Merges:
    def __init__(self, state: State) -> None:
        self._state = state

    def merge(self, call: Call) -> Answer:
        data = call.object()
        from_, into = self._side(data, "from"), self._side(data, "into")
        if from_ is into:
            raise errors.coded(422, "A customer cannot be merged with itself", "from")
        merge(self._state.store, from_, into)
        return Answer({}, 202)

    def unmerge(self, call: Call) -> Answer:
        """Split one external id off into a customer with a new uuid."""
        data = call.object()
        store = self._state.store
        customer = store.customer(data.get("customer_uuid"))
        if customer is None:
            raise errors.customer_not_found(str(data.get("customer_uuid")))
        source = store.source(data.get("data_source_uuid"))
        external_id = data.get("external_id")
        identity = next((i for i in customer.identities if i == (source, external_id)), None)
        if identity is None or len(customer.identities) < 2:
            raise errors.coded(422, "The customer cannot be unmerged", "external_id")
        split = Customer(
            store.next_seq(), identity[0], identity[1], call.now, [], name=customer.name, email=customer.email
        )
        store.customers.add(split)
        _move(store, customer, split, identity)
        return Answer({}, 202)

    def _side(self, data: dict[str, Any], name: str) -> Customer:
        side = data.get(name)
        if not isinstance(side, dict):
            raise errors.missing_parameter(name)
        if side.get("customer_uuid"):
            customer = self._state.store.customer(side["customer_uuid"])
        else:
            source = self._state.store.source(side.get("data_source_uuid"))
            customer = source.customers_by_id.get(str(side.get("external_id"))) if source else None
        if customer is None:
            raise errors.customer_not_found(str(side.get("customer_uuid") or side.get("external_id")))
        return customer


def merge(store: Store, from_: Customer, into: Customer) -> None:
    """`into` keeps its own fields; ids, tags, attributes, invoices and subscriptions are united."""
    for identity in list(from_.identities):
        _move(store, from_, into, identity)
    into.tags = list(dict.fromkeys([*into.tags, *from_.tags, MERGED_TAG]))
    into.custom = {**from_.custom, **into.custom}
    from_.alive = False
    store.customers.note_dead()


def _move(store: Store, giver: Customer, taker: Customer, identity: tuple[Any, str]) -> None:
    """Hand over one external id with the invoices that were imported under it."""
    source, external_id = identity
    store.version += 1
    invoices = [i for i in giver.invoices if i.source is source and i.customer_external_id == external_id]
    giver.identities.remove(identity)
    if not giver.ids_in(source):
        source.customers.take_out(giver)
    if not taker.ids_in(source):
        source.customers.add(taker)
    taker.identities.append(identity)
    source.customers_by_id[external_id] = taker
    if giver.identities and giver.external_id == external_id:
        giver.source, giver.external_id = giver.identities[0]
    for invoice in invoices:
        _move_invoice(store, invoice, taker)
    kept: Shelf[Invoice] = Shelf()
    for invoice in giver.invoices:
        if invoice.customer is giver:
            kept.add(invoice)
    giver.invoices = kept
    for subscription in taker.subscriptions.values():
        subscription.timeline = None


def _move_invoice(store: Store, invoice: Invoice, taker: Customer) -> None:
    """Its lines go to the taker's subscriptions of the same ids."""
    invoice.customer = taker
    taker.invoices.add(invoice)
    for line in invoice.line_items:
        store.relink(line)
