"""What arrives in a run, next to the records: rejects, complete reads, and the folder that it all lies in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_chartmogul.billing.decisions import Reject
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.ledger.inbox import Inbox
from target_chartmogul.progress import Progress

if TYPE_CHECKING:
    from target_chartmogul.sources.native.inbox import ShapedInbox


class Intake:
    """The receiving end of a run."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._inbox: Inbox | None = None
        self._shaped_inbox: ShapedInbox | None = None
        self.shaped: bool | None = None
        """Whether the streams hold ChartMogul's objects, or Keap's records; None before the first one."""
        self.rejects: list[Reject] = []
        self.whole: set[str] = set()
        """Streams whose ACTIVATE_VERSION came: every record that Keap has of them arrived."""
        self.passed_over: set[str] = set()
        self.began: set[str] = set()
        """Streams whose SCHEMA came."""
        self.progress = Progress()
        self.progress.begin("staged", "records")

    @property
    def folder(self) -> Path:
        """A folder for scratch files, made when it is first asked for."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="target-chartmogul-")
        return Path(self._folder.name)

    @property
    def inbox(self) -> Inbox:
        """All records that arrived."""
        if self._inbox is None:
            self._inbox = Inbox(self.folder / "inbox.sqlite")
        return self._inbox

    def admit(self, *, shaped: bool) -> None:
        """A stream comes that holds ChartMogul's objects (`shaped`), or Keap's records.

        Raises:
            ConfigurationError: the other kind came before.
        """
        if self.shaped is not None and self.shaped != shaped:
            raise ConfigurationError(
                "Keap's streams and streams of ChartMogul's objects came in one run: run each with a configuration of "
                "its own, with another `external_id_prefix` and `ledger_path`"
            )
        self.shaped = shaped

    def open_shaped_inbox(self, prefix: str) -> ShapedInbox:
        """The inbox of ChartMogul-shaped rows, made when it is first asked for."""
        if self._shaped_inbox is None:
            from target_chartmogul.sources.native.inbox import ShapedInbox  # noqa: PLC0415  what Keap's streams do not need

            self._shaped_inbox = ShapedInbox(self.folder / "shaped.sqlite", prefix)
        return self._shaped_inbox

    @property
    def arrived(self) -> dict[str, int]:
        """How many records came of each stream."""
        return dict((self._shaped_inbox or self.inbox).arrived)

    def reject(self, stream: str, record_id: Any, field: str, reason: str) -> None:
        """Note a record that can never be accepted, without its values."""
        known = isinstance(record_id, str | int) and not isinstance(record_id, bool)
        text = str(record_id)[:64] if known else "(no id)"
        self.rejects.append(Reject(stream=stream, id=text, field=field, reason=reason))

    def read_completely(self, stream: str) -> None:
        """A stream was read completely."""
        self.whole.add(stream)

    def close(self) -> None:
        """Remove everything from the disk."""
        for inbox in (self._inbox, self._shaped_inbox):
            if inbox is not None:
                inbox.close()
        if self._folder is not None:
            self._folder.cleanup()
