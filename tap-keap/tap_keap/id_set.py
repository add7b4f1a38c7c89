"""A set of Keap ids that stays small with millions of them."""

from __future__ import annotations

PAGE = 4096


class IdSet:
    """Ids seen. Keap's ids are numeric texts, mostly dense: one bit each; any other text is kept as it is."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._others: set[str] = set()

    def add(self, identifier: str) -> bool:
        """Add an id; True if it was not there."""
        if not (identifier.isascii() and identifier.isdigit()) or (identifier[0] == "0" and identifier != "0"):
            if identifier in self._others:
                return False
            self._others.add(identifier)
            return True
        page, place = divmod(int(identifier), PAGE)
        bits = self._pages.get(page)
        if bits is None:
            bits = self._pages[page] = bytearray(PAGE // 8)
        byte, mask = place >> 3, 1 << (place & 7)
        if bits[byte] & mask:
            return False
        bits[byte] |= mask
        return True

    def __contains__(self, identifier: str) -> bool:
        if not (identifier.isascii() and identifier.isdigit()) or (identifier[0] == "0" and identifier != "0"):
            return identifier in self._others
        page, place = divmod(int(identifier), PAGE)
        bits = self._pages.get(page)
        return bits is not None and bool(bits[place >> 3] & 1 << (place & 7))
