"""ChartMogul against the store: `target-chartmogul verify` (rule 7.5). Nothing is written.

Its sections have one exit code. Each is a function that fills its part of `Verified`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from target_chartmogul import exit_codes
from target_chartmogul.apply.opening import DATA_SOURCE, data_source_of
from target_chartmogul.apply.relisting import KINDS, everything_of
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from target_chartmogul.checks.content import Content, compare
from target_chartmogul.checks.from_store import Opened
from target_chartmogul.failures import ConfigurationError


class Verified(msgspec.Struct, kw_only=True):
    """What was found, section by section."""

    as_of: datetime
    data_source_uuid: str
    content: Content

    @property
    def exit_code(self) -> int:
        """0 if nothing needs a look, else that of a run with rejects."""
        return exit_codes.OK if self.content.is_fine else exit_codes.REJECTS


def verify(
    opened: Opened, client: ChartMogulClient, *, check: Callable[[], None], advance: Callable[[], None]
) -> Verified:
    """Read what ChartMogul has, and compare.

    Args:
        opened: a copy of the store: it takes the listing.
        client: ChartMogul.
        check: raises if the work is to stop.
        advance: counts accounts.

    Raises:
        ConfigurationError: there is no data source to compare with, or another one than the store's.
        ChartMogulError: it cannot be read.
    """
    settings, store = opened.settings, opened.store
    data_source = data_source_of(client, settings)
    if data_source is None:
        raise ConfigurationError("there is no such data source in ChartMogul yet; run the pipeline first")
    known = store.meta.get(DATA_SOURCE)
    if known is not None and known != data_source.uuid:
        raise ConfigurationError(f"the store belongs to data source {known}, but the settings name another one")
    mapping = settings.mapping
    wire = Wire(
        settings.external_id_prefix,
        data_source.uuid,
        own_tags=frozenset(mapping.customer_tags.values()),
        own_attributes=frozenset(mapping.customer_attributes.values()),
    )
    store.holdings.relist(KINDS, everything_of(store, Listing(client, wire), opened.source), trusted=True)
    return Verified(
        as_of=opened.now,
        data_source_uuid=data_source.uuid,
        content=compare(opened, check=check, advance=advance),
    )
