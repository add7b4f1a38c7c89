"""The settings that accounts are decided with: the user's, completed by what the source says of itself (rule 1.10)."""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

import msgspec

from target_chartmogul.sources.protocol import Filled, Source
from target_chartmogul.store.store import Store

logger = logging.getLogger("target-chartmogul")

_SAID: Final = "settings from the source"


class Listener(Protocol):
    """The report."""

    def section(self, name: str, content: Any) -> None:
        """A part of the document."""


def in_force(source: Source, store: Store, settings: Any) -> Any:
    """The mapping's settings in force; the store is only read.

    Args:
        source: of the store.
        store: has the source's record about itself, if that ever came. The last version that could be read counts,
            also after it is gone.
        settings: of the mapping, as the user set them.
    """
    return _filled(source, store, settings).settings


def _filled(source: Source, store: Store, settings: Any) -> Filled:
    record = None if source.settings_node is None else store.records.get(source.settings_node)
    if record is None:
        return Filled(settings)
    payload = record.payload if record.invalid is None else record.previous
    return Filled(settings) if payload is None else source.filled(settings, payload)


def fill_from_account(source: Source, store: Store, settings: Any, report: Listener) -> Any:
    """The same for a run: what is taken or ignored is in the report, and logged when it is another than before."""
    found = _filled(source, store, settings)
    said = {"taken": dict(found.taken), "ignored": dict(found.ignored)}
    if found.taken or found.ignored:
        report.section("account_settings", said)
    if source.settings_node is not None:
        with store.outcomes.together():
            store.records.accept([source.settings_node])
    text = msgspec.json.encode(said, order="sorted").decode() if found.taken or found.ignored else None
    if text != store.meta.get(_SAID):
        store.meta.put(_SAID, text)
        _say(found)
    return found.settings


def _say(found: Filled) -> None:
    if found.taken:
        values = ", ".join(f"`{name}` {value}" for name, value in found.taken.items())
        logger.info("Taken from the Keap account, since they are not set: %s.", values)
    for name, value in found.ignored.items():
        logger.warning("The Keap account has “%s”, which `%s` cannot be: it is ignored; set `%s`.", value, name, name)
