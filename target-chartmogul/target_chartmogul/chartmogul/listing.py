"""Everything that a data source holds, page by page of 200, as objects with their uuids and marks.

It is what a lost store is filled from (rule 1.6). Nothing is kept in memory but the page and the ids of plans.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import msgspec

from target_chartmogul.billing.changes import ChartMogulObject, Kind
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.errors import NotUnderstoodError, printable
from target_chartmogul.chartmogul.fields import Json, OddFieldError, objects, part, text, texts, yes_or_no
from target_chartmogul.chartmogul.wire import Wire

logger = logging.getLogger(__name__)

Mark = Literal["edited", "disabled", "invalid", "merged", "joined"]
"""What people, or a bulk import, did to an object (rule 6.8).

- `edited`: a person changed a value of it in ChartMogul.
- `disabled`: a person took it out of the figures; the API cannot put it back.
- `invalid`: stored but not counted; what a bulk import leaves behind. It is to be deleted and sent again.
- `merged`: a customer that answers under this id, but was merged into another one, whose fields it shows.
- `joined`: a customer into which others were merged, or which belongs to several data sources.
"""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An object of ours as ChartMogul holds it; `uuids` by kind and external id, of its lines and transactions too."""

    kind: Kind
    content: ChartMogulObject
    uuids: dict[tuple[Kind, str], str]
    marks: frozenset[Mark] = frozenset()

    @property
    def uuid(self) -> str:
        """ChartMogul's uuid of the object itself; for events its integer id as text."""
        return self.uuids[self.kind, self.content.external_id]


class OddRow(msgspec.Struct, frozen=True):
    """A listed object of ours that cannot be read: it is there, but what it holds is not known."""

    kind: Kind
    external_id: str
    place: str
    """Where in the answer: `GET /invoices: line_items[0].amount_in_cents`."""


_PATHS: Final[dict[Kind, tuple[str, str]]] = {
    "plan": ("/plans", "plans"),
    "customer": ("/customers", "entries"),
    "invoice": ("/invoices", "invoices"),
    "event": ("/subscription_events", "subscription_events"),
}
_FLAGS: Final[dict[Kind, dict[str, str]]] = {
    "invoice": {"validation_type": "all", "with_disabled": "true", "include_edit_histories": "true"},
    "event": {"with_disabled": "true", "include_edit_histories": "true"},
}


