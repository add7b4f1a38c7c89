"""Sinks put records into the store; nothing is decided or sent while records arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jsonschema_rs
import msgspec
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks import Sink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from singer_sdk.target_base import Target
from typing_extensions import override

from target_chartmogul.singer.bad_lines import DEEPEST, TOO_DEEP, is_deep
from target_chartmogul.singer.intake import Intake

LONGEST_TEXT: Final = 100_000
"""No text of a billing system is nearly as long; a longer one is damage, and costs its record."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class RustValidator(BaseJSONSchemaValidator):
    """JSON schema validation by jsonschema-rs, 160 times as fast as jsonschema. Messages hold no values."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self._validator = jsonschema_rs.validator_for(schema)
        except (ValueError, RecursionError, jsonschema_rs.ValidationError) as error:
            raise InvalidJSONSchema("the stream's SCHEMA is not a valid JSON schema") from error

    @override
    def validate(self, record: dict[str, Any]) -> None:
        complaint = self.complaint(record)
        if complaint is not None:
            raise InvalidRecord(": ".join(filter(None, complaint)), {})

    def complaint(self, record: dict[str, Any]) -> tuple[str, str] | None:
        """Field and reason of the first thing that does not fit, None if all fits."""
        try:
            if self._validator.is_valid(record):
                return None
        except (ValueError, RecursionError):  # deeper than it goes
            return "", TOO_DEEP
        for error in self._validator.iter_errors(record):
            path = ".".join(str(part) for part in error.instance_path)
            where = list(error.schema_path)
            return path, f"does not fit the stream's schema ({where[-1] if where else 'schema'})"
        return None


class ReceivingTarget(Target):
    """A target whose sinks have one intake."""

    intake: Intake


class RecordSink(Sink):
    """The sink of a stream that the source knows."""

    def __init__(
        self,
        target: ReceivingTarget,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        source = target.intake.source
        checked = source is not None and source.holds_to_schema
        # The SDK must not ask for keys that a stream map renamed: the source knows its own.
        super().__init__(target, stream_name, schema, key_properties if checked else ())
        self._intake = target.intake
        self._rust = RustValidator(self.schema) if checked and self.validate_schema else None

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return None

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record that came through a stream map."""
        self.take(_encode(record), self._intake.version)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Records are in the store already."""

    @override
    def activate_version(self, new_version: int) -> None:
        """A read of the stream ended (rule 1.8)."""
        self._intake.activate(self.stream_name, new_version)

    def take(self, raw: bytes, version: int | None) -> None:
        """Put one record into the store, or on the list of rejects (rule 1.5)."""
        complaint: tuple[str, str] | None
        record: Any = None
        try:
            record = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            complaint = "", "is not JSON"
        except RecursionError:
            complaint = "", TOO_DEEP
        else:
            complaint = self._complaint(raw, record)
        if complaint is None:
            self._intake.take(self.stream_name, raw, record, version)
        else:
            self._intake.take_invalid(self.stream_name, raw, record, version, *complaint)

    def _complaint(self, raw: bytes, record: Any) -> tuple[str, str] | None:
        if not isinstance(record, dict):
            return "", "is not an object"
        if raw.count(b"{") + raw.count(b"[") > DEEPEST and is_deep(record):
            return "", TOO_DEEP
        complaint = None
        if self._rust is not None and not (b'"_sdc_deleted_at"' in raw and record.get("_sdc_deleted_at")):
            complaint = self._rust.complaint(record)
        if complaint is None and len(raw) > LONGEST_TEXT:
            complaint = _too_long(record)
        return complaint


class IgnoredSink(Sink):
    """The sink of a stream that this target does not use."""

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return None

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Ignored."""

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Ignored."""

    @override
    def activate_version(self, new_version: int) -> None:
        """Ignored."""


def _too_long(value: Any, path: str = "") -> tuple[str, str] | None:
    """Field and reason of the first text that is longer than any of a billing system's."""
    if isinstance(value, str):
        return (path, f"is longer than {LONGEST_TEXT} characters") if len(value) > LONGEST_TEXT else None
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found = _too_long(inner, f"{path}.{key}" if path else str(key))
        if found is not None:
            return found
    return None
