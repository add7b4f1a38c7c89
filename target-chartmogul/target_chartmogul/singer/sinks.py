"""Sinks put records into the inbox; nothing is mapped or sent while records arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import msgspec
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks import Sink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

from target_chartmogul.ledger.inbox import keap_id

if TYPE_CHECKING:
    from target_chartmogul.target import TargetChartMogul

LONGEST_TEXT: Final = 100_000
"""No text of Keap's is nearly as long; a longer one is damage, and costs its record."""

_decode = msgspec.json.Decoder().decode


class RustValidator(BaseJSONSchemaValidator):
    """JSON schema validation by jsonschema-rs, 160 times as fast as jsonschema. Messages hold no values."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self._validator = jsonschema_rs.validator_for(schema)
        except (ValueError, jsonschema_rs.ValidationError) as error:
            raise InvalidJSONSchema("the stream's SCHEMA is no valid JSON schema") from error

    @override
    def validate(self, record: dict[str, Any]) -> None:
        complaint = self.complaint(record)
        if complaint is not None:
            raise InvalidRecord(": ".join(filter(None, complaint)), {})

    def complaint(self, record: dict[str, Any]) -> tuple[str, str] | None:
        """Field and reason of the first thing that does not fit, None if all fits."""
        if self._validator.is_valid(record):
            return None
        for error in self._validator.iter_errors(record):
            path = ".".join(str(part) for part in error.instance_path)
            where = list(error.schema_path)
            return path, f"does not fit the stream's schema ({where[-1] if where else 'schema'})"
        return None


class KeapSink(Sink):
    """The sink of a stream that the mapping knows."""

    id_field = "id"

    def __init__(
        self,
        target: TargetChartMogul,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._intake = target.intake
        self._staged = target.intake.progress.advance
        self._rust = RustValidator(self.schema) if self.validate_schema else None
        self.replication_key = target.replication_keys.get(stream_name)

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return None

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record that came through a stream map."""
        self.take(_encode(record))

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Records are in the inbox already."""

    @override
    def activate_version(self, new_version: int) -> None:
        """The stream was read completely (rules 4.10, 6.7)."""
        self._intake.read_completely(self.stream_name)

    def take(self, raw: bytes) -> None:
        """Put one record into the inbox, or on the list of rejects (rule 1.5)."""
        self._staged()
        try:
            record = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._reject(None, "", "is not JSON")
            return
        if not isinstance(record, dict):
            self._reject(None, "", "is not an object")
            return
        complaint = self._rust.complaint(record) if self._rust is not None else None
        if complaint is None and len(raw) > LONGEST_TEXT:
            complaint = _too_long(record)
        if complaint is not None:
            self._reject(record.get(self.id_field), *complaint)
            return
        value = record.get(self.replication_key) if self.replication_key else None
        self._put(record, compact(raw), value if isinstance(value, str) else None)

    def _put(self, record: dict[str, Any], raw: bytes, replication: str | None) -> None:
        if self._intake.inbox.put(self.stream_name, record, raw, replication) is None:
            self._reject(record.get("id"), "id", "is missing or none of Keap's numeric ids")

    def _reject(self, record_id: Any, field: str, reason: str) -> None:
        number = keap_id(record_id)
        self._intake.reject(self.stream_name, record_id, field, reason)
        if number is not None:
            self._intake.inbox.put_unreadable(self.stream_name, number)


class PassedOverSink(Sink):
    """The sink of a stream that the mapping does not know: one warning, and nothing else."""

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return None

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Nothing."""

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing."""

    @override
    def activate_version(self, new_version: int) -> None:
        """Nothing."""


def compact(raw: bytes) -> bytes:
    """The same JSON without spaces between its tokens, as the mapping's decoders and fingerprints expect it."""
    return msgspec.json.format(raw, indent=-1) if b'": ' in raw else raw


_encoder = msgspec.json.Encoder(decimal_format="number")
_encode = _encoder.encode


def _too_long(value: Any, path: str = "") -> tuple[str, str] | None:
    """Field and reason of the first text that is longer than any of Keap's."""
    if isinstance(value, str):
        return (path, f"is longer than {LONGEST_TEXT} characters") if len(value) > LONGEST_TEXT else None
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found = _too_long(inner, f"{path}.{key}" if path else str(key))
        if found is not None:
            return found
    return None
