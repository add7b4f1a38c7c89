"""The service: ChartMogul's routes over one account, and the routes by which tests look at it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.routing import Route

from sandbox.chartmogul.account import Account
from sandbox.chartmogul.activities import Activities
from sandbox.chartmogul.attributes import Attributes
from sandbox.chartmogul.control import Control
from sandbox.chartmogul.customers import Customers
from sandbox.chartmogul.data_sources import DataSources
from sandbox.chartmogul.errors import ApiError
from sandbox.chartmogul.events import Events
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import NOT_MODIFIED, Answer, Call, Gate, Handler
from sandbox.chartmogul.imports import Imports
from sandbox.chartmogul.invoices import Invoices
from sandbox.chartmogul.line_items import LineItems
from sandbox.chartmogul.merges import Merges
from sandbox.chartmogul.metrics import NAMES as METRICS
from sandbox.chartmogul.metrics import Metrics
from sandbox.chartmogul.movements import Movements
from sandbox.chartmogul.plans import Plans
from sandbox.chartmogul.records import DataSource
from sandbox.chartmogul.state import Clock, State
from sandbox.chartmogul.subscriptions import Subscriptions
from sandbox.chartmogul.transactions import Transactions
from sandbox.credentials import CHARTMOGUL_API_KEY, CHARTMOGUL_READ_ONLY_KEY
from sandbox.limits import ChartMogulLimits

# Writes from which on a store is worth a collection of its own when it is thrown away.
LARGE = 50_000


class ChartMogulService:
    """`routes()` belong under `/chartmogul/v1`, `control_routes()` under `/control/chartmogul`."""

    def __init__(self, clock: Clock, contacts: Callable[[int], list[tuple[str, str]]] = lambda _: []) -> None:
        """`contacts`: ids and e-mail addresses, for whoever is a customer elsewhere too."""
        self.limits = ChartMogulLimits()
        self._contacts = contacts
        self._answered: tuple[str, ...] = ()
        self._besides: dict[str, Any] = {}
        self._state = State(clock)
        self._imports = Imports(self._state)
        gate = Gate(
            CHARTMOGUL_API_KEY, CHARTMOGUL_READ_ONLY_KEY, self._state.now, self._choices, self._imports.carry_out
        )
        self._route = gate.route

    def _choices(self) -> Mapping[str, str]:
        return self._state.settings.choices

    def date(self) -> datetime:
        """What the header `Date` says."""
        return self._state.clock.now() + timedelta(seconds=self._state.settings.clock_ahead)

    def change_settings(self, changes: dict[str, Any]) -> None:
        """As the control call does; raises ValueError naming an unknown setting or value."""
        self._state.settings.change(changes)
        self._state.store.forget_timelines()

    def reset(self) -> None:
        was_large = self._state.store.version > LARGE
        self._imports.reset()
        self._state.reset()
        self._answered, self._besides = (), {}
        if was_large:
            gc.collect()

    def answer(self, changes: Mapping[str, Any]) -> None:
        """Be as the answers to open questions want it, in place of those before."""
        wanted = changes.get("settings", {})
        self._state.settings.take_back(self._answered)
        self.change_settings(wanted)
        self._answered = tuple(wanted)
        self._put_besides(changes.get("source", {}))
        self.limits.assume(changes.get("limits", {}))

    def _put_besides(self, wanted: dict[str, Any]) -> None:
        """Make a data source that nobody has made by the API, or take the one away that was made so."""
        store = self._state.store
        if wanted == self._besides:
            return
        if self._besides and (made := store.source_named(self._besides["name"])):
            store.delete_source(made)
        self._besides = wanted
        if not wanted:
            return
        source = DataSource(store.next_seq(), wanted["name"], "Custom", self._state.now())
        store.add_source(source)
        customers = Customers(self._state)
        for external_id, email in self._contacts(wanted["contacts"]):
            fields = {"external_id": f"cus_{external_id}", "email": email}
            if customer := customers.build(Reader(fields, self._state.now()), source):
                store.add_customer(customer)

    def control_routes(self) -> list[Route]:
        return Control(self._state, self._imports.carry_out).routes()

    def routes(self) -> list[Route]:
        """Fixed paths stand before those with a uuid in the same place."""
        customers = Customers(self._state)
        movements = Movements(self._state, customers)
        return [
            *self._invoice_routes(),
            *self._customer_routes(customers, movements),
            *self._event_and_plan_routes(),
            *self._source_routes(),
            *self._metric_routes(Metrics(self._state, movements)),
            self._route("GET", "/account", Account(self._state).retrieve),
            self._route("GET", "/ping", _ping),
        ]

    def _invoice_routes(self) -> list[Route]:
        invoices, lines, transactions = Invoices(self._state), LineItems(self._state), Transactions(self._state)
        route = self._route
        return [
            route("POST", "/import/customers/{uuid}/invoices", invoices.create),
            route("GET", "/import/customers/{uuid}/invoices", invoices.list_of_customer),
            route("GET", "/invoices", invoices.list),
            *self._record_routes("/invoices", invoices),
            route("POST", "/import/invoices/{uuid}/line_items", lines.create),
            route("POST", "/invoices/{uuid}/line_items", lines.create),
            route("GET", "/line_items", lines.retrieve),
            *self._record_routes("/line_items", lines),
            route("POST", "/import/invoices/{uuid}/transactions", transactions.create),
            route("GET", "/transactions", transactions.retrieve),
            *self._record_routes("/transactions", transactions),
            route("PUT", "/data_sources/{uuid}/invoices/{external_id:path}/status", invoices.update_status),
        ]

    def _record_routes(self, path: str, records: Invoices | LineItems | Transactions) -> list[Route]:
        """By uuid in the path, or by `data_source_uuid` and `external_id` in the query."""
        route = self._route
        return [
            route("PATCH", path, self._unchanged(records.update, records.retrieve)),
            route("DELETE", path, records.destroy),
            route("PATCH", f"{path}/disabled_state", records.disable),
            route("GET", f"{path}/{{uuid}}", records.retrieve),
            route("PATCH", f"{path}/{{uuid}}", self._unchanged(records.update, records.retrieve)),
            route("DELETE", f"{path}/{{uuid}}", records.destroy),
            route("PATCH", f"{path}/{{uuid}}/disabled_state", records.disable),
        ]

    def _unchanged(self, update: Handler, retrieve: Handler, *, unknown_too: bool = False) -> Handler:
        """A change that may be answered 304 where it changes nothing, `unknown_too`: since there is no such object."""

        def change(call: Call) -> Answer:
            if self._state.settings.chose("unchanged_patch", "200"):
                return update(call)
            try:
                before = retrieve(call).body
            except ApiError:
                if unknown_too:
                    return NOT_MODIFIED
                raise
            answer = update(call)
            return NOT_MODIFIED if before | {"updated_at": 0} == answer.body | {"updated_at": 0} else answer

        return change

    def _customer_routes(self, customers: Customers, movements: Movements) -> list[Route]:
        attributes, merges = Attributes(self._state, customers), Merges(self._state)
        subscriptions = Subscriptions(self._state, customers)
        activities = Activities(self._state, movements, customers)
        route = self._route
        return [
            route("POST", "/customers", customers.create),
            route("GET", "/customers", customers.list),
            route("GET", "/customers/search", customers.search),
            route("POST", "/customers/merges", merges.merge),
            route("POST", "/customers/unmerges", merges.unmerge),
            route("POST", "/customers/attributes/tags", attributes.add_tags_by_email),
            route("POST", "/customers/attributes/custom", attributes.set_custom_by_email),
            route("GET", "/customers/{uuid}", customers.retrieve),
            route("PATCH", "/customers/{uuid}", self._unchanged(customers.update, customers.retrieve)),
            route("DELETE", "/customers/{uuid}", customers.destroy),
            route("GET", "/customers/{uuid}/attributes", attributes.retrieve),
            route("POST", "/customers/{uuid}/attributes/tags", attributes.add_tags),
            route("DELETE", "/customers/{uuid}/attributes/tags", attributes.remove_tags),
            route("POST", "/customers/{uuid}/attributes/custom", attributes.set_custom),
            route("PUT", "/customers/{uuid}/attributes/custom", attributes.set_custom),
            route("DELETE", "/customers/{uuid}/attributes/custom", attributes.remove_custom),
            route("GET", "/customers/{uuid}/subscriptions", subscriptions.list),
            route("POST", "/customers/{uuid}/connect_subscriptions", subscriptions.connect),
            route("POST", "/customers/{uuid}/disconnect_subscriptions", subscriptions.connect),
            route("GET", "/customers/{uuid}/activities", activities.list_of_customer),
            route("GET", "/activities", activities.list),
            route("GET", "/import/customers/{uuid}/subscriptions", subscriptions.list_imported),
            route("PATCH", "/import/subscriptions/{uuid}", subscriptions.update),
        ]

    def _event_and_plan_routes(self) -> list[Route]:
        events, plans = Events(self._state), Plans(self._state)
        route = self._route
        return [
            route("POST", "/subscription_events", events.create),
            route("GET", "/subscription_events", events.list),
            route("PATCH", "/subscription_events", self._unchanged(events.update, events.show_named)),
            route("DELETE", "/subscription_events", events.destroy),
            route("PATCH", "/subscription_events/disabled_state", events.disable),
            route("PATCH", "/subscription_events/{id}/disabled_state", events.disable),
            route("POST", "/plans", plans.create),
            route("GET", "/plans", plans.list),
            route("GET", "/plans/{uuid}", plans.retrieve),
            route("PATCH", "/plans/{uuid}", self._unchanged(plans.update, plans.retrieve, unknown_too=True)),
            route("DELETE", "/plans/{uuid}", plans.destroy),
        ]

    def _source_routes(self) -> list[Route]:
        sources, route = DataSources(self._state), self._route
        of_customer = "/data_sources/{uuid}/customers/{customer_uuid}/invoices"
        return [
            route("POST", "/data_sources", sources.create),
            route("GET", "/data_sources", sources.list),
            route("GET", "/data_sources/{uuid}", sources.retrieve),
            route("DELETE", "/data_sources/{uuid}", sources.destroy),
            route("DELETE", "/data_sources/{uuid}/all", sources.empty),
            route("DELETE", "/data_sources/{uuid}/dependent", sources.empty_dependent),
            route("DELETE", of_customer, sources.destroy_customer_invoices),
            route("POST", "/data_sources/{uuid}/json_imports", self._imports.create),
            route("GET", "/data_sources/{uuid}/json_imports/{id:path}", self._imports.retrieve),
        ]

    def _metric_routes(self, metrics: Metrics) -> list[Route]:
        paths = {name: name for name in METRICS} | {"customers": "customer-count"}
        return [
            self._route("GET", "/metrics/all", metrics.all),
            *(self._route("GET", f"/metrics/{path}", metrics.one(name)) for name, path in paths.items()),
        ]


def _ping(_: Call) -> Answer:
    return Answer({"data": "pong!"})
