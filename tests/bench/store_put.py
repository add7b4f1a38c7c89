"""What the store costs: records put, accounts found and loaded, in CPU seconds; prints what it saw as JSON.

The rows are an account's in shape and size only: of each order one payment, its attempt and its part of the order. Run
it as `python -m tests.bench.store_put 1000000`.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from target_chartmogul.billing.nodes import node
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.store import Store

_CONTACT, _SUBSCRIPTION, _ORDER, _PAYMENT, _ATTEMPT, _PART = 3, 4, 5, 6, 7, 8
_ORDERS_PER_CONTACT: Final = 5
_SLICE: Final = 20_000
_PAD: Final = {_CONTACT: 250, _SUBSCRIPTION: 300, _ORDER: 600, _PAYMENT: 250, _ATTEMPT: 250, _PART: 150}
_SOURCE: Final = SourceNodes(
    links_of=lambda _, payload: msgspec.json.decode(payload)["names"],
    owner_node=lambda *_: None,
    subject_node=lambda *_: None,
    contact_stream=_CONTACT,
)
Row = tuple[int, int, bytes, list[int]]


def rows(orders: int) -> Iterator[Row]:
    """Stream after stream, as a tap sends them; who buys next is random."""
    contacts = max(1, orders // _ORDERS_PER_CONTACT)
    buyers = random.Random(20261127)
    buyer_of = [buyers.randrange(1, contacts + 1) for _ in range(orders)]
    for contact in range(1, contacts + 1):
        yield _row(_CONTACT, contact)
    for contact in range(1, contacts + 1):
        yield _row(_SUBSCRIPTION, contact, node(_CONTACT, contact), node(0, contact % 50), node(1, contact % 20))
    for order, buyer in enumerate(buyer_of, 1):
        names = (node(_CONTACT, buyer), node(_SUBSCRIPTION, buyer), node(0, buyer % 50), node(1, buyer % 20))
        yield _row(_ORDER, order, *names)
    for order, buyer in enumerate(buyer_of, 1):
        yield _row(_PAYMENT, order, node(_CONTACT, buyer), node(_ORDER, order))
    for order, buyer in enumerate(buyer_of, 1):
        number = (1_600_000_000 + 90 * order) << 28 | buyers.getrandbits(28)
        yield _row(_ATTEMPT, number, node(_CONTACT, buyer), node(_ORDER, order), node(_PAYMENT, order))
    for order in range(1, orders + 1):
        yield _row(_PART, order, node(_ORDER, order), node(_PAYMENT, order))


def _row(stream: int, number: int, *names: int) -> Row:
    text = "x" * _PAD[stream]
    return stream, number, msgspec.json.encode({"names": names, "text": text}), list(names)


def put_all(store: Store, source: Iterator[Row]) -> list[float]:
    """Seconds of CPU per row and slice, with commits, more than a run has, and without making them."""
    seconds = []
    while batch := list(islice(source, _SLICE)):
        began = time.process_time()
        for stream, number, payload, names in batch:
            store.records.put(stream, number, payload, names)
        store.commit()
        seconds.append((time.process_time() - began) / len(batch))
    return seconds


def accounts(store: Store, number: int) -> dict[str, float]:
    """CPU seconds per account: one after the other, and at random."""
    began = time.process_time()
    every = store.accounts.all()
    next(every)
    roots = time.process_time() - began
    began = time.process_time()
    found = [len(account.records) for account in islice(every, number)]
    in_order = (time.process_time() - began) / len(found)
    some = random.Random(1).sample(range(1, len(found) + 1), len(found))
    began = time.process_time()
    for contact in some:
        store.accounts.account(node(_CONTACT, contact))
    return {
        "roots": roots,
        "account": in_order,
        "account_at_random": (time.process_time() - began) / len(some),
        "records_per_account": sum(found) / len(found),
    }


def main(orders: int) -> dict[str, Any]:
    """Figures by name; seconds are of CPU."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        store = Store(path, _SOURCE)
        first = put_all(store, rows(orders))
        began = time.process_time()
        store.finish_first_read()
        marking = time.process_time() - began
        loaded = accounts(store, min(5000, orders // _ORDERS_PER_CONTACT - 1))
        records = sum(store.records.counts().values())
        store.as_saved()
        again = put_all(store, rows(orders))
        written = store.changed
        store.close()
        return {
            "records": records,
            "put": {"mean": mean(first), "first": first[0], "last": first[-1], "slowest": max(first)},
            "put_again": {"mean": mean(again), "slowest": max(again), "written": written},
            "bytes_per_record": path.stat().st_size / records,
            "marking": marking,
            **loaded,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
