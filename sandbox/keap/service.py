"""Keap as an ASGI application: REST v2, OAuth, and the control calls of its own."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.keap import tagging
from sandbox.keap.auth import Gateway, Tokens
from sandbox.keap.behaviour import Behaviour
from sandbox.keap.control import KeapControl
from sandbox.keap.errors import (
    KeapError,
    body_on_get_page,
    gateway_timeout_page,
    not_found_page,
    request_line_too_long,
)
from sandbox.keap.filters import Clause, exclusive, since, until
from sandbox.keap.filters import names as filter_names
from sandbox.keap.limits import KeapLimits
from sandbox.keap.listing import page_body, selection
from sandbox.keap.oauth import OAuth
from sandbox.keap.resource import Resource
from sandbox.keap.resources import RESOURCES
from sandbox.keap.singles import single_objects
from sandbox.keap.store import Store
from sandbox.keap.tables import Table
from sandbox.keap.writes import SubscriptionWrites

_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]
_MAX_REQUEST_LINE = 7168  # Apigee's, in bytes
_SINGLE_PATHS = {
    "oauth/connect/userinfo": "userinfo",
    "businessProfile": "business_profile",
    "settings/applications:getConfiguration": "configuration",
    "contacts/model": "contacts_model",
    "orders/model": "orders_model",
    "subscriptions/model": "subscriptions_model",
}


class KeapService:
    """One Keap application (tenant)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tokens = Tokens(clock)
        self.store = Store(RESOURCES, single_objects)
        self.gateway = Gateway(self.tokens, lambda: self.store.behaviour.credentials == "accepted")
        self.limits = KeapLimits(self.gateway, clock)
        self._answered: dict[str, Any] = {}
        self._account: dict[str, Any] = {}
        self._by_path = {resource.path: resource for resource in RESOURCES}
        self._patterns = [
            (re.compile(resource.path.replace("{", "(?P<").replace("}", ">[^/]+)") + "$"), resource)
            for resource in RESOURCES
            if "{" in resource.path
        ]

    def date(self) -> datetime:
        """Return what the header ``Date`` says."""
        return self.clock.now()

    def start_with(self, account: dict[str, Any]) -> None:
        """Load the account that ``reset`` returns to."""
        self._account = account
        self.store.load(account)
        self.store.warm_up()

    def reset(self) -> None:
        """Return to the state after start."""
        changed, self.store.behaviour = self.store.behaviour != Behaviour(), Behaviour()
        if self.store.touched:
            self.store.load(self._account)
        elif changed:
            self.store.reset_views()
        self.tokens.reset()
        self.limits.reset()
        self._answered = {}

    def answer(self, changes: Mapping[str, Any]) -> None:
        """Behave as the answers to open questions want it, in place of those before."""
        wanted = dict(changes.get("behaviour", {}))
        usual = Behaviour()
        if self._answered or wanted:
            self.store.behave({name: getattr(usual, name) for name in self._answered} | wanted)
        self._answered = wanted
        self.limits.assume(changes.get("limits", {}))

    def contacts(self, most: int) -> list[tuple[str, str]]:
        """Return ids and e-mail addresses of so many contacts that have one."""
        rows = self.store.tables["contacts"].rows.values()
        addresses = ((row["id"], entry["email"]) for row in rows for entry in (row.get("email_addresses") or ())[:1])
        return list(islice((found for found in addresses if found[1]), most))

    def routes(self) -> list[Route]:
        """Return the routes of the API."""
        rest = Route("/crm/rest/{path:path}", self._rest, methods=_METHODS)
        return [rest, *OAuth(self.tokens).routes()]

    def control_routes(self) -> list[Route]:
        """Return the routes by which tests look in and set things up."""
        return KeapControl(self.store, self.tokens).routes()

    async def _rest(self, request: Request) -> Response:
        body = await request.body()
        try:
            return self._answer(request, request.path_params["path"].strip("/"), body)
        except KeapError as error:
            return error.response()

    def _answer(self, request: Request, path: str, body: bytes) -> Response:
        if _line_size(request) > _MAX_REQUEST_LINE:
            return request_line_too_long()
        if request.method == "GET" and body:
            return body_on_get_page()
        version, _, rest = path.partition("/")
        if version != "v2":
            return not_found_page()
        if self.store.behaviour.edition == "old" and rest.startswith("sales/"):
            return not_found_page()
        if request.method != "GET":
            return self._write(request, rest, body)
        if rest in _SINGLE_PATHS:
            name = _SINGLE_PATHS[rest]
            return self._refused(name) or JSONResponse(self.store.singles[name])
        if rest in self._by_path:
            resource = self._by_path[rest]
            answer = self._list_associations if resource.derived else self._list
            return self._refused(resource.stream) or answer(request, resource)
        for pattern, resource in self._patterns:
            if match := pattern.match(rest):
                return self._refused(resource.stream) or self._list_below(request, resource, match.groupdict())
        parent, _, row_id = rest.rpartition("/")
        if parent in self._by_path and self._by_path[parent].gettable:
            resource = self._by_path[parent]
            return self._refused(resource.stream) or self._get(request, resource, row_id)
        return not_found_page()

    def _refused(self, stream: str) -> Response | None:
        """Return the answer to who may not see a stream (403), or to whom it is not offered (404)."""
        match self.store.behaviour.refused.get(stream):
            case 403:
                return KeapError(403, "You do not have permission to view this", domain=stream).response()
            case 404:
                return not_found_page()
        return None

    def _list(
        self,
        request: Request,
        resource: Resource,
        table: Table | None = None,
        scope: Clause | None = None,
    ) -> Response:
        url = f"{request.url.scheme}://{request.url.netloc}{request.url.path}"
        rows = table if table is not None else self.store.tables[resource.stream]
        behaviour, resource = self.store.behaviour, self._as_behaved(resource)
        query = {**request.query_params, "fields": _fields(request) or ""}
        if query["fields"] and behaviour.fields_parameter == "refused":
            raise KeapError(400, "Invalid field")
        size = query.get("page_size", "")
        if behaviour.slow_above and size.isdecimal() and int(size) > behaviour.slow_above:
            return gateway_timeout_page()
        if resource.stream == "subscriptions" and not behaviour.inactive_listed:
            asked = filter_names(query.get("filter", "")) & {"status", "id", "ids"}
            scope = scope if asked else Clause(lambda row: bool(row.get("active")))
        body = page_body(self.store, resource, rows, query, url, scope, self._extra(resource))
        return Response(body, media_type="application/json")

    def _extra(self, resource: Resource) -> bytes:
        if resource.stream == "automations":
            return b',"automation_count":%d' % len(self.store.tables["automations"])
        if resource.stream == "merchants":
            first = next(iter(self.store.tables["merchants"].rows), None)
            return b',"default_merchant_account_id":' + msgspec.json.encode(first)
        return b""

    def _as_behaved(self, resource: Resource) -> Resource:
        behaviour, filters = self.store.behaviour, dict(resource.filters)
        if resource.stream == "payments" and behaviour.payments_since == "update_time":
            filters |= {"since_time": since("update_time"), "until_time": until("update_time")}
        if behaviour.since_bounds == "exclusive":
            filters = {name: exclusive(field) for name, field in filters.items()}
        largest = min(resource.max_page_size, behaviour.largest_page)
        if (filters, largest) == (resource.filters, resource.max_page_size):
            return resource
        return dataclasses.replace(resource, filters=filters, max_page_size=largest)

    def _list_below(self, request: Request, resource: Resource, parents: dict[str, str]) -> Response:
        match resource.stream:
            case "subscription_plans":
                if parents["product_id"] == "-":
                    return self._list(request, resource)
                self._found("products", parents["product_id"])
                return self._list(request, resource, scope=_same("product_id", parents["product_id"]))
            case "order_payments":
                order = self._found("orders", parents["order_id"])
                return self._list(request, resource, scope=_same("invoice_id", str(order.get("invoice_id"))))
            case "tagged_contacts":
                self._found("tags", parents["tag_id"])
                return self._list(
                    request, resource, Table("id", tagging.contacts_of_tag(self.store, parents["tag_id"]))
                )
            case "applied_tags":
                contact = self._found("contacts", parents["contact_id"])
                return self._list(request, resource, Table(None, tagging.tags_of_contact(self.store, contact)))
            case _:
                self._found("contacts", parents["contact_id"])
                methods = self.store.tables["payment_methods"]
                scope = _same("contact_id", parents["contact_id"])
                return self._list(request, resource, methods, scope)

    def _list_associations(self, request: Request, resource: Resource) -> Response:
        needed = "contact_ids" if resource.stream == "tags_of_contacts" else "tag_ids"
        if needed not in filter_names(request.query_params.get("filter", "")):
            raise KeapError(400, f"Invalid filter: {needed} is required")
        return self._list(request, resource, Table(None, tagging.associations(self.store)))

    def _write(self, request: Request, path: str, body: bytes) -> Response:
        writes = SubscriptionWrites(self.store, self.clock)
        match request.method, path.split("/"):
            case "POST", ["subscriptions"]:
                return JSONResponse(writes.create(body), 201)
            case "PATCH", ["subscriptions", row_id]:
                return JSONResponse(writes.change(row_id, body, request.query_params.get("update_mask")))
            case "POST", ["subscriptions", name] if name.endswith(":deactivate"):
                writes.deactivate(name.removesuffix(":deactivate"), body)
                return Response(status_code=204)
        raise KeapError(405, "Method Not Allowed")

    def _get(self, request: Request, resource: Resource, row_id: str) -> Response:
        self._found(resource.stream, row_id)
        selected = selection(resource, _fields(request))
        return Response(self.store.view(resource.stream, selected).row(row_id), media_type="application/json")

    def _found(self, stream: str, row_id: str) -> dict[str, Any]:
        row = self.store.tables[stream].rows.get(row_id)
        if row is None:
            noun = self.store.resources[stream].noun
            raise KeapError(404, f"Unable to find this {noun}", domain=stream, resource=row_id)
        return row


def _same(path: str, value: str) -> Clause:
    return Clause(lambda _: True, path, frozenset({value}))


def _line_size(request: Request) -> int:
    target = len(request.scope["raw_path"]) + 1 + len(request.scope["query_string"])
    return len(f"{request.method}  HTTP/1.1\r\n") + target


def _fields(request: Request) -> str | None:
    """Return ``fields``, which comes as one list with commas or, for some listings, as several parameters."""
    return ",".join(request.query_params.getlist("fields")) or None
