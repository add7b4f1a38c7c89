"""Plans (fact sheet §3.5)."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import errors
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import NO_CONTENT, Answer, Call
from sandbox.chartmogul.paging import page, shelf_of
from sandbox.chartmogul.records import DataSource, Plan
from sandbox.chartmogul.shelf import Shelf
from sandbox.chartmogul.state import State

UNITS = ("day", "month", "year")
_UNIT = "Only 'day', 'month' or 'year' are valid values for interval_unit."


class Plans:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, call: Call) -> Answer:
        data = call.object()
        reader = Reader(data, call.now)
        source = self._state.store.source(data.get("data_source_uuid"))
        if source is None:
            reader.note("data_source_uuid", "A valid data source UUID is required for each plan.")
        plan = self.build(reader, source)
        if plan is None:
            raise errors.fields(reader.errors)
        self._state.store.add_plan(plan)
        return Answer(self.show(plan), 201)

    def build(self, reader: Reader, source: DataSource | None) -> Plan | None:
        """A checked plan that is not stored yet; None if the reader has noted errors."""
        external_id = reader.text("external_id")
        if source and external_id in source.plans_by_id:
            reader.note("external_id", errors.DUPLICATE_PLAN)
        values = _values(reader, all_required=True)
        if reader.errors or source is None:
            return None
        seq = self._state.store.next_seq()
        external_id = external_id or self._state.store.ids.bare(seq)
        return Plan(seq, source, external_id, created_at=reader.now, **values)

    def list(self, call: Call) -> Answer:
        store, query = self._state.store, call.query
        shelf: Shelf[Plan] = store.plans
        sources = list(store.sources.values())
        if query.get("data_source_uuid"):
            source = store.source(query["data_source_uuid"])
            sources = [source] if source else []
            shelf = source.plans if source else Shelf()
        if "external_id" in query:
            found = [p for s in sources if (p := s.plans_by_id.get(query["external_id"]))]
            shelf = shelf_of(found)
        system = query.get("system")
        keep = None if system is None else lambda plan: plan.source.system == system
        return Answer(page("plans", shelf, query, self.show, keep=keep))

    def retrieve(self, call: Call) -> Answer:
        return Answer(self.show(self._find(call)))

    def update(self, call: Call) -> Answer:
        """Name and interval; the answer is 202, and a new interval counts for the plan's whole history."""
        plan = self._find(call)
        reader = Reader(call.object(), call.now)
        values = _values(reader, all_required=False)
        if reader.errors:
            raise errors.fields(reader.errors)
        for name, value in values.items():
            setattr(plan, name, value)
        self._state.store.plan_changed(plan)
        return Answer(self.show(plan), 202)

    def destroy(self, call: Call) -> Answer:
        plan = self._find(call)
        if plan.line_items:
            raise errors.fields({"plan": "is used by line items and cannot be deleted"})
        self._state.store.delete_plan(plan)
        return NO_CONTENT

    def _find(self, call: Call) -> Plan:
        plan = self._state.store.plan(call.path["uuid"])
        if plan is None:
            raise errors.not_found("Plan")
        return plan

    def show(self, plan: Plan) -> dict[str, Any]:
        return {
            "external_id": plan.external_id,
            "name": plan.name,
            "interval_count": plan.interval_count,
            "interval_unit": plan.interval_unit,
            "data_source_uuid": self._state.store.ids.uuid("ds", plan.source.seq),
            "uuid": self._state.store.ids.uuid("pl", plan.seq),
        }


def _values(reader: Reader, *, all_required: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if all_required or reader.has("name"):
        found["name"] = reader.text("name")
        if found["name"] is None:
            reader.note("name", "A unique name is required for each plan.")
    if all_required or reader.has("interval_count"):
        found["interval_count"] = reader.integer("interval_count", least=1)
        if found["interval_count"] is None:
            reader.note("interval_count", "is not a number")
    if all_required or reader.has("interval_unit"):
        found["interval_unit"] = reader.data.get("interval_unit")
        if found["interval_unit"] not in UNITS:
            reader.note("interval_unit", _UNIT)
    return found
