"""Carrying out one change: plans, customers and subscription events. Invoices: `invoice_sender`."""

from __future__ import annotations

import threading

import msgspec

from target_chartmogul.billing.changes import Change, Journal, Kind
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import Customer, Plan, SubscriptionEvent
from target_chartmogul.chartmogul.client import ChartMogulClient, path_of
from target_chartmogul.chartmogul.creation import Created, create
from target_chartmogul.chartmogul.errors import RefusedError
from target_chartmogul.chartmogul.fields import Json
from target_chartmogul.chartmogul.listing import Listed, Listing
from target_chartmogul.chartmogul.wire import Wire, changed

Uuids = dict[tuple[Kind, str], str]


class Sent(msgspec.Struct, frozen=True):
    """What ChartMogul has taken: the change, perhaps with less than was desired, and uuids."""

    change: Change
    uuids: Uuids = {}


class Connection(msgspec.Struct, frozen=True):
    """What every sender needs: ChartMogul, the form of the data source, and the journal of what became of a change."""

    client: ChartMogulClient
    wire: Wire
    listing: Listing
    journal: Journal

    def by_id(self, external_id: str) -> dict[str, str]:
        """The query that names an object of ours by external id."""
        return {"data_source_uuid": self.wire.data_source_uuid, "external_id": self.wire.outer(external_id)}

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """A uuid as the journal knows it, else as ChartMogul lists it."""
        known = self.journal.uuid(kind, external_id)
        if known is None and (found := self.listing.find(kind, external_id)) is not None:
            return found.uuid
        return known


class PlanSender:
    """Plans (rules 2.4, 3.7); their uuids are kept, since lines name plans by uuid."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection
        self._uuids: dict[str, str] = {}
        self._lock = threading.Lock()

    def send(self, change: Change) -> Sent:
        """Create or rename a plan, or delete it.

        Raises:
            RefusedError: ChartMogul does not take it.
        """
        to = self._to
        if change.action == "delete":
            uuid = to.uuid("plan", change.external_id)
            if uuid is not None:
                delete_if_there(to.client, path_of("plans", uuid))
            return Sent(change)
        plan = change.desired
        assert isinstance(plan, Plan)  # noqa: S101  the kind says so
        found = None if change.action == "create" else to.listing.find("plan", plan.external_id)
        if found is None:
            body = {"data_source_uuid": to.wire.data_source_uuid, **to.wire.plan(plan)}
            row, found, ours = create(to.client, "/plans", body, lambda: to.listing.find("plan", plan.external_id))
            if row is not None:
                return self._sent(change, str(row["uuid"]))
            if not ours:
                to.journal.noticed(change, "adopted")
        assert found is not None  # noqa: S101  create gives one of both
        if not same(plan, found.content):
            difference = changed(to.wire.plan(found.content), to.wire.plan(plan))  # type: ignore[arg-type]
            to.client.patch(path_of("plans", found.uuid), difference)
        return self._sent(change, found.uuid)

    def _sent(self, change: Change, uuid: str) -> Sent:
        with self._lock:
            self._uuids[change.external_id] = uuid
        return Sent(change, {("plan", change.external_id): uuid})

    def uuid(self, external_id: str) -> str:
        """The uuid of a plan.

        Raises:
            RefusedError: ChartMogul has no such plan (it was refused, or deleted by a person).
        """
        with self._lock:
            uuid = self._uuids.get(external_id)
        if uuid is None:
            uuid = self._to.uuid("plan", external_id)
            if uuid is None:
                raise RefusedError(404, {"plan_uuid": f"ChartMogul has no plan {external_id}"})
            with self._lock:
                self._uuids[external_id] = uuid
        return uuid


class CustomerSender:
    """Customers (rules 3.1 to 3.5, 3.8)."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection

    def send(self, change: Change) -> Sent:
        """Create, update or delete a customer; a refused e-mail address is left out (rule 3.3).

        Raises:
            RefusedError: ChartMogul does not take it, or it must not be deleted.
        """
        if change.action == "delete":
            return self._delete(change)
        customer = change.desired
        assert isinstance(customer, Customer)  # noqa: S101  the kind says so
        try:
            return self._write(change, customer)
        except RefusedError as refusal:
            if not (refusal.about_email and customer.email):
                raise
        self._to.journal.email_refused(customer.external_id, customer.email)
        without = msgspec.structs.replace(customer, email=None)
        return self._write(msgspec.structs.replace(change, desired=without), without)

    def _write(self, change: Change, customer: Customer) -> Sent:
        to = self._to
        # An update looks first: after a merge or its undoing a known uuid may be another customer's.
        found = None if change.action == "create" else to.listing.find("customer", customer.external_id)
        if found is None:
            body = {"data_source_uuid": to.wire.data_source_uuid, **to.wire.new_customer(customer)}
            row, found, ours = create(
                to.client, "/customers", body, lambda: to.listing.find("customer", customer.external_id)
            )
            if row is not None:
                return Sent(change, {("customer", customer.external_id): str(row["uuid"])})
            if not ours:
                to.journal.noticed(change, "adopted")
        if found is not None:
            self._bring_to(change, customer, found)
        return Sent(change, found.uuids if found else {})

    def _bring_to(self, change: Change, customer: Customer, found: Listed) -> None:
        """Change what differs; only fields that the source changed, where it is known what was sent before."""
        to = self._to
        if "merged" in found.marks:
            to.journal.noticed(change, "merged")
            return
        held = change.held if isinstance(change.held, Customer) else found.content
        assert isinstance(held, Customer)  # noqa: S101
        if body := changed(to.wire.customer(held), to.wire.customer(customer)):
            to.client.patch(path_of("customers", found.uuid), body)
        self._bring_attributes(found.uuid, held, customer)

    def _bring_attributes(self, uuid: str, held: Customer, customer: Customer) -> None:
        """Tags and custom attributes one by one (rule 3.8): whether PATCH replaces people's is not documented."""
        client, path = self._to.client, path_of("customers", uuid, "attributes")
        if added := [tag for tag in customer.tags if tag not in held.tags]:
            client.post_repeatable(f"{path}/tags", {"tags": added})
        if removed := [tag for tag in held.tags if tag not in customer.tags]:
            client.delete(f"{path}/tags", body={"tags": removed})
        old, new = dict(held.custom), dict(customer.custom)
        if first := tuple((key, value) for key, value in customer.custom if key not in old):
            client.post_repeatable(f"{path}/custom", {"custom": self._to.wire.custom(first)})
        if other := {key: value for key, value in customer.custom if old.get(key, value) != value}:
            client.put(f"{path}/custom", {"custom": other})
        if emptied := [key for key in old if key not in new]:
            client.delete(f"{path}/custom", body={"custom": emptied})

    def _delete(self, change: Change) -> Sent:
        found = self._to.listing.find("customer", change.external_id)
        if found is not None:
            if found.marks & {"merged", "joined"}:
                raise RefusedError(
                    409, {"external_id": "it was merged with other customers; deleting it would delete them too"}
                )
            delete_if_there(self._to.client, path_of("customers", found.uuid))
        return Sent(change)


