"""The client against odd answers, the limits of several processes, and what may reach a log."""

from __future__ import annotations

import http.server
import json
import logging
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from target_chartmogul.apply.lanes import Applier
from target_chartmogul.chartmogul import creation
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import create_data_source
from target_chartmogul.chartmogul.errors import (
    CredentialsError,
    LostAnswerError,
    RefusedError,
    StoppedError,
    UnreachableError,
)
from target_chartmogul.chartmogul.gate import RequestGate
from target_chartmogul.chartmogul.listing import Listing
from target_chartmogul.chartmogul.wire import Wire
from tests.support.billing_objects import PLAN, customer, invoice
from tests.support.memory_journal import MemoryJournal, create, root_of

URL = "https://api.chartmogul.test/v1"
KEY = "key-that-nobody-may-see"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda _: 0.001)
    monkeypatch.setattr("target_chartmogul.chartmogul.gate.SHORTEST_PAUSE", 0.001)
    monkeypatch.setattr("target_chartmogul.chartmogul.gate.LONGEST_PAUSE", 0.002)


@pytest.fixture
def client(quick):
    made = ChartMogulClient(KEY, URL)
    yield made
    made.close()


@responses.activate
def test_key_and_form_of_a_request(client):
    responses.post(f"{URL}/things", json={"uuid": "x"}, status=201)
    client.post("/things", {"name": "Ada"})
    request = responses.calls[0].request
    assert request.headers["Authorization"].startswith("Basic ")
    assert KEY not in request.headers["Authorization"]
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {"name": "Ada"}


@responses.activate
def test_pages_by_cursor_until_has_more_is_false(client):
    """`cursor` is often there on the last page, and a page may be empty: `has_more` alone counts."""
    one, two = {"uuid": "1"}, {"uuid": "2"}
    for rows, cursor, more in (([one], "a", True), ([], "b", True), ([two, one], "c", False)):
        responses.get(f"{URL}/plans", json={"plans": rows, "cursor": cursor, "has_more": more})
    assert list(client.pages("/plans", "plans", {"x": "1"})) == [[one], [], [two, one]]
    assert [call.request.params.get("cursor") for call in responses.calls] == [None, "a", "b"]
    assert {call.request.params["per_page"] for call in responses.calls} == {"200"}


@responses.activate
@pytest.mark.parametrize("cursor", [None, "a"])
def test_a_listing_that_does_not_go_on_ends_in_an_error(client, cursor):
    responses.get(f"{URL}/plans", json={"plans": [], "cursor": "a", "has_more": True})
    responses.get(f"{URL}/plans", json={"plans": [], "cursor": cursor, "has_more": True})
    with pytest.raises(UnreachableError, match="leads nowhere"):
        list(client.pages("/plans", "plans"))


@responses.activate
def test_an_answer_without_the_list(client):
    responses.get(f"{URL}/plans", json={"data": []})
    with pytest.raises(UnreachableError, match="plans"):
        list(client.pages("/plans", "plans"))


@responses.activate
def test_a_redirect_is_not_followed_with_the_key(client):
    responses.get(f"{URL}/ping", status=302, headers={"Location": "https://elsewhere.test/"})
    with pytest.raises(UnreachableError, match="redirect"):
        client.get("/ping")
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524, 429])
def test_reads_and_changes_are_repeated(client, status):
    for method in (responses.GET, responses.PATCH, responses.DELETE, responses.PUT):
        responses.add(method, f"{URL}/x", status=status, body="<html>busy</html>")
        responses.add(method, f"{URL}/x", json={"ok": 1})
    assert client.get("/x") == client.patch("/x", {}) == client.put("/x", {}) == {"ok": 1}
    client.delete("/x")
    assert client.traffic.retries == 4
    assert client.traffic.throttled == (4 if status in {429, 503} else 0)


@responses.activate
@pytest.mark.parametrize(("status", "lost"), [(500, True), (502, True), (503, True), (504, True), (429, False)])
def test_a_post_is_repeated_only_where_it_was_surely_not_done(client, status, lost):
    responses.post(f"{URL}/x", status=status)
    responses.post(f"{URL}/x", json={"uuid": "1"}, status=201)
    if lost:
        with pytest.raises(LostAnswerError):
            client.post("/x", {})
    else:
        assert client.post("/x", {}) == {"uuid": "1"}


@responses.activate
@pytest.mark.parametrize("status", [400, 402, 404, 405, 422])
def test_refusals_are_not_repeated(client, status):
    responses.get(f"{URL}/x", status=status, json={"error": "no"})
    with pytest.raises(RefusedError) as caught:
        client.get("/x")
    assert caught.value.status == status
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("status", [401, 403])
def test_credentials_are_not_tried_again(client, status):
    responses.get(f"{URL}/x", status=status, json={"message": KEY})
    with pytest.raises(CredentialsError) as caught:
        client.get("/x")
    assert KEY not in str(caught.value)
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b'{"uuid": "cus_', b"\xff\xfe"])
def test_a_success_that_is_no_json_does_not_count(client, body):
    responses.get(f"{URL}/x", body=body)
    responses.get(f"{URL}/x", json={"ok": 1})
    assert client.get("/x") == {"ok": 1}
    responses.post(f"{URL}/x", body=body, status=201)
    with pytest.raises(LostAnswerError):
        client.post("/x", {})


