"""The account: all streams of it, and how it behaves where Keap's documentation leaves that open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from sandbox.keap.behaviour import Behaviour
from sandbox.keap.derived import plans_of
from sandbox.keap.forms import localised, rewritten
from sandbox.keap.packed import PackedRows
from sandbox.keap.resource import Resource
from sandbox.keap.tables import Table
from sandbox.keap.values import Row
from sandbox.keap.views import Selection, View

_LARGE = 20_000


class Store:
    """The rows of the account by stream, and single objects (settings, models, profile) by name."""

    def __init__(self, resources: Iterable[Resource], single_objects: Callable[[], dict[str, Any]]) -> None:
        known = list(resources)
        self.resources = {resource.stream: resource for resource in known if not resource.derived}
        self._streams = {resource.stream for resource in known}
        self._single_objects = single_objects
        self.behaviour = Behaviour()
        self._given: dict[str, Any] = {}
        self.load({})

    def load(self, account: dict[str, Any]) -> None:
        """Replace the whole account.

        ``touched`` says from then on whether anything was changed.

        Raises:
            ValueError: a stream that Keap does not have, or something that is no list of rows.
        """
        singles = self._single_objects()
        self._given = account
        account = rewritten(account, self.behaviour)
        if unknown := set(account) - set(self.resources) - set(singles) - {"contact_tags"}:
            raise ValueError(f"unknown streams: {', '.join(sorted(unknown))}")
        tables: dict[str, Table] = {}
        for stream, resource in self.resources.items():
            rows = account.get(stream) or []
            if not isinstance(rows, list | PackedRows):
                raise ValueError(f"{stream}: not a list of rows")  # noqa: TRY004
            tables[stream] = Table(resource.id_field, rows)
        tables["contact_tags"] = Table(None, account.get("contact_tags") or [])
        self.tables = tables
        self.singles = localised({name: account.get(name, value) for name, value in singles.items()}, self.behaviour)
        self._plans_given = bool(account.get("subscription_plans"))
        self._derive("products")
        self.reset_views()
        self.touched = False

    def warm_up(self) -> None:
        """Sort the large streams by the times that they are asked for by, before anybody waits for it."""
        for stream, resource in self.resources.items():
            for path, kind in resource.orders.values():
                wanted = kind == "time" or path == resource.id_field
                if wanted and len(self.tables[stream]) > _LARGE:
                    self.tables[stream].prepare(path, kind)

    def put(self, stream: str, rows: list[Row]) -> list[str]:
        """Insert or replace rows.

        Raises:
            KeyError: no such stream.
            ValueError: a row without its id.
        """
        self.touched = True
        row_ids = self.tables[stream].put_all(rows)
        self._touched(stream, row_ids)
        return row_ids

    def delete(self, stream: str, row_id: str) -> bool:
        """Delete a row; say whether there was one.

        Raises:
            KeyError: no such stream.
        """
        self.touched = True
        found = self.tables[stream].delete(row_id)
        self._touched(stream, [row_id])
        return found

    def dump(self) -> dict[str, Any]:
        """Return the whole account, in the shape that ``load`` takes."""
        rows = {stream: list(table.rows.values()) for stream, table in self.tables.items()}
        return {**rows, **self.singles}

    def behave(self, changes: dict[str, Any]) -> None:
        """Change the behaviour; another form of the rows loads the account anew.

        Raises:
            ValueError: an unknown setting, value or stream.
        """
        before, self.behaviour = self.behaviour.forms, self.behaviour.changed(changes)
        if unknown := set(self.behaviour.refused) - self._streams - set(self.singles):
            raise ValueError(f"unknown streams: {', '.join(sorted(unknown))}")
        if self.behaviour.forms != before:
            self.load(self._given)
            self.touched = True
        self.reset_views()

    def reset_views(self) -> None:
        """Forget the rows that were written out."""
        self._views: dict[tuple[str, Selection], View] = {}

    def view(self, stream: str, selected: Selection) -> View:
        """Return the written-out rows of a stream with the selected fields."""
        view = self._views.get((stream, selected))
        if view is None:
            view = View(self, stream, selected)
            self._views[stream, selected] = view
        return view

    def custom_field_ids(self, model: str | None) -> dict[str, str]:
        """Return the ids of the custom fields of a record type by their ``field_name``."""
        if model is None:
            return {}
        declared = self.singles.get(f"{model}_model", {}).get("custom_fields", ())
        return {str(entry["field_name"]): str(entry["id"]) for entry in declared}

    def _touched(self, stream: str, row_ids: list[str]) -> None:
        self._derive(stream)
        related = {"orders", "subscriptions"} if stream in {"orders", "subscriptions"} else {stream}
        for (viewed, _), view in self._views.items():
            if viewed == stream:
                view.forget(row_ids)
            elif viewed in related:
                view.forget(None)

    def _derive(self, stream: str) -> None:
        if stream == "products" and not self._plans_given:
            plans = [plan for product in self.tables["products"].rows.values() for plan in plans_of(product)]
            self.tables["subscription_plans"] = Table("id", plans)
            if hasattr(self, "_views"):
                self.reset_views()


def encode(value: Any) -> bytes:
    """Return a value as JSON."""
    return msgspec.json.encode(value)
