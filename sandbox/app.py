"""Both APIs and their control calls as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Router

from sandbox.answers import Apply, GivenAnswers
from sandbox.clock import Clock
from sandbox.control import Control, Controlled
from sandbox.faults import Faults
from sandbox.keap.service import KeapService
from sandbox.middleware import ServiceMiddleware
from sandbox.requestlog import RequestLog

if TYPE_CHECKING:
    from sandbox.chartmogul import ChartMogulService


def make_app(
    account: dict[str, Any],
    now: datetime | None = None,
    only: str | None = None,
    answers: Mapping[str, str] | None = None,
) -> Starlette:
    """Compose the application.

    Args:
        account: the Keap account to start with, streams by name.
        now: the fixed clock; None: the machine's.
        only: ``keap`` or ``chartmogul``, to serve one of them.
        answers: to open questions, see ``questions.py``.

    Raises:
        ValueError: the account has a stream that Keap does not have, or an answer is unknown.
    """
    clock = Clock(now)
    routes: list[BaseRoute] = []
    own_control: list[BaseRoute] = []
    controlled: dict[str, Controlled] = {}
    apply: dict[str, Apply] = {}
    contacts: Callable[[int], list[tuple[str, str]]] = lambda _: []  # noqa: E731
    if only in {None, "keap"}:
        keap = KeapService(clock)
        keap.start_with(account)
        contacts, apply["keap"] = keap.contacts, keap.answer
        controlled["keap"] = Controlled(RequestLog(), Faults(), keap.limits, keap.reset)
        routes.append(_mount("/keap", keap, controlled["keap"]))
        own_control.append(Mount("/keap", routes=keap.control_routes()))
    if only in {None, "chartmogul"}:
        from sandbox.chartmogul import ChartMogulService

        chartmogul = ChartMogulService(clock, contacts)
        apply["chartmogul"] = chartmogul.answer
        controlled["chartmogul"] = Controlled(RequestLog(), Faults(), chartmogul.limits, chartmogul.reset)
        routes.append(_mount("/chartmogul/v1", chartmogul, controlled["chartmogul"]))
        own_control.append(Mount("/chartmogul", routes=chartmogul.control_routes()))
    given = GivenAnswers(apply, answers or {})
    given.restart()
    shared = Control(controlled, clock, now, given.restart).routes()
    control = Router([*given.routes(), *shared, *own_control])
    return Starlette(routes=[*routes, Mount("/control", app=control)])


def _mount(path: str, service: KeapService | ChartMogulService, parts: Controlled) -> Mount:
    router = Router(service.routes(), redirect_slashes=False)
    return Mount(
        path,
        app=ServiceMiddleware(router, log=parts.log, faults=parts.faults, limits=parts.limits, date=service.date),
    )
