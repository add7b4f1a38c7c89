"""Uuids as a reversible picture of sequence numbers, so that a million records need no index by uuid.

Half of each uuid is drawn anew for every store: a uuid remembered from another one is unknown here.
"""

from __future__ import annotations

import re
import secrets

_PATTERN = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})")
_ODD = 0x9E3779B97F4A7C15
_INVERSE = pow(_ODD, -1, 1 << 64)
_MASK = (1 << 64) - 1


class Identifiers:
    def __init__(self) -> None:
        self._salt = f"{secrets.randbits(64):016x}"

    def bare(self, seq: int) -> str:
        scrambled = f"{seq * _ODD & _MASK:016x}"
        salt = self._salt
        return f"{scrambled[:8]}-{salt[:4]}-{salt[4:8]}-{salt[8:12]}-{salt[12:16]}{scrambled[8:]}"

    def uuid(self, prefix: str, seq: int) -> str:
        return f"{prefix}_{self.bare(seq)}"

    def seq(self, prefix: str, uuid: object) -> int | None:
        """The sequence number behind `<prefix>_<uuid>`, None if it was not formed here."""
        if not isinstance(uuid, str):
            return None
        head, _, bare = uuid.rpartition("_")
        found = _PATTERN.fullmatch(bare)
        if head != prefix or not found:
            return None
        first, *middle, last = found.groups()
        if "".join(middle) + last[:4] != self._salt:
            return None
        return int(first + last[4:], 16) * _INVERSE & _MASK
