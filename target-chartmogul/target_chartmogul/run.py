"""A whole run: begin, read, decide, guard, apply, remember, report."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from target_chartmogul import exit_codes
from target_chartmogul.apply.applying import apply_plan, remember
from target_chartmogul.apply.catching_up import (
    begin_anew,
    bring_up_to_date,
    created,
    remember_processed,
    send_failed_again,
)
from target_chartmogul.apply.journal import RunJournal
from target_chartmogul.apply.opening import DATA_SOURCE, claim, data_source_of, failure_of, nodes_of
from target_chartmogul.billing.changes import Kind
from target_chartmogul.billing.decisions import Reject
from target_chartmogul.billing.nodes import is_of_accounts
from target_chartmogul.chartmogul import errors
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import DataSource, create_data_source
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.checks import preflight
from target_chartmogul.checks.first_look import FirstLook
from target_chartmogul.failures import (
    RefusedError,
    RejectsError,
    StoppedError,
    TargetChartMogulError,
    UnfinishedError,
)
from target_chartmogul.plan import guards
from target_chartmogul.plan.change_file import ChangeFile
from target_chartmogul.plan.deciding import (
    Plan,
    accidents,
    changed_names,
    decide,
    pending_names,
    put_in_force,
    settings_note,
)
from target_chartmogul.plan.settings_in_force import fill_from_account
from target_chartmogul.report.builder import ReportBuilder
from target_chartmogul.report.place import ReportPlace
from target_chartmogul.report.saving import save_report
from target_chartmogul.report.whole_account import report_account
from target_chartmogul.settings import Settings, changed_from_defaults
from target_chartmogul.singer.intake import Intake
from target_chartmogul.singer.receiving import Received, Receiver
from target_chartmogul.singer.state import StateKeeper
from target_chartmogul.sources.protocol import Context, Source
from target_chartmogul.stopping import StopSwitch
from target_chartmogul.store.errors import StoreDamagedError, StoreError, store_errors
from target_chartmogul.store.place import StorePlace
from target_chartmogul.store.store import Store

logger = logging.getLogger("target-chartmogul")
T = TypeVar("T")

REHEARSAL = "REHEARSAL (`dry_run`): nothing will be written, neither to ChartMogul nor to the store."
COLLIDED = "is kept under the same number as another id: change it at the source"
REAL_RUN = "REAL RUN: what follows from the records will be written to ChartMogul."


class _Begun(msgspec.Struct, frozen=True):
    """What a run has once it began."""

    store: Store
    client: ChartMogulClient
    receiver: Receiver
    look: FirstLook


class Run:
    """One run of the target: `begin` before records arrive, `finish` when all are there, `close` in any case.

    Args:
        settings: checked.
        source: whose records come.
        intake: takes them.
        state: the tap's STATE.
        stop: ends the run early.
    """

    def __init__(
        self, settings: Settings, source: Source, intake: Intake, state: StateKeeper, stop: StopSwitch
    ) -> None:
        started = datetime.now(UTC)
        self.settings = settings
        self.now = settings.now or started
        self._source = source
        self._intake = intake
        self._state = state
        self._stop = stop
        self._report_place = ReportPlace(settings.report_path) if settings.report_path is not None else None
        self._place = StorePlace(
            settings.store_path,
            nodes_of(source),
            dry_run=settings.dry_run,
        )
        self._scratch = tempfile.TemporaryDirectory(prefix="target-chartmogul-")
        self._report = ReportBuilder(
            started=started,
            now=self.now,
            records_of=source.records_of,
            dry_run=settings.dry_run,
            accepted=settings.accepted_rejects,
        )
        self._begin_result: _Begun | None = None
        self._data_source: DataSource | None = None
        self._known_drift: frozenset[tuple[Kind, str, bool]] = frozenset()

    # -- the steps of a run

    def begin(self) -> None:
        """Lock the store, check the key, find the data source, read the account's settings; nothing is written.

        Raises:
            TargetChartMogulError: each kind with its exit code.
        """
        if self._report_place is not None:
            self._report_place.check()
        self._reported(self._begin)

    def finish(self) -> None:
        """Make ChartMogul hold what the records ask for.

        Raises:
            TargetChartMogulError: each kind with its exit code, also where the run is complete but for some records.
        """
        self._end(self._begun.receiver.finish)

    def sync(self) -> None:
        """Make ChartMogul hold what follows from the store alone: what is due, refused, or of changed settings (7.4).

        Raises:
            TargetChartMogulError: each kind with its exit code, also where the run is complete but for some records.
        """
        self._end(self._begun.receiver.without_input)

    def _end(self, receive: Callable[[], Received]) -> None:
        ending = self._reported(lambda: self._finish(receive))
        where = self._write_report("finished", ending.exit_code if ending else exit_codes.OK)
        for line in self._report.mrr_now():
            logger.info("%s", line)
        if ending is not None:
            ending.report = where
            raise ending
        logger.info("%s", where)
        logger.info("Done: %s.", self._report.totals())

    def _begin(self) -> None:
        settings = self.settings
        logger.info("%s", REHEARSAL if settings.dry_run else REAL_RUN)
        store = self._opened()
        self._intake.open(store)
        meeting = self._place.folder
        client = ChartMogulClient(
            settings.api_key,
            settings.api_url,
            # A rehearsal before the first run has no folder, and makes none (rule 1.9).
            gate=RequestGate(
                meeting if meeting and meeting.is_dir() else None, f"{settings.api_url} {settings.api_key}"
            ),
            stop=self._stop.event,
            read_timeout=settings.request_timeout,
        )
        receiver = Receiver(self._place, store, self._intake, self._state, now=self.now, rehearsal=settings.dry_run)
        look = FirstLook(client, settings, self._report)
        self._begin_result = _Begun(store=store, client=client, receiver=receiver, look=look)
        preflight.check_key(client)
        self._data_source = data_source_of(client, settings)
        claim(store, self._source, settings)
        found = self._data_source.uuid if self._data_source else None
        self._refuse(guards.other_data_source(known=store.meta.get(DATA_SOURCE), found=found))
        self._begin_result.look.at_account(self._data_source)

    def _finish(self, receive: Callable[[], Received]) -> TargetChartMogulError | None:
        """Everything from the end of the input to the end of the run; what is left to be said of a complete one."""
        self._stop.check()
        begun = self._begun
        received = receive()
        if not received.ready:
            raise UnfinishedError(
                f"the first read is not complete yet, and nothing was decided or written; {self._kept}"
            )
        mapping = fill_from_account(self._source, begun.store, self.settings.mapping, self._report)
        self.settings = msgspec.structs.replace(self.settings, mapping=mapping)
        if not received.whole and (differing := changed_names(begun.store, self.settings.mapping)):
            raise UnfinishedError(
                f"the input was cut off, and these differ from the last run: {', '.join(sorted(differing))}; "
                f"nothing is decided or written until an input is complete; {self._kept}"
            )
        self._report_unplaced()
        self._catch_up()
        with ChangeFile(Path(self._scratch.name) / "changes.sqlite") as file:
            self._put_in_force()
            changed = pending_names(begun.store, self.now)
            plan = self._decide(received, file, changed)
            self._guard(plan, file, changed)
            if self.settings.dry_run:
                self._report_account(plan, file)
                return self._left(received)
            journal = self._journal()
            failure = self._apply(file, journal)
            unsent = remember(self._source, begun.store, file, journal, self.now)
            if failure is None and self._stop.reason() is None and self._data_source is not None:
                failure = self._send_failed_again(journal)
            self._remember_run(journal)
            self._report_account(plan, file)
        stopped = self._stop.reason()
        if failure is None and (unsent or isinstance(stopped, StoppedError)):
            failure = stopped
        if failure is not None:
            raise failure
        return self._left(received)

    def _report_unplaced(self) -> None:
        """Invalid rows that no account's notes name: those without an id, and those of no account (rule 1.5)."""
        for each in self._intake.rejects:
            self._report.reject(each)
        for number, name in self._begun.store.records.collided:
            self._report.reject(Reject(stream=self._source.streams[number], id=name, field="id", reason=COLLIDED))
        for record in self._begun.store.records.invalid():
            if record.invalid is not None and not is_of_accounts(record.stream):
                about = msgspec.json.decode(record.invalid)
                name = record.id_text or str(record.number)
                stream = self._source.streams[record.stream]
                self._report.reject(Reject(stream=stream, id=name, field=about["field"], reason=about["reason"]))

    def _report_account(self, plan: Plan, file: ChangeFile) -> None:
        report_account(
            self._report,
            self._begun.store,
            plan,
            file,
            self.now,
            rehearsed=self.settings.dry_run,
            known_drift=self._known_drift,
        )

    def _catch_up(self) -> None:
        """What ChartMogul has, where the store cannot know."""
        store, settings = self._begun.store, self.settings
        self._known_drift = frozenset(store.holdings.differing())
        if self._data_source is not None:
            bring_up_to_date(
                store, self._begun.client, self._wire(), self._source, self._data_source, settings, self.now
            )
        else:
            begin_anew(store)
        self._report.held_before(store.holdings.counts())

    def _put_in_force(self) -> None:
        """Settings that differ apply to every account (rule 1.10)."""
        differing = put_in_force(self._source, self._begun.store, self.settings.mapping)
        if differing:
            names = ", ".join(sorted(differing))
            logger.warning("These differ from the last run and apply to the whole account: %s", names)
            self._report.note(settings_note(differing))

    def _decide(self, received: Received, file: ChangeFile, changed: frozenset[str]) -> Plan:
        mapping = self.settings.mapping
        self._intake.progress.begin("decided", "accounts")
        return decide(
            self._source,
            self._begun.store,
            file,
            self._report,
            Context(settings=mapping, now=self.now, settings_changed=changed, complete_reads=received.complete_reads),
            cut=not received.whole,
            resend=mapping.resend,
            only=mapping.only_contacts,
            counts_figures=bool(changed) or self.settings.dry_run,
            check=self._stop.check,
            advance=self._intake.progress.advance,
        )

    def _guard(self, plan: Plan, file: ChangeFile, changed: frozenset[str]) -> None:
        """Rule 1.7, before the first write."""
        store, client = self._begun.store, self._begun.client
        new = file.created_customers(preflight.SAMPLE)
        self._begun.look.elsewhere(self._data_source, new)
        found = accidents(plan, file, store, self._source, self.settings.max_delete_share, changed, self.now)
        is_ours = store.holdings.counts().get("customer") or store.records.has_forgotten
        if self._data_source is not None and not is_ours:
            anyone = client.get("/customers", {"data_source_uuid": self._data_source.uuid, "per_page": 1})
            found += guards.foreign_prefix(
                customers=len(anyone.get("entries") or ()), prefix=self.settings.external_id_prefix
            )
        self._refuse(found)

    def _apply(self, file: ChangeFile, journal: RunJournal) -> TargetChartMogulError | None:
        """Carry out the plan; what ended it early, if anything did."""
        client, store = self._begun.client, self._begun.store
        self._stop.interruptible = False
        self._stop.start_clock()
        if not len(file):
            return None
        preflight.check_writable(client)
        if self._data_source is None:
            self._data_source = create_data_source(client, self.settings.data_source_name)
            self._begun.look.at_new(self._data_source)
            created(store, self._data_source, self.settings, self.now)
        store.meta.put(DATA_SOURCE, self._data_source.uuid)
        self._intake.progress.begin("sent", "changes", len(file))
        try:
            apply_plan(
                client,
                self._wire(),
                self._source,
                store,
                file,
                journal,
                load_method=self.settings.load_method,
                scratch=Path(self._scratch.name),
                save=self._place.begin_writing,
            )
        except errors.StoppedError:
            return None
        except errors.ChartMogulError as error:
            return failure_of(error)
        finally:
            self._intake.progress.end()
        return None

    def _send_failed_again(self, journal: RunJournal) -> TargetChartMogulError | None:
        """What ChartMogul found invalid after it had taken it; what ended that early, if anything did."""
        begun = self._begun
        try:
            send_failed_again(begun.store, begun.client, self._wire(), self._source, self._report, journal)
        except errors.StoppedError:
            return None
        except errors.ChartMogulError as error:
            return failure_of(error)
        return None

    def _remember_run(self, journal: RunJournal) -> None:
        store = self._begun.store
        if self._data_source is not None:
            remember_processed(store, self._begun.client, self._data_source, self._report, journal)
        self._place.save(unfinished=False)

    # -- helpers

    def state_passed(self) -> None:
        """The tap sent a STATE while records arrive."""
        self._reported(self._begun.receiver.state_passed)

    def check_state(self) -> None:
        """Before the first record: does the store hold what the tap's state says was read?"""
        self._reported(self._begun.receiver.check_state)

    def close(self) -> None:
        """Disconnect and unlock."""
        if self._begin_result is not None:
            self._begin_result.client.close()
        self._place.close()
        self._report.close()
        self._scratch.cleanup()

    @property
    def _kept(self) -> str:
        """What becomes of an input that was cut off."""
        if self._place.lasting and not self.settings.dry_run:
            return "its records are kept, and the next run continues"
        if self._place.lasting:
            return "a rehearsal keeps no records"
        return "its records are not kept, since `store_path` is not set: each run reads everything again"

    @property
    def _begun(self) -> _Begun:
        if self._begin_result is None:
            raise TargetChartMogulError("a run was continued that never began")
        return self._begin_result

    def _opened(self) -> Store:
        """The store; a damaged one is set aside, and if the tap resumed from a bookmark, it reads again (rule 1.6)."""
        try:
            return self._place.open()
        except StoreDamagedError:
            if self.settings.dry_run:
                raise
            aside = self._place.set_aside()
            logger.warning("The store is damaged; it is kept as %s, and a new one begins.", aside)
            return self._place.open()

    def _wire(self) -> Wire:
        mapping, source = self.settings.mapping, self._data_source
        return Wire(
            self.settings.external_id_prefix,
            source.uuid if source else "",
            own_tags=frozenset(mapping.customer_tags.values()),
            own_attributes=frozenset(mapping.customer_attributes.values()),
        )

    def _journal(self) -> RunJournal:
        return RunJournal(
            self._begun.store,
            self._source,
            self._report,
            advance=self._intake.progress.advance,
            check_mine=self._place.check_mine,
        )

    def _refuse(self, found: list[str]) -> None:
        self._report.guards += found
        if not found:
            return
        text = "; ".join(found)
        if self.settings.force or self.settings.dry_run:
            logger.warning("Without `force` a run would stop here: %s", text)
            return
        advice = "Nothing was written. Set `force: true` to carry out this plan anyway"
        raise RefusedError(f"stopped before the first write: {text}. {advice}")

    def _left(self, received: Received) -> TargetChartMogulError | None:
        if received.came and not received.whole:
            return UnfinishedError("the input was cut off: the accounts that it touched wait for the next run")
        if self._report.has_rejects:
            return RejectsError(
                f"complete but for {self._report.rejects_in_words()}: correct them at their source, or name those that "
                "may stay in `accepted_rejects`"
            )
        return None

    def _reported(self, step: Callable[[], T]) -> T:
        """Run a step; what ends it becomes a failure with an exit code, and is in the report."""
        try:
            return self._translated(step)
        except TargetChartMogulError as failure:
            outcome = "failed"
            if isinstance(failure, StoppedError | UnfinishedError):
                outcome = "stopped"
            elif isinstance(failure, RefusedError):
                outcome = "refused"
            failure.report = self._write_report(outcome, failure.exit_code)
            raise

    def _translated(self, step: Callable[[], T]) -> T:
        try:
            with store_errors():
                return step()
        except errors.ChartMogulError as error:
            stopped = self._stop.reason() if isinstance(error, errors.StoppedError) else None
            raise stopped or failure_of(error) from None
        except StoreDamagedError:
            if self.settings.dry_run:
                raise StoreDamagedError(
                    "the store is damaged: the next run sets it aside, and then Keap is to be read from the beginning"
                ) from None
            aside = self._place.set_aside()
            logger.error("The store is damaged; it is kept as %s.", aside)  # noqa: TRY400
            if self._begin_result is not None:
                self._begin_result.receiver.heal("the store is damaged")
            raise
        except StoreError:
            # A signal that arrives inside a query ends it with an error of SQLite's.
            stopped = self._stop.reason() if self._stop.interruptible else None
            if stopped is not None:
                raise stopped from None
            raise

    def _write_report(self, outcome: str, exit_code: int) -> str:
        """The summary in the log and, where a path is set, the report (rule 7.1); where it is, as a sentence."""
        self._report.list_refusals()
        for line in self._report.summary():
            logger.info("%s", line)
        self._report.section("requests", self._begin_result.client.traffic if self._begin_result else {})
        self._report.section("records", dict(self._intake.arrived))
        self._report.section("settings", changed_from_defaults(self.settings.mapping))
        if self._data_source is not None:
            self._report.section("data_source", {"uuid": self._data_source.uuid, "name": self._data_source.name})
        return save_report(self._report, self._report_place, outcome=outcome, exit_code=exit_code)
