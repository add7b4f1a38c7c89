"""The sink of a stream whose rows are ChartMogul's objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from target_chartmogul.singer.sinks import KeapSink
from target_chartmogul.sources.native.fields import InvalidFieldError

if TYPE_CHECKING:
    from target_chartmogul.target import TargetChartMogul


class ShapedSink(KeapSink):
    """Puts rows into the inbox of shaped streams, named by `external_id`.

    The SDK is given no key properties: a stream map that renames fields would have to rename them too, and the key is
    known anyway. Nor are rows held against the SCHEMA, where a stream map can only guess types (a list is a string to
    it): each field that is taken is checked by itself.
    """

    id_field = "external_id"

    def __init__(
        self,
        target: TargetChartMogul,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,  # noqa: ARG002
    ) -> None:
        super().__init__(target, stream_name, schema, ())
        self._rust = None
        self._shaped = target.intake.open_shaped_inbox(target.settings.external_id_prefix)

    @override
    def _put(self, record: dict[str, Any], raw: bytes, replication: str | None) -> None:
        try:
            self._shaped.put(self.stream_name, record, raw, replication)
        except InvalidFieldError as error:
            self._reject(_name(record), error.field, error.reason)

    @override
    def _reject(self, record_id: Any, field: str, reason: str) -> None:
        self._intake.reject(self.stream_name, record_id, field, reason)


def _name(record: dict[str, Any]) -> Any:
    """The row's id; a cancellation without one is named by its subscription."""
    return record.get("external_id") or record.get("subscription_external_id")
