"""A source whose payloads are JSON with the nodes that they name."""

from __future__ import annotations

from pathlib import Path

import msgspec

from target_chartmogul.billing.nodes import node
from target_chartmogul.billing.objects import Customer, Invoice, SubscriptionEvent
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.store import Store

PRODUCT, PLAN, CONTACT, SUBSCRIPTION, ORDER, PAYMENT = 0, 1, 3, 4, 5, 6


def _owner(kind, thing):
    match thing:
        case Customer():
            return node(CONTACT, int(thing.external_id))
        case Invoice() | SubscriptionEvent():
            return node(CONTACT, int(thing.customer_external_id))
    return None


def _subject(kind, thing):
    match thing:
        case Invoice():
            return node(ORDER, int(thing.external_id))
        case SubscriptionEvent():
            return node(SUBSCRIPTION, int(thing.subscription_external_id))
    return None


SOURCE = SourceNodes(
    links_of=lambda stream, payload: msgspec.json.decode(payload)["names"],
    owner_node=_owner,
    subject_node=_subject,
    contact_stream=CONTACT,
)


def payload(*names: int, text: str = "") -> bytes:
    return msgspec.json.encode({"names": names, "text": text})


def put(store: Store, stream: int, number: int, *names: int, text: str = "", version: int | None = None) -> None:
    store.records.put(stream, number, payload(*names, text=text), names, version=version)


def open_store(folder: Path, **options: bool) -> Store:
    return Store(folder / "store.sqlite", SOURCE, **options)
