"""External ids in a path may hold anything but what means another address."""

from __future__ import annotations

import pytest

from target_chartmogul.chartmogul.client import path_of
from target_chartmogul.chartmogul.errors import RefusedError, printable


def test_parts_are_quoted():
    assert path_of("a", "50% /?#é", "..b") == "/a/50%25%20%2F%3F%23%C3%A9/..b"


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_parts_that_no_address_can_hold(part):
    with pytest.raises(RefusedError):
        path_of("data_sources", part)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain é “x”", "plain é “x”"),
        ("a\nERROR \x1b[31mred", "a\\nERROR \\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud83d", "\\ud83d"),
        (["x\n"], "['x\\\\n']"),
        ("x" * 500, "x" * 199 + "…"),
        (None, "None"),
    ],
)
def test_foreign_texts_in_messages(value, shown):
    assert printable(value).replace("\\\\", "\\") == shown.replace("\\\\", "\\")
