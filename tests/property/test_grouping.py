"""Groups found by the database are those that a plain union of everything that names each other gives."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from target_chartmogul.ledger.grouping import Groups
from target_chartmogul.ledger.inbox import Inbox
from target_chartmogul.ledger.ledger import Ledger

CONTACTS = st.integers(1, 6)
SUBSCRIPTIONS = st.dictionaries(st.integers(501, 504), CONTACTS, max_size=4)
ORDERS = st.dictionaries(
    st.integers(901, 906), st.tuples(CONTACTS, st.lists(st.integers(501, 504), max_size=2)), max_size=6
)
PAYMENTS = st.dictionaries(
    st.integers(7001, 7004),
    st.tuples(st.lists(st.integers(901, 907), max_size=3), st.none() | st.integers(7001, 7004)),
    max_size=4,
)


def plain(
    subscriptions: dict[int, int],
    orders: dict[int, tuple[int, list[int]]],
    payments: dict[int, tuple[list[int], int | None]],
) -> set[frozenset[int]]:
    """Contacts that belong together, by repeated merging."""
    together = [{contact} for contact in {*subscriptions.values(), *(contact for contact, _ in orders.values())}]

    def tie(contacts: set[int]) -> None:
        touched = [each for each in together if each & contacts]
        if len(touched) > 1:
            for each in touched:
                together.remove(each)
            together.append(set().union(*touched))

    def of_payment(number: int | None) -> set[int]:
        return {orders[each][0] for each in payments[number][0] if each in orders} if number in payments else set()

    for contact, named in orders.values():
        tie({contact, *(subscriptions[each] for each in named if each in subscriptions)})
    for number, (_, refunded) in payments.items():
        tie(of_payment(number))
        if of_payment(number) and of_payment(refunded):
            tie(of_payment(number) | of_payment(refunded))
    return {frozenset(each) for each in together}


@settings(max_examples=60, deadline=None)
@given(SUBSCRIPTIONS, ORDERS, PAYMENTS)
def test_groups(
    subscriptions: dict[int, int],
    orders: dict[int, tuple[int, list[int]]],
    payments: dict[int, tuple[list[int], int | None]],
) -> None:
    rows = [("subscriptions", {"id": str(key), "contact_id": str(contact)}) for key, contact in subscriptions.items()]
    rows += [
        (
            "orders",
            {
                "id": str(key),
                "contact": {"id": str(contact)},
                "order_items": [{"subscription_id": str(each)} for each in named],
            },
        )
        for key, (contact, named) in orders.items()
    ]
    rows += [
        ("payments", {"id": str(key), "order_ids": [str(each) for each in named], "refund_payment_id": refunded})
        for key, (named, refunded) in payments.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        inbox, ledger = Inbox(Path(folder) / "inbox.sqlite"), Ledger(Path(folder) / "ledger.sqlite")
        for stream, row in rows:
            inbox.put(stream, row, json.dumps(row).encode(), None)
        inbox.attach(ledger.path)
        groups = Groups(inbox)
        groups.mark_all()
        groups.gather()
        found = [(frozenset(groups.contacts(group)), list(groups.records(group))) for group in groups]
        inbox.close()
        ledger.close()
    with_contact = {contacts for contacts, _ in found if min(contacts) > 0}
    assert with_contact == plain(subscriptions, orders, payments)
    placed = [(stream, number) for _, records in found for stream, number, _ in records]
    assert sorted(placed) == sorted((stream, int(row["id"])) for stream, row in rows), "each record in one group"