class EventSender:
    """Cancellations and scheduled ones (rules 6.2, 6.3), always by external id."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection

    def send(self, change: Change) -> Sent:
        """Create, update or delete an event.

        Raises:
            RefusedError: ChartMogul does not take it.
        """
        if change.action == "delete":
            self._delete(change)
            return Sent(change)
        event = change.desired
        assert isinstance(event, SubscriptionEvent)  # noqa: S101  the kind says so
        if change.action == "update":
            held = change.held if isinstance(change.held, SubscriptionEvent) else None
            if (uuids := self._patch(change, held, event)) is not None:
                return Sent(change, uuids)
        row, found, ours = self._post(event)
        if found is not None and "invalid" in found.marks:
            self._delete(change)
            row, found, ours = self._post(event)
        if row is not None:
            return Sent(change, {("event", event.external_id): str(row["id"])})
        assert found is not None  # noqa: S101  create gives one of both
        if not ours:
            self._to.journal.noticed(change, "adopted")
        if not same(event, found.content):
            assert isinstance(found.content, SubscriptionEvent)  # noqa: S101
            self._patch(change, found.content, event)
        return Sent(change, found.uuids)

    def _post(self, event: SubscriptionEvent) -> Created[Listed]:
        to = self._to
        body = {"data_source_uuid": to.wire.data_source_uuid, **to.wire.event(event)}
        return create(
            to.client,
            "/subscription_events",
            {"subscription_event": body},
            lambda: to.listing.find("event", event.external_id),
            told="id",
        )

    def _patch(self, change: Change, held: SubscriptionEvent | None, event: SubscriptionEvent) -> Uuids | None:
        """Change an event in place; None if it is to be created: it is not there, or could not change its customer."""
        wire = self._to.wire
        body: Json = {
            **changed(wire.event(held) if held else {}, wire.event(event)),
            "external_id": wire.outer(event.external_id),
            "data_source_uuid": wire.data_source_uuid,
        }
        try:
            row = self._to.client.patch("/subscription_events", {"subscription_event": body})
        except RefusedError as refusal:
            if refusal.missing:
                return None
            if held is not None and held.customer_external_id == event.customer_external_id:
                raise
            self._delete(change)
            return None
        return {("event", event.external_id): str(row["id"])} if isinstance(row, dict) and row.get("id") else {}

    def _delete(self, change: Change) -> None:
        named = self._to.by_id(change.external_id)
        delete_if_there(self._to.client, "/subscription_events", body={"subscription_event": named})


def delete_if_there(
    client: ChartMogulClient, path: str, params: dict[str, str] | None = None, body: Json | None = None
) -> None:
    """Delete; what is not there (any more) is deleted."""
    try:
        client.delete(path, params, body)
    except RefusedError as refusal:
        if not refusal.missing:
            raise
