"""A run from the first stream to the STATE: read the account, map, plan, guard, apply, remember, report."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from target_chartmogul import exit_codes
from target_chartmogul.apply.bulk import BulkLoader, loads_in_bulk
from target_chartmogul.apply.lanes import Applier, Lane
from target_chartmogul.apply.run_journal import RunJournal
from target_chartmogul.billing.decisions import Note
from target_chartmogul.chartmogul import errors
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import DataSource, create_data_source, find_data_source
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.json_imports import JsonImports
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.checks import preflight
from target_chartmogul.failures import (
    ConfigurationError,
    CredentialsError,
    LedgerError,
    RefusedError,
    ServiceError,
    StoppedError,
    TargetChartMogulError,
    TimeUpError,
)
from target_chartmogul.ledger.grouping import Groups
from target_chartmogul.ledger.inbox import CATALOG_STREAMS
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.ledger.memories import forget_after, remember_before
from target_chartmogul.ledger.place import LedgerStore
from target_chartmogul.ledger.rebuilding import bring_up_to_date, is_trusted
from target_chartmogul.ledger.settling import Settling
from target_chartmogul.plan import guards
from target_chartmogul.plan.change_file import PLANS_LANE, ChangeStore
from target_chartmogul.plan.planner import Planner, instant_text
from target_chartmogul.plan.vanished import Vanished
from target_chartmogul.report.account import tell_account, tell_rehearsal
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.report.document import json_path
from target_chartmogul.settings import Settings
from target_chartmogul.singer.intake import Intake
from target_chartmogul.singer.state import StateKeeper
from target_chartmogul.sources.keap.account import Arrived
from target_chartmogul.stopping import StopSwitch

if TYPE_CHECKING:
    from target_chartmogul.sources.native.planning import ShapedSettling

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
        started = datetime.now(UTC)
        self.settings = settings
        self.now = settings.now or started
        self._intake = intake
        self._state = state
        self._stop = stop
        self._store = LedgerStore(settings.ledger_path, dry_run=settings.dry_run)
        self._client: ChartMogulClient | None = None
        self._source: DataSource | None = None
        self._source_was_seen = False
        self._findings: list[preflight.Finding] = []
        self._report = ReportBuilder(
            started=started, now=self.now, dry_run=settings.dry_run, accepted=settings.accepted_rejects
        )

    def begin(self) -> None:
        """Lock the ledger, check the key, find the data source, read the account's settings; nothing is written.

        Raises:
            TargetChartMogulError: each kind with its exit code.
        """
        self._reported(self._begin)

    def finish(self) -> int:
        """Make ChartMogul hold what the records ask for, and emit the STATE.

        Returns:
            The exit code: 0, or that of a run with rejects.

        Raises:
            TargetChartMogulError: each kind with its exit code.
        """
        code = self._reported(self._finish)
        self._write_report("finished", code)
        return code

    def close(self) -> None:
        """Disconnect and unlock."""
        if self._client is not None:
            self._client.close()
        self._store.close()
        self._report.close()

    # -- the steps of a run

    def _begin(self) -> None:
        self._store.open()
        self._client = client = ChartMogulClient(
            self.settings.api_key,
            self.settings.api_url,
            gate=RequestGate(self._store.folder, f"{self.settings.api_url} {self.settings.api_key}"),
            stop=self._stop.event,
            read_timeout=self.settings.request_timeout,
        )
        preflight.check_key(client)
        try:
            self._source = find_data_source(
                client, name=self.settings.data_source_name, uuid=self.settings.data_source_uuid
            )
        except errors.RefusedError:
            raise ConfigurationError("setting `data_source_uuid`: this key sees no such data source") from None
        account = preflight.read_account(client)
        mapping = self.settings.mapping
        findings = preflight.examine(
            account, self._source, unpaid_orders=mapping.unpaid_orders, full_refund=mapping.full_refund
        )
        self._findings = findings
        self._report.section("preflight", {"account": account, "findings": findings})
        mismatch = preflight.judge_churn_setting(account, self.settings.on_churn_setting_mismatch)
        if mismatch is not None:
            logger.warning("%s", mismatch)

    def _finish(self) -> int:
        ledger, client = self._store.ledger, self._client
        if ledger is None or client is None:
            raise TargetChartMogulError("a run was finished that never began")
        self._stop.check()
        for reject in self._intake.rejects:
            self._report.reject(reject)
        uuid = self._source.uuid if self._source else None
        if not ledger.claim(shaped=bool(self._intake.shaped)):
            raise ConfigurationError(
                "the ledger belongs to runs of the other kind of streams (Keap's, or ChartMogul's objects): give these "
                "a `ledger_path` and an `external_id_prefix` of their own"
            )
        self._refuse(guards.other_source(ledger_uuid=ledger.get("data_source_uuid"), found_uuid=uuid))
        listing = Listing(client, self._wire(uuid)) if uuid else None
        self._distrust_older_ledger(ledger)
        self._source_was_seen = is_trusted(ledger, uuid, self.settings)
        if uuid and (not self._source_was_seen or ledger.get("importing")):
            # What an earlier run left under way must have landed before ChartMogul's content is read.
            last = JsonImports(client, self._wire(uuid)).finish_earlier(int(ledger.get("imports") or 0))
            ledger.put("imports", str(last))
            ledger.put("importing", None)
        rebuilt = bring_up_to_date(ledger, listing, uuid, self.settings)
        self._report.held_before(ledger.held_counts())
        with ChangeStore(self._intake.folder / "changes.sqlite") as store:
            return self._carry_out(ledger, client, store, rebuilt=rebuilt)

    def _carry_out(self, ledger: Ledger, client: ChartMogulClient, store: ChangeStore, *, rebuilt: bool) -> int:
        vanished, settling, fingerprints = self._planned(ledger, store, rebuilt=rebuilt)
        new = store.created_customers(preflight.SAMPLE)
        elsewhere = preflight.find_same_contacts(client, self._source, new, self.settings.external_id_prefix)
        if elsewhere is not None:
            logger.warning("%s", elsewhere)
            self._findings.append(elsewhere)
        self._guard(ledger, client, store, vanished)
        if self.settings.dry_run:
            tell_rehearsal(ledger, self._report, store, self.now)
            return self._code()
        failure = self._apply(ledger, client, store)
        self._intake.progress.end()
        forget_after(ledger, store)
        unfinished = settling.settle(ledger.lanes_done, self._state)
        if not self.settings.mapping.only_contacts:
            for key, value in fingerprints.items():
                ledger.put(key, value)
            ledger.put("bookmarks", msgspec.json.encode(self._state.bookmarks()).decode())
        self._store.save()
        self._emit_state(ledger)
        if self.settings.report_path is not None:
            tell_account(ledger, self._report, self.now)
        stopped = self._stop.reason()
        if failure is None and (unfinished or isinstance(stopped, StoppedError)):
            failure = stopped
        if failure is not None:
            raise failure
        return self._code()

    def _distrust_older_ledger(self, ledger: Ledger) -> None:
        """A ledger that was brought back from an older copy does not know what runs have written since (rule 1.6).

        Such a run began from a later bookmark than the ledger has ever told.
        """
        told = ledger.get("bookmarks")
        if told is None or not self._state.began_after(msgspec.json.decode(told)):
            return
        logger.warning("The ledger is older than the state that this run began with; it is rebuilt from ChartMogul.")
        ledger.put("complete", None)
        ledger.release(ledger.kept())

    def _emit_state(self, ledger: Ledger) -> None:
        """Pass the tap's STATE on, unless its bookmarks would say more than anything here does.

        A read that was broken off before its first order leaves the data source empty. With a state and without a
        ledger the next run could not tell that from a source that was emptied (rule 1.7); so it begins anew.
        """
        if self.settings.mapping.only_contacts:
            return
        if self._store.lasting or any(ledger.held_counts().get(kind) for kind in ("customer", "invoice", "event")):
            self._state.emit()
        else:
            logger.info("ChartMogul holds nothing of this yet: no state is passed on, the next run begins anew.")

    def _planned(
        self, ledger: Ledger, store: ChangeStore, *, rebuilt: bool
    ) -> tuple[Vanished, Settling | ShapedSettling, dict[str, str]]:
        """What is left of planning: the planner's memory goes before the writing begins."""
        if not self._intake.shaped:
            return self._plan(ledger, store, rebuilt=rebuilt)
        from target_chartmogul.sources.native.run import plan_shaped  # noqa: PLC0415  what Keap's streams do not need

        inbox = self._intake.open_shaped_inbox(self.settings.external_id_prefix)
        planner, settling = plan_shaped(
            inbox,
            ledger,
            store,
            self._report,
            rejects=self._intake.rejects,
            hard_delete=self.settings.mapping.hard_delete,
            lasting=self._store.lasting,
            now=self.now,
            check=self._stop.check,
        )
        return planner.vanished, settling, {}

    def _plan(self, ledger: Ledger, store: ChangeStore, *, rebuilt: bool) -> tuple[Vanished, Settling, dict[str, str]]:
        inbox, mapping, whole = self._intake.inbox, self.settings.mapping, self._intake.whole
        inbox.put_kept(row for row in ledger.kept_rows() if row.stream not in whole)
        inbox.attach(ledger.path)
        arrived = Arrived(subscriptions_whole="subscriptions" in whole, orders_whole="orders" in whole)
        groups = Groups(inbox)
        fingerprints = {
            "settings": msgspec.json.encode(msgspec.structs.replace(mapping, only_contacts=(), resend=False)).decode(),
            "catalog": inbox.content_fingerprint(CATALOG_STREAMS),
        }
        if not rebuilt and self._is_steady(ledger, fingerprints):
            groups.mark_changed(
                instant_text(self.now),
                subscriptions_whole=arrived.subscriptions_whole,
                orders_whole=arrived.orders_whole and mapping.hard_delete,
            )
        else:
            groups.mark_all()
        if mapping.only_contacts:
            groups.keep_only([int(each) for each in mapping.only_contacts if each.isdecimal()])
        groups.gather()
        settling = Settling(inbox, ledger, lasting=self._store.lasting)
        planner = Planner(inbox, ledger, groups, store, self._report, mapping, arrived, self.now)
        with inbox.transaction():
            self._intake.progress.begin("planned", "groups")
            for outcome in planner.plan():
                self._stop.check()
                settling.take(outcome)
                self._intake.progress.advance()
        inbox.rest()
        return planner.vanished, settling, fingerprints

    def _is_steady(self, ledger: Ledger, fingerprints: Mapping[str, str]) -> bool:
        """Whether settings and catalog are those of the last run, so that unchanged groups need not be decided again.

        Settings that differ are told (rule 1.10).
        """
        before = ledger.get("settings")
        if before is not None and before != fingerprints["settings"]:
            old, new = msgspec.json.decode(before), msgspec.json.decode(fingerprints["settings"])
            changed = sorted(name for name in {**old, **new} if old.get(name) != new.get(name))
            logger.warning(
                "Settings differ from the last run's (%s): older invoices keep what earlier settings made of them "
                "until Keap is read from the beginning (--full-refresh).",
                ", ".join(changed),
            )
            self._report.note(Note(kind="settings_changed", id="", rule="1.10", detail={"settings": changed}))
        return all(ledger.get(key) == value for key, value in fingerprints.items()) and not self.settings.mapping.resend

    def _guard(self, ledger: Ledger, client: ChartMogulClient, store: ChangeStore, vanished: Vanished) -> None:
        """Rule 1.7, before the first write."""
        held = ledger.held_counts()
        share = self.settings.max_delete_share
        found = guards.too_many_deletes(store.counts, held, share)
        found += guards.too_many_vanished(vanished, held.get("subscription", 0), share)
        objects = sum(held.get(kind, 0) for kind in ("customer", "invoice", "event"))
        found += guards.cut_off(
            orders=self._intake.inbox.arrived["orders"],
            payments_began="payments" in self._intake.began,
            transactions_held=held.get("transaction", 0),
        )
        if not self._source_was_seen:
            found += guards.empty_source_after_state(incremental=self._state.incremental, objects_held=objects)
        if self._source is not None and not held.get("customer"):
            anyone = client.get("/customers", {"data_source_uuid": self._source.uuid, "per_page": 1})
            found += guards.foreign_prefix(
                customers=len(anyone.get("entries") or ()),
                customers_of_ours=0,
                prefix=self.settings.external_id_prefix,
            )
        self._refuse(found)

    def _refuse(self, found: list[str]) -> None:
        self._report.guards += found
        if not found:
            return
        text = "; ".join(found)
        if self.settings.force or self.settings.dry_run:
            logger.warning("Without `force` a run would stop here: %s", text)
            return
        raise RefusedError(f"stopped before the first write: {text}. Nothing was written; `force: true` does it")

    def _apply(self, ledger: Ledger, client: ChartMogulClient, store: ChangeStore) -> TargetChartMogulError | None:
        """Carry out the plan; what ended it early, if anything did."""
        if len(store):
            preflight.check_writable(client)
            if self._source is None:
                self._source = create_data_source(client, self.settings.data_source_name)
                ledger.put("data_source_uuid", self._source.uuid)
        self._stop.interruptible = False
        self._stop.start_clock()
        remember_before(ledger, store)
        if not len(store) or self._source is None:
            return None
        bulk = loads_in_bulk(self.settings.load_method, store.counts["create", "customer", False])
        ledger.put("importing", "1" if bulk else None)
        self._store.begin_writing()
        progress = self._intake.progress
        progress.begin("sent", "changes", len(store))
        wire, journal = self._wire(self._source.uuid), RunJournal(ledger, self._report, progress)
        applier = Applier(client, wire, journal)
        lanes: Iterable[Lane] = store.lanes(after=PLANS_LANE)
        try:
            applier.apply_plans(store.lane(PLANS_LANE))
            if bulk:
                imports = JsonImports(client, wire, after=int(ledger.get("imports") or 0))
                with BulkLoader(client, wire, journal, imports, self._intake.folder / "bulk.sqlite") as loader:
                    loader.load(lanes)
                    ledger.put("imports", str(imports.last))
                    ledger.put("importing", None)
                    applier.apply_lanes(loader.leftovers(store.lane))
            else:
                applier.apply_lanes(lanes)
        except errors.StoppedError:
            return None
        except errors.ChartMogulError as error:
            return _translate(error)
        return None

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
        return exit_codes.REJECTS if self._report.has_rejects else exit_codes.OK

    def _reported(self, step: Callable[[], T]) -> T:
        """Run a step; what ends it becomes a failure with an exit code, and is in the report."""
        try:
            return self._translated(step)
        except TargetChartMogulError as failure:
            outcome = "failed"
            if isinstance(failure, StoppedError | TimeUpError):
                outcome = "stopped"
            elif isinstance(failure, RefusedError):
                outcome = "refused"
            self._write_report(outcome, failure.exit_code)
            raise

    def _translated(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except errors.ChartMogulError as error:
            stopped = self._stop.reason() if isinstance(error, errors.StoppedError) else None
            raise stopped or _translate(error) from None
        except sqlite3.Error as error:
            # A signal that arrives inside a query ends it with an error of SQLite's.
            stopped = self._stop.reason() if self._stop.interruptible else None
            raise stopped or LedgerError(
                f"the ledger or a scratch file cannot be written or read: {error}; is the disk full?"
            ) from None

    def _write_report(self, outcome: str, exit_code: int) -> None:
        """The summary in the log and, where a path is set, the report (rule 7.1)."""
        for line in self._report.summary():
            logger.info("%s", line)
        if self.settings.report_path is None:
            return
        self._report.section("requests", self._client.traffic if self._client else {})
        self._report.section("records", self._intake.arrived)
        self._report.section("settings", self._told_settings())
        if self._source is not None:
            self._report.section("data_source", {"uuid": self._source.uuid, "name": self._source.name})
        try:
            written = json_path(self.settings.report_path)
            self._report.write(written, outcome=outcome, exit_code=exit_code)
            if written != Path(self.settings.report_path):
                from target_chartmogul.report.page import write_page  # noqa: PLC0415 - only runs with a page need it

                write_page(written, Path(self.settings.report_path))
        except OSError as error:
            logger.error("The report cannot be written: %s", error.strerror)  # noqa: TRY400

    def _told_settings(self) -> dict[str, Any]:
        """Those that differ from their defaults, but for the key and for texts that may be personal."""
        told: dict[str, Any] = msgspec.to_builtins(self.settings.mapping)
        defaults = msgspec.to_builtins(type(self.settings.mapping)())
        return {name: value for name, value in told.items() if value != defaults[name]}


def _translate(error: errors.ChartMogulError) -> TargetChartMogulError:
    if isinstance(error, errors.CredentialsError):
        return CredentialsError(str(error))
    return ServiceError(str(error))
