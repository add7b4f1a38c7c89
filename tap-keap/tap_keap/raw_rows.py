"""Takes a page apart that is not JSON as a whole, so that a broken row costs only itself."""

from __future__ import annotations

import re

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},:]', re.DOTALL)
_OPENING, _CLOSING = (b"{", b"["), (b"}", b"]")


class NotAPageError(ValueError):
    """The text is not an object with a list in it, or it is cut off."""


def split_page(body: bytes, envelope: str) -> tuple[bytes, list[bytes]]:
    """The page with an empty list, and the texts of the rows in that list.

    Looks at brackets and quotes only, without recursion.

    Args:
        body: An object, somewhere in it `"<envelope>": [ … ]` at the first level.
        envelope: Name of the list.

    Raises:
        NotAPageError: if brackets do not match, or there is no such list.
    """
    name = b'"' + envelope.encode() + b'"'
    stack: list[bytes] = []
    found: tuple[int, int] | None = None
    rows: list[bytes] = []
    before, named, row_start, inside = b"", False, 0, False
    for match in _TOKENS.finditer(body):
        token = match[0]
        if token in _OPENING:
            if len(stack) == 1 and token == b"[" and named and found is None:
                inside, row_start = True, match.end()
                found = (match.end(), match.end())
            stack.append(token)
        elif token in _CLOSING:
            if not stack or _OPENING.index(stack.pop()) != _CLOSING.index(token):
                raise NotAPageError
            if inside and len(stack) == 1:
                assert found is not None  # noqa: S101 - set where `inside` is
                inside, found = False, (found[0], match.start())
                rows.append(body[row_start : match.start()])
        elif token == b"," and inside and len(stack) == 2:
            rows.append(body[row_start : match.start()])
            row_start = match.end()
        if token == b":" and len(stack) == 1:
            named = before == name
        before = token
    if stack or found is None:
        raise NotAPageError
    return body[: found[0]] + body[found[1] :], [row for row in rows if row.strip()]
