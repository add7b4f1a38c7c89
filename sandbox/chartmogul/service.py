"""The service: ChartMogul's routes over one account, and the routes by which tests look at it."""

from __future__ import annotations

from starlette.routing import Route

from sandbox.chartmogul.control import Control
from sandbox.chartmogul.customers import Customers
from sandbox.chartmogul.data_sources import DataSources
from sandbox.chartmogul.events import Events
from sandbox.chartmogul.http import Answer, Call, Gate
from sandbox.chartmogul.invoices import Invoices
from sandbox.chartmogul.plans import Plans
from sandbox.chartmogul.state import Clock, State
from sandbox.credentials import CHARTMOGUL_API_KEY, CHARTMOGUL_READ_ONLY_KEY


class ChartMogulService:
    """`routes()` belong under `/chartmogul/v1`, `control_routes()` under `/control/chartmogul`."""

    def __init__(self, clock: Clock) -> None:
        self._state = State(clock)
        self._gate = Gate(CHARTMOGUL_API_KEY, CHARTMOGUL_READ_ONLY_KEY, self._state.now, self._do_what_is_due)

    def reset(self) -> None:
        self._state.reset()

    def _do_what_is_due(self) -> None:
        return

    def control_routes(self) -> list[Route]:
        return Control(self._state, self._do_what_is_due).routes()

    def routes(self) -> list[Route]:
        customers, plans, invoices = Customers(self._state), Plans(self._state), Invoices(self._state)
        sources, events = DataSources(self._state), Events(self._state)
        route = self._gate.route
        return [
            route("POST", "/import/customers/{uuid}/invoices", invoices.create),
            route("GET", "/import/customers/{uuid}/invoices", invoices.list_of_customer),
            route("GET", "/invoices", invoices.list),
            route("PATCH", "/invoices", invoices.update),
            route("DELETE", "/invoices", invoices.destroy),
            route("PATCH", "/invoices/disabled_state", invoices.disable),
            route("GET", "/invoices/{uuid}", invoices.retrieve),
            route("PATCH", "/invoices/{uuid}", invoices.update),
            route("DELETE", "/invoices/{uuid}", invoices.destroy),
            route("PATCH", "/invoices/{uuid}/disabled_state", invoices.disable),
            route("PUT", "/data_sources/{uuid}/invoices/{external_id}/status", invoices.update_status),
            route("POST", "/customers", customers.create),
            route("GET", "/customers", customers.list),
            route("GET", "/customers/search", customers.search),
            route("GET", "/customers/{uuid}", customers.retrieve),
            route("PATCH", "/customers/{uuid}", customers.update),
            route("DELETE", "/customers/{uuid}", customers.destroy),
            route("POST", "/subscription_events", events.create),
            route("GET", "/subscription_events", events.list),
            route("PATCH", "/subscription_events", events.update),
            route("DELETE", "/subscription_events", events.destroy),
            route("PATCH", "/subscription_events/disabled_state", events.disable),
            route("PATCH", "/subscription_events/{id}/disabled_state", events.disable),
            route("POST", "/plans", plans.create),
            route("GET", "/plans", plans.list),
            route("GET", "/plans/{uuid}", plans.retrieve),
            route("PATCH", "/plans/{uuid}", plans.update),
            route("DELETE", "/plans/{uuid}", plans.destroy),
            route("POST", "/data_sources", sources.create),
            route("GET", "/data_sources", sources.list),
            route("GET", "/data_sources/{uuid}", sources.retrieve),
            route("DELETE", "/data_sources/{uuid}", sources.destroy),
            route("DELETE", "/data_sources/{uuid}/all", sources.empty),
            route("DELETE", "/data_sources/{uuid}/dependent", sources.empty_dependent),
            route(
                "DELETE",
                "/data_sources/{uuid}/customers/{customer_uuid}/invoices",
                sources.destroy_customer_invoices,
            ),
            route("GET", "/ping", _ping),
        ]


def _ping(_: Call) -> Answer:
    return Answer({"data": "pong!"})
