"""Subscription events (fact sheet §3.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.chartmogul import errors, timestamps
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import NO_CONTENT, TRUE, Answer, Call
from sandbox.chartmogul.invoice_views import UNEDITED
from sandbox.chartmogul.line_item_fields import event_order
from sandbox.chartmogul.mrr import CANCELLED
from sandbox.chartmogul.paging import page, shelf_of
from sandbox.chartmogul.records import DataSource, Event
from sandbox.chartmogul.shelf import Shelf
from sandbox.chartmogul.state import State

PRICED = (
    "subscription_start",
    "subscription_updated",
    "subscription_start_scheduled",
    "subscription_update_scheduled",
)
RETRACTED = "subscription_event_retracted"
TYPES = (
    *PRICED,
    CANCELLED,
    "subscription_cancellation_scheduled",
    "scheduled_subscription_start_retracted",
    "scheduled_subscription_update_retracted",
    "scheduled_subscription_cancellation_retracted",
    RETRACTED,
)
OPTIONAL = (
    "subscription_set_external_id",
    "plan_external_id",
    "quantity",
    "currency",
    "amount_in_cents",
    "tax_amount_in_cents",
    "retracted_event_id",
    "event_order",
)
_ATTRIBUTES = ("external_id", "customer_external_id", "subscription_external_id", "event_type")


class Events:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, call: Call) -> Answer:
        data = _envelope(call.body)
        reader = Reader(data, call.now)
        source = self._state.store.source(data.get("data_source_uuid"))
        if source is None:
            reader.note("data_source_uuid", "Data source not found")
        event = self.build(reader, source)
        if event is None:
            raise errors.fields(reader.errors)
        self._state.store.add_event(event)
        self._state.note_write(event.source.seq)
        return Answer(self.show(event), 201)

    def build(self, reader: Reader, source: DataSource | None) -> Event | None:
        """A checked event that is not stored yet; None if the reader has noted errors."""
        reader.lenient = self._state.settings.chose("future_cancellations", "accepted")
        values = _read(reader, source, None)
        if reader.errors or source is None:
            return None
        return Event(self._state.store.next_seq(), source, created_at=reader.now, updated_at=reader.now, **values)

    def list(self, call: Call) -> Answer:
        query = call.query
        shelf = self._shelf(query)
        keep = _filter(query)
        with_disabled = query.get("with_disabled") in TRUE
        one_store = self._state.settings.chose("cancellation_stores", "one")
        edits = call.flag("include_edit_histories")

        def wanted(event: Event) -> bool:
            return (
                (with_disabled or event.disabled_at is None) and keep(event) and (one_store or bool(event.external_id))
            )

        listed = page("subscription_events", shelf, query, lambda e: self.show(e, edits=edits), keep=wanted)
        if not query.get("cursor"):
            entries = listed["subscription_events"]
            listed["meta"] = {
                "next_key": entries[-1]["id"] if listed["has_more"] else None,
                "prev_key": None,
                "before_key": timestamps.with_milliseconds(call.now),
                "page": 1,
                "total_pages": max(1, -(-len(shelf) // 200)),
            }
        return Answer(listed)

    def _shelf(self, query: Mapping[str, str]) -> Shelf[Event]:
        """The smallest shelf that an index gives for the filters."""
        store = self._state.store
        shelf: Shelf[Event] = store.events
        sources = list(store.sources.values())
        if query.get("data_source_uuid"):
            source = store.source(query["data_source_uuid"])
            sources = [source] if source else []
            shelf = source.events if source else Shelf()
        identities: list[tuple[DataSource, str]] | None = None
        if query.get("customer_uuid"):
            customer = store.customer(query["customer_uuid"])
            identities = customer.identities if customer else []
        elif query.get("customer_external_id"):
            identities = [(source, query["customer_external_id"]) for source in sources]
        if query.get("external_id"):
            named = [e for s in sources if (e := s.events_by_id.get(query["external_id"]))]
            return shelf_of(named)
        if identities is None:
            return shelf
        found = [
            event
            for source, external_id in identities
            if source in sources
            for events in source.events_by_customer.get(external_id, {}).values()
            for event in events
        ]
        return shelf_of(sorted(found, key=lambda event: event.seq))

    def update(self, call: Call) -> Answer:
        data = _envelope(call.body)
        event = self._find(data)
        reader = Reader(data, call.now)
        reader.lenient = self._state.settings.chose("future_cancellations", "accepted")
        values = _read(reader, event.source, event)
        if reader.errors:
            raise errors.fields(reader.errors)
        self._state.store.unindex_event(event)
        for name, value in values.items():
            setattr(event, name, value)
        event.updated_at = call.now
        self._state.store.index_event(event)
        return Answer(self.show(event))

    def show_named(self, call: Call) -> Answer:
        """The event that a change names."""
        return Answer(self.show(self._find(_envelope(call.body))))

    def destroy(self, call: Call) -> Answer:
        if isinstance(call.body, dict) and call.body:
            data = _envelope(call.body)
        else:
            names = ("id", "external_id", "data_source_uuid")
            data = {n: v for n in names if (v := call.query.get(f"subscription_event[{n}]") or call.query.get(n))}
        self._state.store.delete_event(self._find(data))
        return NO_CONTENT

    def disable(self, call: Call) -> Answer:
        self._find({"id": call.path["id"]} if "id" in call.path else call.object())
        raise errors.disabling_refused()

    def _find(self, data: Mapping[str, Any]) -> Event:
        event: Event | None = None
        if data.get("id") is not None:
            text = str(data["id"])
            event = self._state.store.events.get(int(text)) if text.isdecimal() else None
        elif data.get("external_id") and data.get("data_source_uuid"):
            source = self._state.store.source(data["data_source_uuid"])
            event = source.events_by_id.get(data["external_id"]) if source else None
        else:
            raise errors.missing_parameter("id")
        if event is None:
            raise errors.not_found("Subscription event")
        return event

    def show(self, event: Event, *, edits: bool = False) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": event.seq,
            "data_source_uuid": self._state.store.ids.uuid("ds", event.source.seq),
            "customer_external_id": event.customer_external_id,
            "subscription_set_external_id": event.extra.get("subscription_set_external_id"),
            "subscription_external_id": event.subscription_external_id,
            "plan_external_id": event.extra.get("plan_external_id"),
            "event_date": timestamps.with_seconds(event.event_date),
            "effective_date": timestamps.with_seconds(event.effective_date),
            "event_type": event.event_type,
            "external_id": event.external_id,
            "errors": {},
            "created_at": timestamps.with_seconds(event.created_at),
            "updated_at": timestamps.with_seconds(event.updated_at),
            "quantity": event.extra.get("quantity"),
            "currency": event.extra.get("currency"),
            "amount_in_cents": event.extra.get("amount_in_cents"),
            "tax_amount_in_cents": event.extra.get("tax_amount_in_cents"),
            "retracted_event_id": event.extra.get("retracted_event_id"),
            "event_order": event.extra.get("event_order"),
            "disabled": event.disabled_at is not None,
        }
        if edits:
            shown["edit_history_summary"] = event.edits or UNEDITED[self._state.settings.choices["unedited_summary"]]
        return shown


def _read(reader: Reader, source: DataSource | None, current: Event | None) -> dict[str, Any]:
    """An event's attributes; with `current`, absent fields keep its values."""
    if current is not None:
        kept = {name: getattr(current, name) for name in _ATTRIBUTES}
        kept |= {name: timestamps.shortest(getattr(current, name)) for name in ("event_date", "effective_date")}
        reader.data = {**kept, **current.extra, **reader.data}
    external_id = reader.text("external_id")
    if source and external_id is not None and source.events_by_id.get(external_id) not in (None, current):
        reader.note("external_id", errors.TAKEN)
    customer_id = reader.text("customer_external_id", required=True)
    if source and customer_id is not None and customer_id not in source.customers_by_id:
        reader.note("customer_external_id", "Customer not found in this data source")
    kind = reader.choice("event_type", TYPES, required=True)
    past = "must be in the past" if kind == CANCELLED and not reader.lenient else None
    values = {
        "external_id": external_id,
        "customer_external_id": customer_id,
        "subscription_external_id": reader.text("subscription_external_id", required=True),
        "event_type": kind,
        "event_date": reader.moment("event_date", required=True),
        "effective_date": reader.moment("effective_date", required=True, past=past),
        "extra": {name: reader.data[name] for name in OPTIONAL if reader.data.get(name) is not None},
    }
    event_order(reader)
    if kind in PRICED:
        reader.text("plan_external_id", required=True)
        reader.currency("currency", required=True)
        reader.integer("amount_in_cents", required=True)
    if kind == RETRACTED and not reader.data.get("retracted_event_id"):
        reader.note("retracted_event_id", errors.BLANK)
    return values


def _envelope(body: Any) -> dict[str, Any]:
    data = body.get("subscription_event") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise errors.missing_parameter("subscription_event")
    return data


def _filter(query: Mapping[str, str]) -> Any:
    """A predicate for the filters that no index answers."""
    wanted = {name: query[name] for name in _ATTRIBUTES if query.get(name)}
    moments: dict[str, int] = {}
    for name in ("event_date", "effective_date"):
        if query.get(name):
            try:
                moments[name] = timestamps.parse(query[name])
            except ValueError:
                raise errors.coded(400, f'Parameter "{name}" is invalid', name) from None
    plan = query.get("plan_external_id")

    def keep(event: Event) -> bool:
        return (
            all(getattr(event, name) == value for name, value in wanted.items())
            and all(getattr(event, name) == moment for name, moment in moments.items())
            and plan in (None, event.extra.get("plan_external_id"))
        )

    return keep
