"""``python -m sandbox.sample``: writes a generated account to standard output.

As one JSON object for ``python -m sandbox --account FILE``, or with ``--singer`` as Singer messages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from itertools import chain

import msgspec

from sandbox.keap.values import Row
from sandbox.sample import sample_account
from sandbox.sample.generate import catalogue, generate_account, generate_lives
from sandbox.sample.singer import write_singer


def main(arguments: list[str] | None = None) -> int:
    """Write the account.

    Returns:
        0; 2 from argparse for unknown options.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox.sample", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--contacts", type=int, help="without it: the sample account")
    parser.add_argument("--orders", type=int, help="how many in all, evenly; without it: lives as they come")
    parser.add_argument("--months", type=int, default=36, help="how long the business has been running")
    parser.add_argument("--singer", action="store_true", help="Singer messages instead of one JSON object")
    options = parser.parse_args(arguments)
    parts: Iterable[dict[str, list[Row]]]
    if options.contacts is None:
        parts = [sample_account()]
    elif options.orders is None:
        parts = [generate_account(options.seed, options.contacts, options.months)]
    else:
        parts = chain([catalogue()], generate_lives(options.seed, options.contacts, options.orders))
    if options.singer:
        write_singer(parts, sys.stdout.buffer)
    else:
        sys.stdout.buffer.write(msgspec.json.encode(_together(parts)) + b"\n")
    return 0


def _together(parts: Iterable[dict[str, list[Row]]]) -> dict[str, list[Row]]:
    account: dict[str, list[Row]] = {}
    for part in parts:
        for stream, found in part.items():
            account.setdefault(stream, []).extend(found)
    return account


if __name__ == "__main__":
    raise SystemExit(main())
