"""The store in S3 itself: what only the service can show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import s3fs

from target_chartmogul.store.errors import StoreInUseError
from target_chartmogul.store.place import StorePlace
from tests.support.s3_store import s3_store
from tests.unit.store.source import CONTACT, SOURCE, put

BUCKET = "stores"
URL = f"s3://{BUCKET}/keap/store.gz"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    s3fs.S3FileSystem.clear_instance_cache()
    with s3_store(monkeypatch, BUCKET) as client:
        yield client
    s3fs.S3FileSystem.clear_instance_cache()


def _keys(service: Any) -> list[str]:
    return sorted(each["Key"] for each in service.list_objects_v2(Bucket=BUCKET).get("Contents", ()))


def test_it_is_kept_locked_and_unlocked(service: Any) -> None:
    place = StorePlace(URL, SOURCE)
    put(place.open(), CONTACT, 7)
    place.save(unfinished=True)
    assert _keys(service) == ["keap/store.gz", "keap/store.gz.lock"]
    with pytest.raises(StoreInUseError):
        StorePlace(URL, SOURCE).open()
    reader = StorePlace(URL, SOURCE, read_only=True)
    store = reader.open()
    assert store.unfinished
    assert store.records.counts() == {CONTACT: 1}
    reader.close()
    place.save(unfinished=False)
    place.close()
    assert _keys(service) == ["keap/store.gz"]
    again = StorePlace(URL, SOURCE)
    assert not again.open().unfinished
    again.close()
