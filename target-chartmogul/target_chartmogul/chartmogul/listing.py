"""Everything that a data source holds, page by page of 200, as objects with their uuids and marks.

It is what a lost ledger is rebuilt from (rule 1.6). Nothing is kept in memory but the page and the ids of plans.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from target_chartmogul.billing.changes import ChartMogulObject, Kind
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.wire import Json, Wire

Mark = Literal["edited", "disabled", "invalid", "merged", "joined"]
"""What people, or a bulk import, did to an object (rule 6.8).

- `edited`: a person changed it in ChartMogul.
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

    def everything(self) -> Iterator[Listed]:
        """Plans, customers, invoices and events, in this order; raises as `ChartMogulClient.get`."""
        yield from self.plans()
        yield from self.customers()
        yield from self.invoices()
        yield from self.events()

    def plans(self, external_id: str | None = None) -> Iterator[Listed]:
        """All plans of ours, or the one with this id."""
        for row in self._rows("/plans", "plans", external_id):
            if (plan := self._wire.read_plan(row)) is not None:
                self._plans[row["uuid"]] = plan.external_id
                yield Listed(kind="plan", content=plan, uuids={("plan", plan.external_id): row["uuid"]})

    def customers(self, external_id: str | None = None) -> Iterator[Listed]:
        """All customers of ours, or the one with this id; a merged one under each of its ids."""
        for row in self._rows("/customers", "entries", external_id):
            outer_ids = dict.fromkeys([row.get("external_id"), *(row.get("external_ids") or ())])
            several = len(outer_ids) > 1 or len(row.get("data_source_uuids") or ()) > 1
            for outer in outer_ids:
                own = self._wire.inner(outer)
                if own is None or external_id not in {None, own}:
                    continue
                mark: Mark = "joined" if outer == row.get("external_id") else "merged"
                yield Listed(
                    kind="customer",
                    content=self._wire.read_customer(row, own),
                    uuids={("customer", own): row["uuid"]},
                    marks=frozenset({mark}) if several else frozenset(),
                )

    def invoices(self, external_id: str | None = None) -> Iterator[Listed]:
        """All invoices of ours, disabled and invalid ones too, or the one with this id."""
        flags = {"validation_type": "all", "with_disabled": "true", "include_edit_histories": "true"}
        for row in self._rows("/invoices", "invoices", external_id, flags):
            if (listed := self.invoice(row)) is not None:
                yield listed

    def invoice(self, row: Json) -> Listed | None:
        """An invoice of ours from ChartMogul's answer, else None."""
        if self._names_unknown_plan(row):
            for _ in self.plans():
                continue
        if self._names_unknown_customer(row):
            for listed in self.customers():
                if "merged" not in listed.marks:
                    self._customers[listed.uuid] = listed.content.external_id
        invoice = self._wire.read_invoice(row, plans=self._plans, customers=self._customers)
        if invoice is None:
            return None
        return Listed(
            kind="invoice", content=invoice, uuids=self.uuids_of_invoice(row), marks=frozenset(_marks_of_invoice(row))
        )

    def _names_unknown_plan(self, row: Json) -> bool:
        return any(
            line.get("plan_uuid") and not line.get("plan_external_id") and line["plan_uuid"] not in self._plans
            for line in row.get("line_items") or ()
        )

    def _names_unknown_customer(self, row: Json) -> bool:
        return not row.get("customer_external_id") and row.get("customer_uuid") not in self._customers

    def uuids_of_invoice(self, row: Json) -> dict[tuple[Kind, str], str]:
        """Uuids of an invoice, its lines and its transactions, those of ours."""
        parts: list[tuple[Kind, Json]] = [("invoice", row)]
        parts += [("line_item", part) for part in row.get("line_items") or ()]
        parts += [("transaction", part) for part in row.get("transactions") or ()]
        return {
            (kind, own): part["uuid"]
            for kind, part in parts
            if (own := self._wire.inner(part.get("external_id"))) is not None and part.get("uuid")
        }

    def events(self, external_id: str | None = None) -> Iterator[Listed]:
        """All subscription events of ours, or the one with this id."""
        flags = {"with_disabled": "true", "include_edit_histories": "true"}
        for row in self._rows("/subscription_events", "subscription_events", external_id, flags):
            if (event := self._wire.read_event(row)) is not None:
                yield Listed(
                    kind="event",
                    content=event,
                    uuids={("event", event.external_id): str(row["id"])},
                    marks=frozenset(_marks(row)),
                )

    def find(self, kind: Kind, external_id: str) -> Listed | None:
        """One plan, customer, invoice or event by its id, None if ChartMogul has none.

        Raises:
            KeyError: lines and transactions are found with their invoice.
        """
        lists = {"plan": self.plans, "customer": self.customers, "invoice": self.invoices, "event": self.events}
        return next((found for found in lists[kind](external_id) if found.content.external_id == external_id), None)

    def _rows(
        self, path: str, key: str, external_id: str | None, flags: dict[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        params = {"data_source_uuid": self._wire.data_source_uuid, **(flags or {})}
        if external_id is not None:
            params["external_id"] = self._wire.outer(external_id)
        for page in self._client.pages(path, key, params):
            yield from page


def _marks(row: Json) -> Iterator[Mark]:
    if row.get("disabled"):
        yield "disabled"
    if row.get("edit_history_summary"):
        yield "edited"
    if row.get("errors"):
        yield "invalid"


def _marks_of_invoice(row: Json) -> Iterator[Mark]:
    """The invoice's own marks and those of its parts."""
    yield from _marks(row)
    for part in [*(row.get("line_items") or ()), *(row.get("transactions") or ())]:
        yield from _marks(part)
