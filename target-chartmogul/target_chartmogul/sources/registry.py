"""All sources of billing, and which of them a Singer stream belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from target_chartmogul.sources.keap.source import KeapSource

if TYPE_CHECKING:
    from target_chartmogul.settings import Settings
    from target_chartmogul.sources.protocol import Source


def source_of(stream: str, schema: Mapping[str, Any], settings: Settings) -> Source | None:
    """The source whose records a stream holds; None if this target does not use it.

    Args:
        stream: its name, after stream maps.
        schema: of its records.
        settings: of the run.
    """
    return next((source for source in _sources(settings) if source.takes(stream, schema)), None)


def source_named(name: str, settings: Settings) -> Source | None:
    """The source whose `name` a store remembers; None if this version has none of that name."""
    return next((source for source in _sources(settings) if source.name == name), None)


def _sources(settings: Settings) -> tuple[Source, ...]:
    from target_chartmogul.sources.native.source import NativeSource  # noqa: PLC0415  what Keap's runs do not need

    return KeapSource(settings.mapping.customer_attributes), NativeSource(settings.external_id_prefix)
