"""What a source tells the store, which reads neither payloads nor external ids itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from target_chartmogul.billing.changes import ChartMogulObject, Kind


class SourceNodes(msgspec.Struct, frozen=True):
    """See `sources.protocol.Source`, whose methods these are."""

    links_of: Callable[[int, bytes], Iterable[int]]
    """Stream number and payload: the nodes that the record names, those of the catalogue too."""
    owner_node: Callable[[Kind, ChartMogulObject], int | None]
    """Whose an object is: a contact, or a customer of the native source; None for plans and foreign ids."""
    subject_node: Callable[[Kind, ChartMogulObject], int | None]
    """The order or subscription that an invoice or event is made of; None for all else."""
    contact_stream: int
