"""A store behind `s3://`: how often it goes there when nothing is new."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.accounts import Bridge, serving
from tests.bench.row import Row
from tests.bench.spent import account_file
from tests.support.s3_store import s3_store

BUCKET, KEY = "stores", "keap/store.sqlite"
CONTACTS, ORDERS = 600, 1_200


def s3_rows(folder: Path) -> list[Row]:
    """Uploads are counted by the versions that the bucket keeps of the store."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as environment, s3_store(environment, BUCKET) as client:
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        with serving(account_file(folder, CONTACTS, ORDERS)) as sandbox:
            bridge = Bridge(sandbox, folder / "s3", store_path=f"s3://{BUCKET}/{KEY}")
            bridge.run()
            bridge.run()
            before = len(list(_versions(client)))
            sandbox.clear_requests()
            bridge.run()
            after = len(list(_versions(client)))
            reads, writes = bridge.counted()
            taken = client.head_object(Bucket=BUCKET, Key=KEY)["ContentLength"]
    return [
        Row(
            what=f"nothing new, store on S3, {ORDERS:,} orders: uploads",
            ours=after - before,
            required="= 0",
            detail=f"{before} before; {taken / ORDERS:,.0f} bytes an order there",
        ),
        Row(what="  reads of ChartMogul", ours=reads, required="≤ 5", also=writes == 0),
    ]


def _versions(client: Any) -> Iterator[Any]:
    found = client.list_object_versions(Bucket=BUCKET, Prefix=KEY)
    return (each for each in found["Versions"] if each["Key"] == KEY)
