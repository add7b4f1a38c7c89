"""A run from the complete inbox to the STATE: map, plan, guard, apply, remember."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from target_chartmogul import exit_codes, guards
from target_chartmogul.apply import Applier
from target_chartmogul.change_store import PLANS_LANE, ChangeStore
from target_chartmogul.chartmogul import errors
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.config import Settings
from target_chartmogul.data_source import create_source, find_source, has_customers
from target_chartmogul.failures import (
    CredentialsError,
    LedgerError,
    RefusedError,
    ServiceError,
    TargetChartMogulError,
)
from target_chartmogul.grouping import Groups
from target_chartmogul.inbox import CATALOG_STREAMS
from target_chartmogul.intake import Intake
from target_chartmogul.keap.group import Arrived, Note
from target_chartmogul.ledger import Ledger
from target_chartmogul.ledger_store import LedgerStore
from target_chartmogul.planning import Planner, instant_text
from target_chartmogul.rebuilding import bring_up_to_date
from target_chartmogul.run_journal import RunJournal
from target_chartmogul.run_record import RunRecord
from target_chartmogul.settling import Settling
from target_chartmogul.state import StateKeeper
from target_chartmogul.stopping import StopSwitch

logger = logging.getLogger("target-chartmogul")
T = TypeVar("T")


class Run:
    """One run of the target: `begin` before records arrive, `finish` when all are there, `close` in any case.

    Args:
        settings: checked.
        intake: the records.
        state: the tap's STATE.
        stop: ends the run early.
    """

    def __init__(self, settings: Settings, intake: Intake, state: StateKeeper, stop: StopSwitch) -> None:
        self.settings = settings
        self._intake = intake
        self._state = state
        self._stop = stop
        self._store = LedgerStore(settings.ledger_path, dry_run=settings.dry_run)
        self._client: ChartMogulClient | None = None
        self._source: str | None = None
        self.record = RunRecord(settings.accepted_rejects)

    def begin(self) -> None:
        """Lock the ledger, check key and data source; nothing is written.

        Raises:
            TargetChartMogulError: each kind with its exit code.
        """
        self._store.open()
        self._client = ChartMogulClient(
            self.settings.api_key,
            self.settings.api_url,
            gate=RequestGate(self._store.folder, f"{self.settings.api_url} {self.settings.api_key}"),
            stop=self._stop.event,
        )
        client = self._client
        self._source = self._translated(lambda: find_source(client, self.settings))

    def finish(self) -> int:
        """Make ChartMogul hold what the records ask for, and emit the STATE.

        Returns:
            The exit code: 0, or that of a run with rejects.

        Raises:
            TargetChartMogulError: each kind with its exit code.
        """
        return self._translated(self._finish)

    def close(self) -> None:
        """Disconnect and unlock."""
        if self._client is not None:
            self._client.close()
        self._store.close()

    # -- the steps of a run

    def _finish(self) -> int:
        ledger, client = self._store.ledger, self._client
        if ledger is None or client is None:
            raise TargetChartMogulError("a run was finished that never began")
        self._stop.check()
        for reject in self._intake.rejects:
            self.record.reject(reject)
        known_source = ledger.get("data_source_uuid")
        self._refuse(guards.other_source(ledger_uuid=known_source, found_uuid=self._source))
        listing = Listing(client, self._wire(self._source)) if self._source else None
        rebuilt = bring_up_to_date(ledger, listing, self._source, self.settings)
        store = ChangeStore(self._intake.folder / "changes.sqlite")
        settling = self._plan(ledger, store, rebuilt=rebuilt)
        self._guard(ledger, client, store)
        if self.settings.dry_run:
            self._tell(store)
            return self._code()
        failure = self._apply(ledger, client, store)
        unfinished = settling.settle(ledger.lanes_done, self._state)
        self._store.save()
        if not self.settings.mapping.only_contacts:
            self._state.emit()
        self._tell(store)
        if failure is not None:
            raise failure
        stopped = self._stop.reason()
        if unfinished and stopped is not None:
            raise stopped
        return self._code()

    def _plan(self, ledger: Ledger, store: ChangeStore, *, rebuilt: bool) -> Settling:
        inbox, mapping = self._intake.inbox, self.settings.mapping
        inbox.put_kept(row for row in ledger.kept_rows() if row.stream not in self._intake.whole)
        inbox.attach(ledger.path)
        arrived = Arrived(
            subscriptions_whole="subscriptions" in self._intake.whole, orders_whole="orders" in self._intake.whole
        )
        now = self.settings.now or datetime.now(UTC)
        groups = Groups(inbox)
        if self._is_steady(ledger) and not rebuilt:
            groups.mark_changed(
                instant_text(now),
                subscriptions_whole=arrived.subscriptions_whole,
                orders_whole=arrived.orders_whole and mapping.hard_delete,
            )
        else:
            groups.mark_all()
        if mapping.only_contacts:
            groups.keep_only([int(each) for each in mapping.only_contacts if each.isdecimal()])
        groups.gather()
        settling = Settling(inbox, ledger, lasting=self._store.lasting)
        planner = Planner(inbox, ledger, groups, store, self.record, mapping, arrived, now)
        for outcome in planner.plan():
            self._stop.check()
            settling.take(outcome)
        self._memories = planner.memories
        return settling

    def _is_steady(self, ledger: Ledger) -> bool:
        """Whether settings and catalog are those of the last run, so that unchanged groups need not be decided again.

        Settings that differ are told (rule 1.10).
        """
        settings = msgspec.json.encode(self.settings.mapping).decode()
        before = ledger.get("settings")
        catalog = self._intake.inbox.content_fingerprint(CATALOG_STREAMS)
        same = before == settings and ledger.get("catalog") == catalog and not self.settings.mapping.resend
        if before is not None and before != settings:
            old, new = msgspec.json.decode(before), msgspec.json.decode(settings)
            changed = sorted(name for name in {**old, **new} if old.get(name) != new.get(name))
            logger.warning(
                "Settings differ from the last run's (%s): older invoices keep what earlier settings made of them "
                "until Keap is read from the beginning (--full-refresh).",
                ", ".join(changed),
            )
            self.record.note(Note(kind="settings_changed", id="", rule="1.10", detail={"settings": changed}))
        self._fingerprints = {"settings": settings, "catalog": catalog}
        return same

    def _guard(self, ledger: Ledger, client: ChartMogulClient, store: ChangeStore) -> None:
        """Rule 1.7, before the first write."""
        held = ledger.held_counts()
        vanished = sum(note.kind == "vanished_subscriptions" for note in self.record.notes)
        found = guards.too_many_deletes(store.counts, vanished, held, self.settings.max_delete_share)
        objects = sum(held.get(kind, 0) for kind in ("customer", "invoice", "event"))
        found += guards.empty_source_after_state(incremental=self._state.incremental, objects_held=objects)
        if self._source is not None and not held.get("customer"):
            found += guards.foreign_prefix(
                customers=int(has_customers(client, self._source)),
                customers_of_ours=0,
                prefix=self.settings.external_id_prefix,
            )
        self._refuse(found)

    def _refuse(self, found: list[str]) -> None:
        self.record.guards += found
        if not found:
            return
        text = "; ".join(found)
        if self.settings.force or self.settings.dry_run:
            logger.warning("Without `force` a run would stop here: %s", text)
            return
        raise RefusedError(f"stopped before the first write: {text}. Nothing was written; `force: true` does it")

    def _apply(self, ledger: Ledger, client: ChartMogulClient, store: ChangeStore) -> TargetChartMogulError | None:
        """Carry out the plan; what ended it early, if anything did."""
        if len(store) and self._source is None:
            self._source = create_source(client, self.settings)
            ledger.put("data_source_uuid", self._source)
        self._stop.interruptible = False
        self._stop.start_clock()
        with ledger.transaction():
            for contacts, facts, due in self._memories:
                ledger.remember(contacts, facts, due)
        failure: TargetChartMogulError | None = None
        if len(store) and self._source is not None:
            self._store.begin_writing()
            applier = Applier(client, self._wire(self._source), RunJournal(ledger, self.record))
            try:
                applier.apply_plans(store.lane(PLANS_LANE))
                applier.apply_lanes(store.lanes(after=PLANS_LANE))
            except errors.ChartMogulError as error:
                failure = _translate(error)
        for key, value in self._fingerprints.items():
            ledger.put(key, value)
        return failure

    # -- helpers

    def _wire(self, source: str | None) -> Wire:
        mapping = self.settings.mapping
        return Wire(
            self.settings.external_id_prefix,
            source or "",
            own_tags=frozenset(mapping.customer_tags.values()),
            own_attributes=frozenset(mapping.customer_attributes.values()),
        )

    def _code(self) -> int:
        return exit_codes.REJECTS if self.record.has_rejects else exit_codes.OK

    def _tell(self, store: ChangeStore) -> None:
        """The summary in the log (rule 7.1)."""
        for reject in self.record.rejects[:20]:
            logger.warning("Rejected %s %s: %s %s", reject.stream, reject.id, reject.field, reject.reason)
        for each in self.record.refusals[:20]:
            logger.warning(
                "ChartMogul refused %s of %s %s: %s %s %s",
                *(each.action, each.kind, each.external_id, each.status, each.field, each.reason),
            )
        verb = "Would write" if self.settings.dry_run else "Written"
        written = {
            action: sum(number for (each, _, _), number in store.counts.items() if each == action)
            if self.settings.dry_run
            else self.record.written(action)
            for action in ("create", "update", "delete")
        }
        logger.info(
            "%s: %d created, %d updated, %d deleted; %d rejected, %d refused, %d held",
            verb,
            *written.values(),
            len(self.record.rejects),
            len(self.record.refusals),
            len(self.record.holds),
        )

    def _translated(self, step: Callable[[], T]) -> T:
        """Run a step; what ChartMogul or SQLite raises becomes a failure with an exit code."""
        try:
            return step()
        except errors.ChartMogulError as error:
            stopped = self._stop.reason() if isinstance(error, errors.StoppedError) else None
            raise stopped or _translate(error) from None
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger or the inbox cannot be written or read: {error}") from None


def _translate(error: errors.ChartMogulError) -> TargetChartMogulError:
    if isinstance(error, errors.CredentialsError):
        return CredentialsError(str(error))
    return ServiceError(str(error))
