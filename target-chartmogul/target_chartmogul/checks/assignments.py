"""`NAME=VALUE` on the command line, parsed as settings are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from target_chartmogul.failures import ConfigurationError
from target_chartmogul.settings import PROPERTIES
from target_chartmogul.sources.keap.settings import MappingSettings

MAPPING: Final = (*MappingSettings.__struct_fields__, "now")
"""Settings that say what ChartMogul should hold, and the clock."""


def assigned(assignments: Iterable[str]) -> dict[str, Any]:
    """Settings by name, from `NAME=VALUE` each: JSON where the setting is not a text; empty for its default.

    Raises:
        ConfigurationError: no `=`, an unknown name (with the nearest), a setting that changes no figures, or a value
            that is not JSON.
    """
    found: dict[str, Any] = {}
    for each in assignments:
        name, equals, value = each.partition("=")
        if not equals:
            raise ConfigurationError("`--set` takes NAME=VALUE, e.g. `--set interval_source=subscription`")
        _check(name.strip())
        found[name.strip()] = _value(name.strip(), value)
    return found


def _check(name: str) -> None:
    if name in MAPPING:
        return
    if name in PROPERTIES:
        raise ConfigurationError(f"setting `{name}` does not say what ChartMogul should hold; `--set` cannot change it")
    near = difflib.get_close_matches(name, MAPPING, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else "; see `target-chartmogul --about`"
    raise ConfigurationError(f"unknown setting `{name[:64]}`{hint}")


def _value(name: str, text: str) -> Any:
    kind = PROPERTIES[name]["type"]
    if kind == "string" or not text:
        return text
    try:
        return msgspec.json.decode(text.lower() if kind == "boolean" else text)
    except msgspec.DecodeError:
        wanted = {"array": 'a list as JSON, e.g. ["31", "32"]', "object": 'an object as JSON, e.g. {"81": "none"}'}
        raise ConfigurationError(f"setting `{name}` must be {wanted.get(kind, 'JSON: ' + kind)}") from None
