"""The store against what ChartMogul lists, by month and currency: the section *content* of `verify` (rule 7.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from target_chartmogul.billing.amounts import PAYMENTS, REFUNDS, WHAT, Amount, Reason
from target_chartmogul.billing.changes import Kind
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.normal import same
from target_chartmogul.checks.from_store import Opened
from target_chartmogul.plan.account_decision import as_stored, decide_account, read_catalogue
from target_chartmogul.plan.planner import REFUSALS
from target_chartmogul.sources.registry import amounts_of
from target_chartmogul.store.accounts import Account

_KINDS: Final = {"invoice": "invoice", "event": "cancellation"}
_WAITS: Final = {
    "future": "its date is in the future: it waits for its day",
    "unsettled": "it waits for the payment that it refunds",
}


class Row(msgspec.Struct, kw_only=True):
    """One kind, month and currency; numbers in hundredths, of cancellations their count."""

    what: str
    month: str
    """`2026-03`, or `total`."""
    currency: str
    store: int = 0
    chartmogul: int = 0
    difference: int = 0
    """ChartMogul's less the store's."""

    def add(self, store: int, chartmogul: int) -> None:
        """Count these in."""
        self.store += store
        self.chartmogul += chartmogul
        self.difference = self.chartmogul - self.store


class Difference(msgspec.Struct, kw_only=True):
    """One order, payment, refund or cancellation that is not the same on both sides."""

    what: str
    id: str
    records: list[str]
    month: str
    currency: str
    store: int
    chartmogul: int
    because: list[dict[str, str]]
    """`rule` and `text` of each reason; none: no rule explains it."""
    is_meant: bool
    """A rule has ChartMogul hold something else on purpose; all others need a look."""


class Content(msgspec.Struct, kw_only=True):
    """The section."""

    rows: list[Row]
    """By kind, month and currency."""
    totals: list[Row]
    differences: list[Difference]

    @property
    def is_fine(self) -> bool:
        """Nothing differs but what a rule means to."""
        return all(each.is_meant for each in self.differences)


def compare(opened: Opened, *, check: Callable[[], None], advance: Callable[[], None]) -> Content:
    """Compare account by account.

    Args:
        opened: a copy of the store that has just taken what ChartMogul lists, as a trusted listing (rule 1.11).
        check: raises if the work is to stop.
        advance: counts accounts.
    """
    source, store = opened.source, opened.store
    catalogue = read_catalogue(source, store, {plan.external_id: plan for plan in store.holdings.objects("plan")})
    rows: dict[tuple[str, str, str], Row] = {}
    differences: list[Difference] = []
    for account in store.accounts.all():
        check()
        advance()
        decision = decide_account(source, account, catalogue, opened.context())
        compared = _Account(opened, account, decision)
        for what, month, currency, stated, listed in compared.sums():
            row = rows.setdefault((what, month, currency), Row(what=what, month=month, currency=currency))
            row.add(stated, listed)
        differences += compared.differences()
    order = {what: place for place, what in enumerate(WHAT)}
    found = sorted(rows.values(), key=lambda row: (order[row.what], row.currency, row.month))
    return Content(
        rows=found,
        totals=_totals(found),
        differences=sorted(differences, key=lambda each: (order[each.what], each.month, each.id)),
    )


def _totals(rows: Iterable[Row]) -> list[Row]:
    totals: dict[tuple[str, str], Row] = {}
    for row in rows:
        total = totals.setdefault((row.what, row.currency), Row(what=row.what, month="total", currency=row.currency))
        total.add(row.store, row.chartmogul)
    return list(totals.values())


class _Account:
    """The comparison of one account."""

    def __init__(self, opened: Opened, account: Account, decision: Decision) -> None:
        self._opened = opened
        self._account = account
        self._decision = decision
        amounts = amounts_of(opened.source)
        actual = _actual(account)
        context = opened.context()
        records = [as_stored(each, use_previous=False) for each in account.records]
        self._amounts: dict[tuple[str, str], list[Amount]] = {}
        self._sides: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = {}
        for side, found in enumerate((amounts.stated(records, actual, decision, context), amounts.listed(actual))):
            for each in found:
                key = (each.what, each.key)
                self._amounts.setdefault(key, []).append(each)
                sums = self._sides.setdefault(key, {}).setdefault((each.month, each.currency), [0, 0])
                sums[side] += each.number
        self._reasons: dict[str, list[Reason]] = {}
        self._explain: Callable[[], dict[str, list[Reason]]] = partial(amounts.reasons, decision, records, context)

    def sums(self) -> Iterator[tuple[str, str, str, int, int]]:
        for (what, _), sides in self._sides.items():
            for (month, currency), (stated, listed) in sides.items():
                yield what, month, currency, stated, listed

    def differences(self) -> Iterator[Difference]:
        differing = [
            (key, place, sides)
            for key, found in self._sides.items()
            for place, sides in found.items()
            if sides[0] != sides[1]
        ]
        if not differing:
            return
        self._reasons = self._explain()
        even = self._even()
        for (what, about), (month, currency), (stated, listed) in differing:
            records = list(dict.fromkeys(each for amount in self._amounts[what, about] for each in amount.records))
            because = self._because(what, about, records, even)
            yield Difference(
                what=what,
                id=about,
                records=records,
                month=month,
                currency=currency,
                store=stated,
                chartmogul=listed,
                because=[{"rule": each.rule, "text": each.text} for each in because],
                is_meant=bool(because) and all(each.is_meant for each in because),
            )

    def _because(self, what: str, about: str, records: list[str], even: frozenset[str]) -> list[Reason]:
        found: dict[Reason, None] = {}
        named = set(records)
        for each in records:
            found.update(dict.fromkeys(self._reasons.get(each, ())))
        for reject in self._decision.rejects:
            if f"{reject.stream}:{reject.id}" in named:
                found[Reason("1.5", f"rejected: {reject.field or 'the record'} {reject.reason}", is_meant=False)] = None
        for waiting in self._decision.waiting:
            if f"{waiting.stream}:{waiting.id}" in named:
                found[Reason(waiting.rule, _WAITS.get(waiting.reason, waiting.reason))] = None
        if what in {PAYMENTS, REFUNDS} and named & even:
            found[Reason("5.4", "an excess and its refund cancel each other out")] = None
        found.update(dict.fromkeys(self._states(what, about, named)))
        if not any(self._is_known(each) for each in records[:1]):
            found[Reason("1.4", "the store has no record of it; it stays as it is", is_meant=False)] = None
        return list(found)

    def _is_known(self, record: str) -> bool:
        streams = self._opened.source.streams
        names = {f"{streams[each.stream]}:{each.id_text or each.number}" for each in self._account.records}
        return record in names

    def _states(self, what: str, about: str, records: set[str]) -> Iterator[Reason]:
        """What is not in ChartMogul as it should be, of the objects that hold an amount."""
        source, held, decision = self._opened.source, self._account.holdings, self._decision
        refused = self._refused()
        pairs: list[tuple[Kind, Any, Any]] = [("invoice", decision.invoices, held.invoices)]
        if what not in {PAYMENTS, REFUNDS, "orders"}:
            pairs = [("event", decision.events, held.events)]
        for kind, wanted, sent in pairs:
            for external_id in {**sent, **wanted}:
                root = source.root_of(kind, external_id)
                if kind == "event":
                    if external_id != about:
                        continue
                elif not any(each.partition(":")[2] == root for each in records):
                    continue
                yield from self._state(kind, external_id, wanted.get(external_id), sent.get(external_id), refused)

    def _state(self, kind: Kind, external_id: str, wanted: Any, sent: Any, refused: set[str]) -> Iterator[Reason]:
        listed: dict[str, Any] = getattr(self._account.listed, f"{kind}s")
        if (kind, external_id) in self._account.missing:
            yield Reason("6.8", f"a person deleted {_KINDS[kind]} {external_id} in ChartMogul", is_meant=False)
        elif external_id in listed:
            yield Reason("6.8", f"a person changed {_KINDS[kind]} {external_id} in ChartMogul", is_meant=False)
        if external_id in refused or any(each.startswith(f"{external_id}-") for each in refused):
            yield Reason("1.5", f"ChartMogul refused {_KINDS[kind]} {external_id}", is_meant=False)
        elif wanted is None or sent is None or not same(wanted, sent):
            yield Reason("1.1", f"the next run writes {_KINDS[kind]} {external_id}", is_meant=False)

    def _refused(self) -> set[str]:
        notes = self._opened.store.outcomes.notes(REFUSALS, nodes=self._account.nodes)
        return {note.id.partition("\x1f")[0].partition(":")[2] for note in notes}

    def _even(self) -> frozenset[str]:
        """Orders of which cash less refunds is the same on both sides: an excess and its refund cancel out (5.4)."""
        net: Counter[str] = Counter()
        orders: dict[tuple[str, str], str] = {}
        for key, amounts in self._amounts.items():
            of = {record for amount in amounts for record in amount.records[-1:]}
            if key[0] in {PAYMENTS, REFUNDS} and len(of) == 1:
                orders[key] = of.pop()
        for key, order in orders.items():
            sign = 1 if key[0] == PAYMENTS else -1
            for stated, listed in self._sides[key].values():
                net[order] += sign * (listed - stated)
        return frozenset(order for order, difference in net.items() if difference == 0)


def _actual(account: Account) -> Holdings:
    """What ChartMogul lists: what was sent, but for what is missing there or different."""

    def shelf(name: str, kind: str) -> dict[str, Any]:
        sent, listed = getattr(account.holdings, name), getattr(account.listed, name)
        return {key: listed.get(key, each) for key, each in sent.items() if (kind, key) not in account.missing}

    return Holdings(
        customers=shelf("customers", "customer"), invoices=shelf("invoices", "invoice"), events=shelf("events", "event")
    )