@responses.activate
def test_a_creation_that_says_nothing_is_looked_up(client, monkeypatch):
    monkeypatch.setattr(creation, "_AFTER_LOST_ANSWER", (0.0, 0.001))
    responses.post(f"{URL}/x", status=201)
    assert creation.create(client, "/x", {}, lambda: "found") == (None, "found", True)


@responses.activate
def test_a_duplicate_that_the_list_does_not_show_yet_is_looked_up_again(client, monkeypatch):
    monkeypatch.setattr(creation, "_AFTER_DUPLICATE", (0.0, 0.001, 0.001))
    taken = {"errors": {"external_id": "has already been taken"}}
    responses.post(f"{URL}/x", status=422, json=taken)
    answers = iter([None, None, "found"])
    assert creation.create(client, "/x", {}, lambda: next(answers)) == (None, "found", False)
    with pytest.raises(RefusedError):
        creation.create(client, "/x", {}, lambda: None)


@responses.activate
def test_a_wrong_address_is_told_soon_and_a_known_one_tried_longer(client):
    responses.get(f"{URL}/x", body=requests.exceptions.ConnectionError())
    with pytest.raises(UnreachableError, match="5 tries"):
        client.get("/x")
    responses.get(f"{URL}/ping", json={})
    client.get("/ping")
    with pytest.raises(UnreachableError, match="9 tries"):
        client.get("/x")


@responses.activate
def test_retry_after_is_waited_for():
    client = ChartMogulClient(KEY, URL)
    responses.get(f"{URL}/x", status=429, headers={"Retry-After": "1"})
    responses.get(f"{URL}/x", json={})
    begun = time.monotonic()
    client.get("/x")
    assert time.monotonic() - begun >= 1


@responses.activate
def test_waiting_ends_when_the_run_does():
    client = ChartMogulClient(KEY, URL, stop=threading.Event())
    responses.get(f"{URL}/x", status=429, headers={"Retry-After": "60"})
    threading.Timer(0.2, client.stop.set).start()
    begun = time.monotonic()
    with pytest.raises(StoppedError):
        client.get("/x")
    assert time.monotonic() - begun < 10


@pytest.fixture
def untrusted(tmp_path):
    """An HTTPS server of our own on loopback, with a certificate that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://localhost:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("quick")
def test_an_untrusted_certificate_is_refused_at_once(untrusted, monkeypatch):
    """TLS verification cannot be switched off: the variables that other programs know do nothing."""
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    client = ChartMogulClient(KEY, untrusted)
    with pytest.raises(UnreachableError, match="certificate") as caught:
        client.get("/ping")
    assert KEY not in str(caught.value)
    assert client.traffic.requests == 1


PROCESS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.gate import RequestGate
url, key, folder = sys.argv[1:]
client = ChartMogulClient(key, url, gate=RequestGate(Path(folder), url + key))
with ThreadPoolExecutor(12) as pool:
    list(pool.map(lambda _: client.get("/ping"), range(50)))
print(client.traffic.throttled)
"""


def test_three_processes_together_stay_within_the_limits(sandbox, tmp_path):
    """Issue: never more than 40 requests in any second nor 20 connections, when they share a store's folder."""
    sandbox.faults("chartmogul", latency_ms=150)
    arguments = [sandbox.chartmogul_url, sandbox.chartmogul_api_key, str(tmp_path)]
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    throttled = [int(process.communicate(timeout=60)[0]) for process in running]
    entries = sandbox.requests("chartmogul")
    assert throttled == [0, 0, 0]
    assert [entry["status"] for entry in entries] == [200] * 150
    summary = sandbox.summary("chartmogul")
    assert summary["max_per_second"] <= 40
    assert summary["max_parallel"] <= 20


@pytest.mark.usefixtures("quick")
def test_nothing_secret_or_personal_in_any_log_or_error(sandbox, caplog):
    caplog.set_level(logging.DEBUG)
    sandbox.no_limits(("chartmogul",))
    client = ChartMogulClient(
        sandbox.chartmogul_api_key, sandbox.chartmogul_url, gate=RequestGate(per_second=10_000), read_timeout=0.5
    )
    wire = Wire("", create_data_source(client, "Keap").uuid)
    journal = MemoryJournal()
    applier = Applier(client, wire, journal, root_of)
    applier.apply_plans([create("plan", PLAN)])
    sandbox.faults(
        "chartmogul", seed=1, rate=0.3, kinds=["500", "504_html", "429", "reset_before", "reset_after", "truncated"]
    )
    people = [
        customer(1, name="Zebedee Quux"),
        customer(2, name="Zebedee Quux", email="zebedee@quux"),
        customer(3, name="Zebedee Quux" * 30),
        customer(4, name="Zebedee Quux", country="Quuxland", city="Quuxton"),
    ]
    applier.apply_lanes(
        [
            (number, [create("customer", each), create("invoice", invoice(str(number), number, currency="ZQX"))])
            for number, each in enumerate(people, 1)
        ]
    )
    sandbox.faults("chartmogul")
    list(Listing(client, wire).everything())
    told = [record.getMessage() for record in caplog.records] + [str(refusal) for _, refusal in journal.refusals]
    assert len(journal.refusals) >= 4
    assert any("try 2" in text for text in told)
    for secret in ("Zebedee", "Quux", "quux", sandbox.chartmogul_api_key, "example.com"):
        assert not [text for text in told if secret in text]
