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

    Raises:
        ConfigurationError: they do not fit that source.
    """
    keap = KeapSource(settings.mapping.customer_attributes)
    if keap.takes(stream, schema):
        return keap
    from target_chartmogul.sources.native.source import NativeSource  # noqa: PLC0415  what Keap's runs do not need
    from target_chartmogul.sources.native.streams import check_settings  # noqa: PLC0415

    native = NativeSource(settings.external_id_prefix)
    if not native.takes(stream, schema):
        return None
    check_settings(settings.external_id_prefix, settings.mapping.only_contacts)
    return native
