"""The data source that a run writes into."""

from __future__ import annotations

from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.config import Settings
from target_chartmogul.failures import ConfigurationError


def find_source(client: ChartMogulClient, settings: Settings) -> str | None:
    """Its uuid, by `data_source_uuid` or `data_source_name`; None if there is none of this name yet.

    Raises:
        ConfigurationError: no source has the given uuid, or several have the name.
    """
    sources = client.get("/data_sources")["data_sources"]
    if settings.data_source_uuid is not None:
        if any(each["uuid"] == settings.data_source_uuid for each in sources):
            return settings.data_source_uuid
        raise ConfigurationError("setting `data_source_uuid`: this key sees no such data source")
    found = [each["uuid"] for each in sources if each["name"] == settings.data_source_name]
    if len(found) > 1:
        raise ConfigurationError(
            f"{len(found)} data sources are named “{settings.data_source_name}”: set `data_source_uuid` instead"
        )
    return str(found[0]) if found else None


def create_source(client: ChartMogulClient, settings: Settings) -> str:
    """Create it (a write, rule 9.11); its uuid."""
    return str(client.post("/data_sources", {"name": settings.data_source_name})["uuid"])


def has_customers(client: ChartMogulClient, source: str) -> bool:
    """Whether the source has any customer, ours or not."""
    return bool(client.get("/customers", {"data_source_uuid": source, "per_page": 1})["entries"])
