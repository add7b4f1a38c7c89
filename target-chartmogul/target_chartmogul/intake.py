"""What arrives in a run, next to the records: rejects, complete reads, and the folder that it all lies in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from target_chartmogul.inbox import Inbox
from target_chartmogul.keap.group import Reject


class Intake:
    """The receiving end of a run."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="target-chartmogul-")
        self.folder = Path(self._folder.name)
        self.inbox = Inbox(self.folder / "inbox.sqlite")
        self.rejects: list[Reject] = []
        self.whole: set[str] = set()
        """Streams whose ACTIVATE_VERSION came: every record that Keap has of them arrived."""
        self.passed_over: set[str] = set()

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
        self.inbox.close()
        self._folder.cleanup()
