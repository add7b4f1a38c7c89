"""Opening the store for the commands that work from it alone (rule 7.4)."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from target_chartmogul.apply.opening import KIND, PREFIX, failure_of, nodes_of
from target_chartmogul.chartmogul import errors
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.failures import ConfigurationError, TargetChartMogulError, UnfinishedError
from target_chartmogul.plan.settings_in_force import in_force
from target_chartmogul.settings import Settings
from target_chartmogul.singer.receiving import complete_reads
from target_chartmogul.sources.keap.source import KeapSource
from target_chartmogul.sources.protocol import Context, Source
from target_chartmogul.sources.registry import source_named
from target_chartmogul.store.errors import StoreDamagedError, store_errors
from target_chartmogul.store.place import StorePlace
from target_chartmogul.store.store import Store

RUN_FIRST = "run the pipeline first: `meltano run tap-keap target-chartmogul`"


class Opened(NamedTuple):
    """A store with the source of its records."""

    source: Source
    store: Store
    settings: Settings

    @property
    def now(self) -> datetime:
        """The setting `now`, else the machine's clock."""
        return self.settings.now or datetime.now(UTC)

    def context(self, changed: frozenset[str] = frozenset()) -> Context:
        """For decisions."""
        reads = complete_reads(self.store, self.source.streams)
        return Context(settings=self.settings.mapping, now=self.now, settings_changed=changed, complete_reads=reads)


@contextmanager
def reading(settings: Settings, *, decided: bool = False) -> Iterator[Opened]:
    """Open the store of these settings for reading; a run may go on beside it.

    Args:
        settings: `store_path` says where it is.
        decided: it must be one of which accounts were decided.

    Raises:
        ConfigurationError: there is no usable store; the message says what to do.
        UnfinishedError: the first read is not complete yet, and `decided` is asked for.
        StoreError: the place of the store cannot be reached.
    """
    if settings.store_path is None:
        raise ConfigurationError("`store_path` is not set: this command works from the store; name the runs' store")
    source: Source = KeapSource(settings.mapping.customer_attributes)
    place = StorePlace(settings.store_path, nodes_of(source), read_only=True)
    try:
        with store_errors():
            store = place.open()
            source = _source_of(store, settings)
            if source.name != KeapSource.name:
                place.close()
                place = StorePlace(settings.store_path, nodes_of(source), read_only=True)
                store = place.open()
            if decided and not store.records.first_read_done:
                raise UnfinishedError(
                    "the first read is not complete yet, so nothing was decided; run the pipeline until it is"
                )
            yield Opened(
                source, store, msgspec.structs.replace(settings, mapping=in_force(source, store, settings.mapping))
            )
    except StoreDamagedError:
        raise ConfigurationError(
            "`store_path`: the store is damaged; the next run of the pipeline sets it aside and reads everything again"
        ) from None
    finally:
        place.close()


@contextmanager
def copied(settings: Settings) -> Iterator[Opened]:
    """A copy of the store that can be written to and is thrown away (rule 1.9); a run may go on beside it.

    Raises:
        ConfigurationError, UnfinishedError, StoreError: see `reading`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="target-chartmogul-") as folder,
        reading(settings, decided=True) as opened,
    ):
        path = Path(folder) / "store.sqlite"
        opened.store.copy_to(path)
        store = Store(path, nodes_of(opened.source), rehearsal=True)
        try:
            yield opened._replace(store=store)
        finally:
            store.close()


@contextmanager
def connected(
    settings: Settings, stop: threading.Event, why: Callable[[], TargetChartMogulError | None]
) -> Iterator[ChartMogulClient]:
    """ChartMogul, at the pace that this command shares with a run beside it; its errors get their exit codes.

    Args:
        settings: with the key.
        stop: set when the command is to end.
        why: what ended it early, if anything did.

    Raises:
        CredentialsError, ServiceError, StoppedError: see `failures`.
    """
    location = settings.store_path
    folder = None if location is None or "://" in location else Path(location).expanduser().parent
    client = ChartMogulClient(
        settings.api_key,
        settings.api_url,
        gate=RequestGate(folder, f"{settings.api_url} {settings.api_key}"),
        stop=stop,
        read_timeout=settings.request_timeout,
    )
    try:
        yield client
    except errors.ChartMogulError as error:
        stopped = why() if isinstance(error, errors.StoppedError) else None
        raise stopped or failure_of(error) from None
    finally:
        client.close()


def _source_of(store: Store, settings: Settings) -> Source:
    kind, prefix = store.meta.get(KIND), store.meta.get(PREFIX)
    if kind is None:
        raise ConfigurationError(f"`store_path`: the store is empty; {RUN_FIRST}")
    if prefix != settings.external_id_prefix:
        raise ConfigurationError("`store_path`: this store belongs to runs with another `external_id_prefix`")
    source = source_named(kind, settings.mapping, settings.external_id_prefix)
    if source is None:
        raise ConfigurationError("`store_path`: this version of the target does not know what the store holds")
    return source
