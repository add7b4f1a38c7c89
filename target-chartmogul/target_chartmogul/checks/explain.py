"""What became of one record, and by which rules: `target-chartmogul explain order:9071` (rule 7.4).

Three parts: what the source says of it, what is made of it, and what ChartMogul has. Names and addresses are not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from target_chartmogul.billing.decisions import Decision, Note
from target_chartmogul.billing.nodes import ACCOUNTS_END, node
from target_chartmogul.billing.objects import Plan
from target_chartmogul.billing.said import Said, as_text
from target_chartmogul.checks.from_store import Opened
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.plan.account_decision import as_stored, decide_account, read_catalogue
from target_chartmogul.plan.planner import REFUSALS
from target_chartmogul.report.explain_objects import Objects, object_lines, state_lines
from target_chartmogul.report.explain_words import note_words
from target_chartmogul.sources.protocol import StoredMemory, StoredRecord
from target_chartmogul.sources.registry import wording_of

_SINGULAR: Final = {"subscription_cancellations": "cancellation"}


def kinds_of(streams: Sequence[str]) -> dict[str, str]:
    """What a record is called on the command line -> its stream: `order` and `orders` alike."""
    streams = streams[:ACCOUNTS_END]
    found = {_SINGULAR.get(stream, stream.removesuffix("s")): stream for stream in streams if stream}
    return found | {stream: stream for stream in streams if stream}


def explain(opened: Opened, subject: str) -> Iterator[str]:
    """Lines of text about a record.

    Args:
        opened: the store; it is only read.
        subject: kind and id, as `order:9071`.

    Raises:
        ConfigurationError: the subject is none, or nothing is known of it.
    """
    stream, record_id = _parsed(subject, opened.source.streams)
    return _Explainer(opened, stream, record_id).lines()


class _Explainer:
    """Gathers what the store has to do with one record."""

    def __init__(self, opened: Opened, stream: str, record_id: str) -> None:
        source, store = opened.source, opened.store
        self._opened = opened
        self._stream = stream
        self._id = record_id
        self._words = wording_of(source)
        self._node = node_of(opened, stream, record_id)
        self._is_catalogue = source.streams.index(stream) < source.contact_stream
        self._record = store.records.get(self._node)
        self._account = store.accounts.account(self._node)
        self._plans: dict[str, Plan] = {plan.external_id: plan for plan in store.holdings.objects("plan")}
        self._decision = Decision()
        self._remarks: list[Note] = []
        if store.records.first_read_done and not self._is_catalogue:
            catalogue = read_catalogue(source, store, self._plans)
            self._decision = decide_account(source, self._account, catalogue, opened.context())
            self._remarks = self._words.remarks(
                stream,
                record_id,
                self._records(),
                self._account.holdings,
                [StoredMemory(*each) for each in self._account.memories],
                catalogue,
                opened.context(),
            )
        self._notes = self._remarks + [
            note for note in self._decision.notes if self._words.is_about(note, stream, record_id)
        ]

    def lines(self) -> Iterator[str]:
        objects = self._objects()
        if self._record is None and not (objects.wanted or objects.held or self._notes):
            raise ConfigurationError(f"the store knows nothing of {self._stream}:{self._id}")
        yield f"{self._stream}:{self._id}"
        yield self._words.HEADING
        yield from as_text(self._said())
        yield "What is made of it"
        if not self._opened.store.records.first_read_done:
            yield from as_text([Said("the first read is not complete yet: nothing was decided", "1.8")])
            return
        yield from as_text(self._made(objects))
        yield "What ChartMogul has"
        yield from as_text([*state_lines(objects, self._account), *self._refusals(objects)])

    def _payload(self) -> bytes | None:
        return None if self._record is None else as_stored(self._record, use_previous=False).payload

    def _objects(self) -> Objects:
        wanted, held, plans = self._decision, self._account.holdings, {**self._plans, **self._decision.plans}
        mine: dict[tuple[str, str], Any] = {}
        if self._is_catalogue:
            uses = self._words.uses_plan
            mine = {("plan", key): each for key, each in plans.items() if uses(self._stream, self._id, key)}
        return Objects(
            wanted=mine or self._mine(wanted),
            held=mine or self._mine(held),
            plans=plans,
            only=self._words.parts_of(self._stream, self._id, self._payload()),
            now=self._opened.now,
            brief=self._stream == self._opened.source.streams[self._opened.source.contact_stream],
        )

    def _mine(self, of: Any) -> dict[tuple[str, str], Any]:
        source, here = self._opened.source, self._node
        concerns = self._words.concerns(self._stream, self._id, self._payload())
        found: dict[tuple[str, str], Any] = {
            ("customer", key): each for key, each in of.customers.items() if source.owner_node("customer", each) == here
        }
        for key, invoice in of.invoices.items():
            nodes = source.owner_node("invoice", invoice), source.subject_node("invoice", invoice)
            if here in nodes or concerns(invoice):
                found["invoice", key] = invoice
        for key, event in of.events.items():
            if here in {source.owner_node("event", event), source.subject_node("event", event)}:
                found["event", key] = event
        return found

    def _said(self) -> Iterator[Said]:
        record = self._record
        if record is None:
            yield Said("no record of it has arrived", "1.8")
            return
        if record.invalid is not None:
            about = msgspec.json.decode(record.invalid)
            where = f"its field `{about['field']}`" if about["field"] else "it"
            yield Said(f"the last version cannot be used: {where} {about['reason']}", "1.5")
            if record.previous is not None:
                yield Said("the version before still counts:", "1.5")
        elif record.previous is not None:
            yield Said("this version has not been accepted yet; the version before is kept", "1.5")
        if record.gone:
            yield Said("it is gone from its source; this is its last version", "1.8")
        payload = self._payload()
        for text in self._words.record_lines(record.stream, payload) if payload else ():
            yield Said(text)
        yield from (Said(text) for text in self._words.related(record.stream, self._node, self._records()))

    def _records(self) -> list[StoredRecord]:
        return [as_stored(each, use_previous=False) for each in self._account.records]

    def _made(self, objects: Objects) -> Iterator[Said]:
        said = list(object_lines(objects, self._decision))
        said += [Said(note_words(note), note.rule) for note in self._notes]
        nothing = not said
        for reject in self._decision.rejects:
            if (reject.stream, reject.id) == (self._stream, self._id):
                nothing = False
                said.append(Said(f"rejected: {reject.field or 'the record'} {reject.reason}", "1.5"))
        for each in self._decision.waiting:
            if (each.stream, each.id) == (self._stream, self._id):
                nothing = False
                until = f" until {each.due:%Y-%m-%d %H:%M} UTC" if each.due else ""
                said.append(Said(f"it waits{until}: {_WAITS.get(each.reason, each.reason)}", each.rule))
        yield from said
        why = self._words.why(self._stream, self._id, self._records(), self._opened.context(), nothing=nothing)
        yield from why

    def _refusals(self, objects: Objects) -> Iterator[Said]:
        mine = {external_id for _, external_id in (*objects.wanted, *objects.held)}
        for note in self._opened.store.outcomes.notes(REFUSALS, nodes=self._account.nodes):
            detail = msgspec.json.decode(note.detail)
            kind, _, external_id = note.id.partition("\x1f")[0].partition(":")
            if external_id in mine or f"{self._stream}:{self._id}" in detail["records"]:
                text = f"{kind.replace('_', ' ')} {external_id}: refused since {note.since[:10]}: {detail['reason']}"
                yield Said(text, note.rule)


_WAITS: Final = {
    "future": "its date is in the future",
    "unsettled": "what it refunds is not known yet",
}


def node_of(opened: Opened, stream: str, record_id: str) -> int:
    """The node of a record.

    Raises:
        ConfigurationError: the id is not one of this kind of source.
    """
    source = opened.source
    return node(source.streams.index(stream), source.number_named(stream, record_id))


def _parsed(subject: str, streams: Sequence[str]) -> tuple[str, str]:
    kinds = kinds_of(streams)
    kind, _, record_id = subject.strip().partition(":")
    if kind not in kinds or not record_id:
        known = ", ".join(f"`{each}:<id>`" for each in kinds if each not in streams)
        raise ConfigurationError(f"explain what? Name a record by its kind and id: {known}")
    return kinds[kind], record_id
