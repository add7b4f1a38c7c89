"""What tests see and set on ChartMogul's side, outside its API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.chartmogul import timestamps
from sandbox.chartmogul.content import content, month_ends
from sandbox.chartmogul.http import json_response
from sandbox.chartmogul.people import People
from sandbox.chartmogul.records import DataSource
from sandbox.chartmogul.state import State


class Control:
    """`before` does what is due, so that the content shown is that of now."""

    def __init__(self, state: State, before: Callable[[], None]) -> None:
        self._state = state
        self._before = before

    def routes(self) -> list[Route]:
        return [
            Route("/content", self._content, methods=["GET"]),
            Route("/mrr", self._mrr, methods=["GET"]),
            Route("/settings", self._read_settings, methods=["GET"]),
            Route("/settings", self._change_settings, methods=["PUT"]),
            Route("/edit", self._edit, methods=["POST"]),
            Route("/invalid", self._find_invalid, methods=["POST"]),
        ]

    async def _content(self, request: Request) -> Response:
        self._before()
        source = self._source(request)
        if source is None:
            return json_response({"error": "no such data source"}, 404)
        return json_response(content(self._state, source, self._now(request), request.query_params.get("prefix", "")))

    async def _mrr(self, request: Request) -> Response:
        """Month → `{"customers": {external id: {currency: MRR}}, "total": {currency: MRR}}`, unconverted."""
        self._before()
        source = self._source(request)
        if source is None:
            return json_response({"error": "no such data source"}, 404)
        now = self._now(request)
        months: dict[str, Any] = {}
        for month, end in month_ends(source, now):
            customers: dict[str, dict[str, int]] = {}
            total: dict[str, int] = {}
            for customer in source.customers:
                for subscription in customer.subscriptions.values():
                    step = self._state.mrr.at(subscription, end) if subscription.source is source else None
                    if step and step.mrr:
                        own = customers.setdefault(customer.external_id, {})
                        own[step.currency] = own.get(step.currency, 0) + step.mrr
                        total[step.currency] = total.get(step.currency, 0) + step.mrr
            months[month] = {"customers": customers, "total": total}
        return json_response(months)

    async def _read_settings(self, request: Request) -> Response:
        settings = self._state.settings
        return json_response({name: getattr(settings, name) for name in settings.__dataclass_fields__})

    async def _change_settings(self, request: Request) -> Response:
        try:
            self._state.settings.change(await request.json())
        except ValueError as problem:
            return json_response({"error": str(problem)}, 400)
        self._state.store.forget_timelines()
        return await self._read_settings(request)

    async def _edit(self, request: Request) -> Response:
        """One order of `People.edit`, with `data_source` if there are several."""
        return await self._ordered(request, People(self._state).edit)

    async def _find_invalid(self, request: Request) -> Response:
        """One order of `People.find_invalid`."""
        return await self._ordered(request, People(self._state).find_invalid)

    async def _ordered(self, request: Request, do: Callable[[DataSource, dict[str, Any]], None]) -> Response:
        self._before()
        source = self._source(request)
        if source is None:
            return json_response({"error": "no such data source"}, 404)
        try:
            do(source, await request.json())
        except LookupError as problem:
            return json_response({"error": str(problem)}, 404)
        except ValueError as problem:
            return json_response({"error": str(problem)}, 400)
        return json_response({})

    def _source(self, request: Request) -> DataSource | None:
        """By name or uuid; the only one if none is named."""
        name = request.query_params.get("data_source")
        sources = self._state.store.sources
        if name is None:
            return next(iter(sources.values())) if len(sources) == 1 else None
        return self._state.store.source_named(name) or self._state.store.source(name)

    def _now(self, request: Request) -> int:
        text = request.query_params.get("now")
        return timestamps.parse(text) if text else self._state.now()
