"""All sources of billing, and which of them a Singer stream or a store belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from target_chartmogul.sources.keap.source import KeapSource

if TYPE_CHECKING:
    from target_chartmogul.sources.keap.settings import MappingSettings
    from target_chartmogul.sources.protocol import Source


def source_of(stream: str, schema: Mapping[str, Any], settings: MappingSettings, prefix: str) -> Source | None:
    """The source whose records a stream holds; None if this target does not use it.

    Args:
        stream: its name, after stream maps.
        schema: of its records.
        settings: of the mapping.
        prefix: the setting `external_id_prefix`.

    Raises:
        ConfigurationError: they do not fit that source.
    """
    found = next((source for source in _sources(settings, prefix) if source.takes(stream, schema)), None)
    if found is not None:
        found.check_settings(settings)
    return found


def source_named(name: str, settings: MappingSettings, prefix: str) -> Source | None:
    """The source whose `name` a store remembers; None if this version has none of that name."""
    return next((source for source in _sources(settings, prefix) if source.name == name), None)


def wording_of(source: Source) -> Any:
    """The source's records in words, for `explain`."""
    return import_module(f"{__package__}.{source.name}.wording")


def amounts_of(source: Source) -> Any:
    """Amounts of the source's records, for `verify`."""
    return import_module(f"{__package__}.{source.name}.amounts")


def _sources(settings: MappingSettings, prefix: str) -> tuple[Source, ...]:
    from target_chartmogul.sources.native.source import NativeSource  # noqa: PLC0415  what Keap's runs do not need

    return KeapSource(settings.customer_attributes), NativeSource(prefix)
