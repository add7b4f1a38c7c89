"""What a line of the log or of an answer may be: one line, whatever a record, an answer or a file says."""

from __future__ import annotations

import logging
import re

_FIRST_WORD = re.compile(r"[a-z][a-z']*(?= |, )")


def one_line(text: str) -> str:
    """The text with control characters and line breaks escaped: none can begin another line or change a terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop; a name at its beginning stays as it is."""
    first = _FIRST_WORD.match(text)
    text = text[0].upper() + text[1:] if first else text
    return text if text.endswith((".", "!", "?")) else f"{text}."


class OneLineRecord(logging.LogRecord):
    """A log message that stays on its line."""

    def getMessage(self) -> str:  # noqa: N802 - the base class names it so
        """The message, with control characters escaped."""
        return one_line(super().getMessage())
