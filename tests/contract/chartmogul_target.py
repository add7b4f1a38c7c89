"""A data source of the sandbox and an applier for it, for the contract tests of apply."""

from __future__ import annotations

from target_chartmogul.apply.lanes import Applier
from target_chartmogul.billing.differences import invoice_changes
from target_chartmogul.billing.normal import same
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from tests.support.billing_objects import PLAN, customer
from tests.support.memory_journal import MemoryJournal, create, root_of

NOW = "2026-01-15T00:00:00Z"


class Target:
    """A data source of the sandbox and an applier for it."""

    def __init__(self, sandbox, prefix="", **options):
        self.sandbox = sandbox
        sandbox.clock(NOW)
        sandbox.no_limits(("chartmogul",))
        self.client = ChartMogulClient(
            sandbox.chartmogul_api_key,
            sandbox.chartmogul_url,
            gate=RequestGate(per_second=100_000),
            read_timeout=2,
            **options,
        )
        self.source = self.client.post("/data_sources", {"name": "Keap"})["uuid"]
        self.wire = Wire(prefix, self.source, own_tags=frozenset({"vip"}), own_attributes=frozenset({"size"}))
        self.journal = MemoryJournal()
        self.applier = Applier(self.client, self.wire, self.journal, root_of, workers=4)
        self.listing = Listing(self.client, self.wire)

    def run(self, *lanes):
        self.applier.apply_lanes(enumerate(lanes))

    def start(self, *, members=1):
        self.applier.apply_plans([create("plan", PLAN)])
        self.run(*([create("customer", customer(number))] for number in range(1, members + 1)))
        assert not self.journal.refusals

    def held(self, kind, external_id):
        found = self.listing.find(kind, external_id)
        return found.content if found else None

    def change(self, held, desired):
        self.run(invoice_changes(held, desired))
        assert not self.journal.refusals
        assert same(self.held("invoice", desired.external_id), desired)

    def writes(self):
        return [(entry["method"], entry["path"].removeprefix("/chartmogul/v1")) for entry in self.sandbox.writes()]
