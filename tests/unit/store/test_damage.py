"""Whatever happens to the file, the run that meets it says that the store is damaged (rule 1.6)."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.nodes import node
from target_chartmogul.billing.objects import Customer
from target_chartmogul.store.errors import StoreDamagedError, StoreError, store_errors
from target_chartmogul.store.outcomes import Note
from target_chartmogul.store.place import StorePlace
from target_chartmogul.store.store import Store
from tests.unit.store.source import CONTACT, ORDER, PAYMENT, SOURCE, put

NOW = datetime(2026, 11, 27, tzinfo=UTC)
PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "store.sqlite"
    place = StorePlace(str(path), SOURCE)
    store = place.open()
    with store.transaction():
        for number in range(1, 300):
            customer = Customer(external_id=str(number), name="N" * 50)
            change = Change(action="create", kind="customer", external_id=str(number), desired=customer)
            store.holdings.acknowledged(change, {})
    for number in range(1, 300):
        put(store, CONTACT, number, text="x" * 300)
        put(store, ORDER, number, node(CONTACT, number), text="x" * 300)
        put(store, PAYMENT, number, node(ORDER, number), text="x" * 300)
    store.commit()
    store.finish_first_read()
    place.close()
    return path.read_bytes()


def _run(store: Store) -> None:
    for number in range(200, 400):
        put(store, ORDER, number, node(CONTACT, number), text="y")
    store.commit()
    for account in store.accounts.due(NOW):
        notes = [Note(account.home, "remark", str(account.home), "1", b"{}")]
        store.outcomes.finish(account.nodes, now=NOW, notes=notes)
    for customer in store.holdings.objects("customer"):
        store.holdings.acknowledged(
            Change(action="update", kind="customer", external_id=customer.external_id, desired=customer), {}
        )


@pytest.mark.parametrize("seed", range(12))
def test_a_page_of_noise_is_called_damage_or_not_met(tmp_path: Path, whole: bytes, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(whole)
    page = chance.randrange(1, len(content) // PAGE)
    content[page * PAGE : (page + 1) * PAGE] = chance.randbytes(PAGE)
    path = tmp_path / "store.sqlite"
    path.write_bytes(content)
    place = StorePlace(str(path), SOURCE)
    with suppress(StoreDamagedError), store_errors():
        _run(place.open())
        with pytest.raises(StoreDamagedError):
            place.store.check()
    aside = place.set_aside()
    assert (tmp_path / aside).exists()
    _run(place.open())
    place.store.check()
    place.close()


def test_an_unharmed_one_is_whole(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(whole)
    place = StorePlace(str(path), SOURCE)
    _run(place.open())
    place.store.check()
    place.close()


def test_a_place_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"store_path: .*store.sqlite cannot be read: Not a directory"):
        StorePlace(str(tmp_path / "file" / "store.sqlite"), SOURCE).open()
