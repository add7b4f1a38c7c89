"""An S3 service on loopback, for what must outlast a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer


@contextmanager
def s3_store(monkeypatch: pytest.MonkeyPatch, bucket: str, wrap: Callable[[Any], Any] | None = None) -> Iterator[Any]:
    """A client of a service with one empty bucket; the environment leads there.

    Args:
        monkeypatch: sets the environment.
        bucket: its name.
        wrap: what the service's WSGI application is wrapped in.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    if wrap is not None and server._server is not None:
        server._server.app = wrap(server._server.app)
    host, port = server.get_host_and_port()
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket=bucket)
    yield client
    client.close()
    server.stop()