class Listing:
    """Lists and finds what a data source holds of ours.

    An older form of ChartMogul's answers names an invoice's customer and plans by uuid only: then plans and customers
    are listed once more, and their ids kept.
    """

    def __init__(self, client: ChartMogulClient, wire: Wire) -> None:
        self._client = client
        self._wire = wire
        self._plans: dict[str, str] = {}
        self._customers: dict[str, str] = {}
        self.odd: list[OddRow] = []
        """Objects of ours that were listed and could not be read: neither missing nor different."""

    def everything(self) -> Iterator[Listed]:
        """Plans, customers, invoices and events, in this order; raises as `ChartMogulClient.pages`."""
        yield from self.plans()
        yield from self.customers()
        yield from self.invoices()
        yield from self.events()

    def plans(self) -> Iterator[Listed]:
        """All plans of ours."""
        return self._listed("plan")

    def customers(self) -> Iterator[Listed]:
        """All customers of ours, a merged one under each of its ids."""
        return self._listed("customer")

    def invoices(self, **filters: str) -> Iterator[Listed]:
        """All invoices of ours, disabled and invalid ones too, or those that filters of `GET /invoices` let through."""
        return self._listed("invoice", **filters)

    def events(self) -> Iterator[Listed]:
        """All subscription events of ours."""
        return self._listed("event")

    def find(self, kind: Kind, external_id: str) -> Listed | None:
        """One plan, customer, invoice or event by its id, None if ChartMogul has none.

        Raises:
            KeyError: lines and transactions are found with their invoice.
            NotUnderstoodError: it is there, but cannot be read.
        """
        for found in self._rows(kind, external_id=self._wire.outer(external_id)):
            if isinstance(found, OddRow) and found.external_id == external_id:
                raise NotUnderstoodError(f"{self._client.host}: an answer is not understood: {found.place}")
            if isinstance(found, Listed) and found.content.external_id == external_id:
                return found
        return None

    def uuids_of_invoice(self, row: Json) -> dict[tuple[Kind, str], str]:
        """Uuids of an invoice, its lines and its transactions, those of ours."""
        parts: list[tuple[Kind, Json]] = [("invoice", row)]
        parts += [("line_item", each) for each in objects(row, "line_items")]
        parts += [("transaction", each) for each in objects(row, "transactions")]
        return {
            (kind, own): uuid
            for kind, each in parts
            if (own := self._wire.inner(each.get("external_id"))) is not None and (uuid := text(each, "uuid"))
        }

    def _listed(self, kind: Kind, **filters: str) -> Iterator[Listed]:
        for found in self._rows(kind, **filters):
            if isinstance(found, OddRow):
                self.odd.append(found)
                logger.warning("ChartMogul's %s %s cannot be read: %s", kind, found.external_id, found.place)
            else:
                yield found

    def _rows(self, kind: Kind, **filters: str) -> Iterator[Listed | OddRow]:
        path, key = _PATHS[kind]
        readers: dict[Kind, Callable[[Json], Iterator[Listed]]] = {
            "plan": self._plan,
            "customer": self._customer,
            "invoice": self._invoice,
            "event": self._event,
        }
        params = {"data_source_uuid": self._wire.data_source_uuid, **_FLAGS.get(kind, {}), **filters}
        for page in self._client.pages(path, key, params, whole=not filters):
            for row in page:
                try:
                    yield from readers[kind](row)
                except OddFieldError as odd:
                    external_id = self._wire.inner(row.get("external_id")) or ""
                    yield OddRow(kind, external_id, f"GET {path}: {printable(odd.place)} of {printable(external_id)}")

    def _plan(self, row: Json) -> Iterator[Listed]:
        if (plan := self._wire.read_plan(row)) is not None:
            uuid = _uuid(row)
            self._plans[uuid] = plan.external_id
            yield Listed(kind="plan", content=plan, uuids={("plan", plan.external_id): uuid})

    def _customer(self, row: Json) -> Iterator[Listed]:
        first = row.get("external_id")
        outer_ids = list(dict.fromkeys([*([first] if isinstance(first, str) else []), *texts(row, "external_ids")]))
        several = len(outer_ids) > 1 or len(texts(row, "data_source_uuids")) > 1
        for outer in outer_ids:
            if (own := self._wire.inner(outer)) is None:
                continue
            mark: Mark = "joined" if outer == first else "merged"
            yield Listed(
                kind="customer",
                content=self._wire.read_customer(row, own),
                uuids={("customer", own): _uuid(row)},
                marks=frozenset({mark}) if several else frozenset(),
            )

    def _invoice(self, row: Json) -> Iterator[Listed]:
        if self._wire.inner(row.get("external_id")) is None:
            return
        lines = objects(row, "line_items")
        if any(self._names_unknown_plan(line) for line in lines):
            for _ in self.plans():
                continue
        if not row.get("customer_external_id") and text(row, "customer_uuid") not in self._customers:
            for listed in self.customers():
                if "merged" not in listed.marks:
                    self._customers[listed.uuid] = listed.content.external_id
        invoice = self._wire.read_invoice(row, plans=self._plans, customers=self._customers)
        if invoice is not None:
            _uuid(row)
            parts = [row, *lines, *objects(row, "transactions")]
            marks = frozenset(mark for each in parts for mark in _marks(each))
            yield Listed(kind="invoice", content=invoice, uuids=self.uuids_of_invoice(row), marks=marks)

    def _names_unknown_plan(self, line: Json) -> bool:
        return (
            bool(text(line, "plan_uuid")) and not line.get("plan_external_id") and line["plan_uuid"] not in self._plans
        )

    def _event(self, row: Json) -> Iterator[Listed]:
        if (event := self._wire.read_event(row)) is not None:
            uuids: dict[tuple[Kind, str], str] = {("event", event.external_id): _uuid(row, "id")}
            yield Listed(kind="event", content=event, uuids=uuids, marks=frozenset(_marks(row)))


def _uuid(row: Json, name: str = "uuid") -> str:
    if (found := text(row, name)) is None:
        raise OddFieldError(name)
    return found


def _marks(row: Json) -> Iterator[Mark]:
    if yes_or_no(row.get("disabled")):
        yield "disabled"
    if any(map(_is_changed, part(part(row, "edit_history_summary"), "values_changed").values())):
        yield "edited"
    if row.get("errors"):
        yield "invalid"


def _is_changed(value: Any) -> bool:
    """Whether an entry of a history is an edit: one without another value is not."""
    return bool(value) and not (
        isinstance(value, dict) and "edited_value" in value and value.get("original_value") == value["edited_value"]
    )
