"""Erasing a person: `target-chartmogul forget contact:1207` (rule 7.4)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from target_chartmogul.apply.opening import nodes_of
from target_chartmogul.billing.nodes import node, stream_of
from target_chartmogul.checks.explain import kinds_of, node_of
from target_chartmogul.checks.from_store import Opened
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.report.history import files_of
from target_chartmogul.report.place import ReportPlace
from target_chartmogul.settings import Settings
from target_chartmogul.sources.protocol import Source
from target_chartmogul.store.errors import store_errors
from target_chartmogul.store.place import StorePlace


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to be erased."""

    node: int
    record: str
    """`contacts:1207`."""
    customer: str | None
    """External id of the customer that ChartMogul has, as it knows it."""


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased."""

    records: dict[str, int]
    """Stream -> number of records."""
    files: list[str]
    """Reports, and damaged stores that had been set aside."""


def person(opened: Opened, subject: str) -> Person:
    """The contact (native: the customer) that is named.

    Raises:
        ConfigurationError: the subject is none, or the store knows nothing of it.
    """
    source, store = opened.source, opened.store
    stream = source.streams[source.contact_stream]
    kind, _, record_id = subject.strip().partition(":")
    if kinds_of(source.streams).get(kind) != stream or not record_id:
        raise ConfigurationError(f"forget whom? Name a person by id: `{stream.removesuffix('s')}:<id>`")
    here = node_of(opened, stream, record_id)
    account = store.accounts.account(here)
    customer = next(
        (key for key, each in account.holdings.customers.items() if source.owner_node("customer", each) == here), None
    )
    if store.records.get(here) is None and customer is None and len(account.nodes) <= 1:
        raise ConfigurationError(f"the store knows nothing of {subject}")
    prefix = opened.settings.external_id_prefix
    return Person(
        node=here, record=f"{stream}:{record_id}", customer=None if customer is None else f"{prefix}{customer}"
    )


def files_with_people(settings: Settings) -> list[str]:
    """What cannot be cleaned, only deleted: reports, those of earlier runs too, and damaged stores set aside."""
    reports = ReportPlace(settings.report_path) if settings.report_path is not None else None
    return [*(files_of(reports) if reports else ()), *(path.name for path in _damaged_stores(settings))]


def _damaged_stores(settings: Settings) -> list[Path]:
    location = settings.store_path
    if location is None or "://" in location:
        return []
    home = Path(location).expanduser()
    return sorted(home.parent.glob(f"{home.name}.damaged-*"))


def forget(settings: Settings, source: Source, whom: Person) -> Erased:
    """Erase a person from the store and from what lies beside it. The id is remembered, so that it does not return.

    Raises:
        StoreInUseError: a run holds the store.
        StoreError: it cannot be written.
    """
    place = StorePlace(settings.store_path, nodes_of(source))
    try:
        with store_errors():
            store = place.open()
            known = {node(each.stream, each.number) for each in store.accounts.account(whom.node).records}
            erased = store.forget(whom.node)
            place.save()
        records = Counter(source.streams[stream_of(each)] for each in erased if each in known)
    finally:
        place.close()
    files = files_with_people(settings)
    if settings.report_path is not None:
        reports = ReportPlace(settings.report_path)
        for name in files_of(reports):
            reports.folder.remove(name)
    for path in _damaged_stores(settings):
        path.unlink()
    return Erased(records=dict(records), files=files)
