"""Before anything is read: the key, the data source, and whether the store is about it (rules 1.6, 1.7)."""

from __future__ import annotations

from target_chartmogul.chartmogul import errors
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import DataSource, find_data_source
from target_chartmogul.failures import ConfigurationError, CredentialsError, ServiceError, TargetChartMogulError
from target_chartmogul.settings import Settings
from target_chartmogul.sources.protocol import Source
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.store import Store

KIND = "kind"
PREFIX = "prefix"
DATA_SOURCE = "data_source_uuid"


def nodes_of(source: Source) -> SourceNodes:
    """What the store asks of a source."""
    return SourceNodes(source.links_of, source.owner_node, source.subject_node, source.contact_stream)


def data_source_of(client: ChartMogulClient, settings: Settings) -> DataSource | None:
    """The data source of the settings; None if it is to be created.

    Raises:
        ConfigurationError: `data_source_uuid` names none that this key sees.
    """
    try:
        return find_data_source(client, name=settings.data_source_name, uuid=settings.data_source_uuid)
    except errors.RefusedError:
        raise ConfigurationError("setting `data_source_uuid`: this key sees no such data source") from None


def failure_of(error: errors.ChartMogulError) -> TargetChartMogulError:
    """The failure, with its exit code, that an error of ChartMogul's means for a run."""
    if isinstance(error, errors.CredentialsError):
        return CredentialsError(str(error))
    return ServiceError(str(error))


def claim(store: Store, source: Source, settings: Settings) -> None:
    """A store belongs to one kind of source and one `external_id_prefix` (rule 1.6).

    Raises:
        ConfigurationError: it is another one's.
    """
    for fact, mine, name in (
        (KIND, source.name, "another kind of streams (Keap's records, or ChartMogul's objects)"),
        (PREFIX, settings.external_id_prefix, "another `external_id_prefix`"),
    ):
        known = store.meta.get(fact)
        if known is not None and known != mine:
            raise ConfigurationError(
                f"`store_path`: this store belongs to runs with {name}: give these runs a `store_path` of their own"
            )
        store.meta.put(fact, mine)
