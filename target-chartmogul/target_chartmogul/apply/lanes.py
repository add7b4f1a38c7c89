"""Carrying out the plan: plans first, then lane by lane, many lanes at once, each in order.

What ChartMogul refuses blocks only what needs it. What it has taken is in the journal at once.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from target_chartmogul.apply.invoice_sender import InvoiceSender, PartSender
from target_chartmogul.apply.sender import Connection, CustomerSender, EventSender, PlanSender, Sent
from target_chartmogul.billing.changes import Change, Journal, Kind, Refusal
from target_chartmogul.billing.objects import Invoice, SubscriptionEvent
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.errors import (
    ClosedForLongError,
    NoMoreFilesError,
    RefusedError,
    StoppedError,
    UnreachableError,
)
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.plan.sequence import invoice_of, ordered

logger = logging.getLogger(__name__)

WORKERS = 12
"""At 38.6 requests a second they are busy up to 300 ms a request; ChartMogul allows 20 connections."""
_UNANSWERED_IN_A_ROW = 3
"""Different objects without an answer, with none in between, after which ChartMogul counts as gone."""
_JOBS_AHEAD = 4

Lane = tuple[int, Sequence[Change]]
Key = tuple[Kind, str]
Refused = dict[Key, Change]
"""What was refused of a lane -> what ChartMogul itself refused, be it this or something that it depends on."""
Blocked = tuple[str, Key]
"""The field of a change that names something refused, and what that is."""
RootOf = Callable[[Kind, str], str]
"""What an object's external id shares with its successor's: an invoice moves to another customer as a new one."""


class Applier:
    """Sends changes to one data source.

    Args:
        client: ChartMogul; its `stop` ends the work after the changes that have begun.
        wire: the form of the data source.
        journal: hears what becomes of each change.
        root_of: the source's reading of its own ids.
        workers: lanes at a time.
    """

    def __init__(
        self, client: ChartMogulClient, wire: Wire, journal: Journal, root_of: RootOf, *, workers: int = WORKERS
    ) -> None:
        self._client = client
        self._root_of = root_of
        self._journal = journal
        self._workers = workers
        connection = Connection(client, wire, Listing(client, wire), journal)
        self._plans = PlanSender(connection)
        self._customers = CustomerSender(connection)
        self._invoices = InvoiceSender(connection, self._plans)
        self._parts = PartSender(connection, self._plans)
        self._events = EventSender(connection)
        self._counting = threading.Lock()
        self._unanswered: set[tuple[Kind, str]] = set()
        self._failure: BaseException | None = None

    def apply_plans(self, changes: Iterable[Change]) -> None:
        """Create and rename plans, which need nothing of each other; raises as `apply_lanes`."""
        refused: Refused = {}
        self._in_parallel(partial(self._carry_out_plan, change, refused) for change in changes)

    def _carry_out_plan(self, change: Change, refused: Refused) -> None:
        with suppress(StoppedError):
            if not self._ended():
                self._carry_out(change, refused)

    def apply_lanes(self, lanes: Iterable[Lane]) -> None:
        """Carry out all lanes; returns early, without error, when `client.stop` is set.

        `lanes` is read in this thread, a little ahead of the work.

        Raises:
            CredentialsError: the key was refused.
            UnreachableError: ChartMogul does not answer any more, or asks for a long pause; what was not answered is
                in the journal. One object without an answer does not end the work.
        """
        self._in_parallel(partial(self._carry_out_lane, number, changes) for number, changes in lanes)

    def _carry_out_lane(self, number: int, changes: Sequence[Change]) -> None:
        self._journal.lane_done(number, complete=not self._ended() and self._run(changes))

    def _in_parallel(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Do all jobs in some threads; the first exception ends the work and is raised here."""
        waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(maxsize=self._workers * _JOBS_AHEAD)
        workers = self._started(waiting)
        try:
            for job in jobs:
                if self._ended():
                    break
                waiting.put(job)
        finally:
            for _ in workers:
                waiting.put(None)
            for worker in workers:
                worker.join()
        if self._failure is not None:
            raise self._failure

    def _started(self, waiting: queue.Queue[Callable[[], None] | None]) -> list[threading.Thread]:
        """As many threads as the system gives.

        Raises:
            UnreachableError: it gives none.
        """
        started: list[threading.Thread] = []
        for _ in range(self._workers):
            worker = threading.Thread(target=self._work, args=(waiting,), daemon=True)
            try:
                worker.start()
            except RuntimeError:
                if not started:
                    raise UnreachableError(
                        "the system starts no more threads: end other programs, or raise its limit, and run again"
                    ) from None
                break
            started.append(worker)
        return started

    def _ended(self) -> bool:
        return self._failure is not None or self._client.stop.is_set()

    def _work(self, waiting: queue.Queue[Callable[[], None] | None]) -> None:
        """Job after job; once the work has ended, those that wait are taken out and do nothing."""
        while (job := waiting.get()) is not None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
                with self._counting:
                    self._failure = self._failure or error

    def _run(self, changes: Sequence[Change]) -> bool:
        """One lane in order; whether every change was acknowledged."""
        refused: Refused = {}
        sequence = ordered(changes)
        for place, change in enumerate(sequence):
            if self._ended():
                return False
            blocked = self._needs(change, sequence[:place], refused) if refused else None
            if blocked is None:
                try:
                    self._carry_out(change, refused)
                except StoppedError:
                    return False
            else:
                reason = "not sent, because something it depends on was refused"
                answer = Refusal(status=None, field=blocked[0], reason=reason, because_of=refused[blocked[1]])
                self._refuse(change, answer, refused)
        return not refused

    def _carry_out(self, change: Change, refused: Refused) -> None:
        self._journal.intend(change)
        try:
            sent = self._send(change)
        except RefusedError as refusal:
            self._answered()
            answer = Refusal(status=refusal.status, field=refusal.field, reason=refusal.reason)
            self._refuse(change, answer, refused)
        except (ClosedForLongError, NoMoreFilesError):
            raise
        except UnreachableError as trouble:
            self._refuse(change, Refusal(status=None, field="", reason=str(trouble), uncertain=True), refused)
            invoice = invoice_of(change)
            with self._counting:
                self._unanswered.add(("invoice", invoice) if invoice else (change.kind, change.external_id))
                if len(self._unanswered) >= _UNANSWERED_IN_A_ROW:
                    raise
        else:
            self._answered()
            self._journal.acknowledged(sent.change, sent.uuids)

    def _answered(self) -> None:
        with self._counting:
            self._unanswered.clear()

    def _refuse(self, change: Change, refusal: Refusal, refused: Refused) -> None:
        refused[change.kind, change.external_id] = refusal.because_of or change
        logger.debug("%s %s %s: %s %s", change.action, change.kind, change.external_id, refusal.status, refusal.field)
        self._journal.refused(change, refusal)

    def _send(self, change: Change) -> Sent:
        match change.kind:
            case "plan":
                return self._plans.send(change)
            case "customer":
                return self._customers.send(change)
            case "invoice":
                return self._invoices.send(change)
            case "event":
                return self._events.send(change)
            case _:
                return self._parts.send(change)

    def _needs(self, change: Change, earlier: Sequence[Change], refused: Refused) -> Blocked | None:
        """What a change depends on that was refused earlier in its lane, None if nothing was."""
        if change.kind in {"line_item", "transaction"}:
            invoice: Key = ("invoice", change.parent or "")
            return ("invoice", invoice) if invoice in refused else None
        if change.action == "delete":
            return self._must_stay(change, earlier, refused)
        if (change.kind, change.external_id) in refused:
            return "external_id", (change.kind, change.external_id)
        desired = change.desired
        owner = desired.customer_external_id if isinstance(desired, (Invoice, SubscriptionEvent)) else None
        customer: Key = ("customer", owner or "")
        return ("customer_external_id", customer) if customer in refused else None

    def _must_stay(self, change: Change, earlier: Sequence[Change], refused: Refused) -> Blocked | None:
        """What a deletion waits for.

        Nothing is deleted whose successor was refused (rules 2.1, 6.3), and no customer whose invoices must stay.
        """
        for other in earlier:
            key: Key = (other.kind, other.external_id)
            if key not in refused:
                continue
            if change.kind == other.kind == "invoice" and self._root(other) == self._root(change):
                return "external_id", key
            if change.kind == other.kind == "event" and _subscription(other) == _subscription(change):
                return "subscription_external_id", key
            if change.kind == "customer" and other.action == "delete" and other.parent == change.external_id:
                return "customer_external_id", key
        return None

    def _root(self, change: Change) -> str:
        return self._root_of(change.kind, change.external_id)


def _subscription(change: Change) -> str:
    event = change.desired or change.held
    return event.subscription_external_id if isinstance(event, SubscriptionEvent) else ""
