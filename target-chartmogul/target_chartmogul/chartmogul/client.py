"""ChartMogul's REST API over HTTP: authentication, pace, retries, and answers as JSON or as exceptions.

Reads, PATCH, PUT and DELETE are repeated until they are answered: doing them twice is doing them once. A POST is
repeated only where ChartMogul surely did not take it; otherwise `LostAnswerError` tells the caller to look first.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import backoff
import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NameResolutionError

from target_chartmogul.chartmogul.errors import (
    CredentialsError,
    LostAnswerError,
    StoppedError,
    UnansweredError,
    UnreachableError,
    refused,
)
from target_chartmogul.chartmogul.gate import RequestGate

logger = logging.getLogger(__name__)

API_URL = "https://api.chartmogul.com/v1"
PAGE = 200
"""The largest page that ChartMogul gives."""
TRIES = 9
FIRST_TRIES = 5
"""Tries as long as nothing ever answered: a wrong address should be told within seconds."""
LONGEST_WAIT = 30.0
_SHORT_WAIT = 2.0
_TRANSIENT = frozenset({408, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_PERSONAL = frozenset({"name", "company", "email", "city", "zip", "description", "custom", "tags", "value"})


class Traffic(msgspec.Struct):
    """What a run cost (rule 7.1)."""

    requests: int = 0
    writes: int = 0
    retries: int = 0
    throttled: int = 0


class ChartMogulClient:
    """One account of ChartMogul's; may be used by many threads.

    Args:
        api_key: goes into the Authorization header and nowhere else.
        api_url: base address, without a slash at the end.
        gate: the limits; shared by all clients of the process that use the same account.
        stop: set when the run shall end: waiting for another try ends with `StoppedError`.
        connect_timeout: seconds to get a connection.
        read_timeout: seconds without a byte of the answer.
    """

    def __init__(
        self,
        api_key: str,
        api_url: str = API_URL,
        *,
        gate: RequestGate | None = None,
        stop: threading.Event | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        connections: int = 20,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.host = urlsplit(api_url).netloc.rpartition("@")[2]
        self.traffic = Traffic()
        self.stop = stop or threading.Event()
        self._gate = gate or RequestGate()
        self._timeout = (connect_timeout, read_timeout)
        self._counting = threading.Lock()
        self._reached = False
        self._session = requests.Session()
        self._session.auth = (api_key, "")
        self._session.headers.update({"Accept": "application/json", "User-Agent": "target-chartmogul"})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0))

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Read; repeated until answered.

        Raises:
            CredentialsError: 401 or 403.
            RefusedError: any other 4xx.
            UnreachableError: no answer within all tries.
            StoppedError: the run ends.
        """
        return self._repeat("GET", path, params, None)

    def patch(self, path: str, body: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Change; raises as `get`."""
        return self._repeat("PATCH", path, params, body)

    def put(self, path: str, body: Any) -> Any:
        """Set; raises as `get`."""
        return self._repeat("PUT", path, None, body)

    def delete(self, path: str, params: Mapping[str, Any] | None = None, body: Any = None) -> None:
        """Delete; raises as `get`. A 404 may mean that an earlier try was carried out: it is the caller's to judge."""
        self._repeat("DELETE", path, params, body)

    def post_repeatable(self, path: str, body: Any) -> Any:
        """POST of something that may safely be posted twice (tags, attributes); raises as `get`."""
        return self._repeat("POST", path, None, body)

    def post(self, path: str, body: Any) -> Any:
        """Create.

        Raises:
            LostAnswerError: it may have been created; look it up by external id.
            CredentialsError: 401 or 403.
            RefusedError: any other 4xx.
            UnreachableError: surely not created within all tries.
            StoppedError: the run ends.
        """
        return self._repeat("POST", path, None, body, lookup_first=True)

    def pages(self, path: str, key: str, params: Mapping[str, Any] | None = None) -> Iterator[list[dict[str, Any]]]:
        """All pages of a listing, by cursor; `has_more` alone says whether there is another one.

        Raises as `get`.
        """
        query = {**(params or {}), "per_page": PAGE}
        while True:
            answer = self.get(path, query)
            rows = answer.get(key) if isinstance(answer, dict) else None
            if not isinstance(rows, list):
                raise UnreachableError(f"{self.host} answered without “{key}” to GET {path}: is this ChartMogul's API?")
            yield rows
            if not answer.get("has_more"):
                return
            if answer.get("cursor") in {None, query.get("cursor")}:
                raise UnreachableError(f"{self.host} said of GET {path} that there is more, but not where")
            query["cursor"] = answer["cursor"]

    def pause(self, seconds: float) -> None:
        """Wait, unless the run ends.

        Raises:
            StoppedError: it does.
        """
        if self.stop.wait(seconds):
            raise StoppedError

    def _wait_turn(self, seconds: float) -> None:
        """Wait at the gate; only a long pause is worth breaking a change off that has begun."""
        if seconds > _SHORT_WAIT:
            self.pause(seconds)
        else:
            time.sleep(seconds)

    def _repeat(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any, *, lookup_first: bool = False
    ) -> Any:
        tries = 0
        while True:
            tries += 1
            try:
                return self._once(method, path, params, body)
            except UnansweredError as trouble:
                if lookup_first and trouble.handled is None:
                    raise LostAnswerError(f"{method} {path}: {trouble}") from None
                if tries >= (TRIES if self._reached else FIRST_TRIES):
                    raise UnreachableError(f"{self.host}: {trouble} ({method} {path}, {tries} tries)") from None
                wait = backoff.full_jitter(min(LONGEST_WAIT, 0.5 * 2**tries))
                logger.info("%s %s: %s; try %d in %.1f s", method, path, trouble, tries + 1, wait)
                with self._counting:
                    self.traffic.retries += 1
            self.pause(wait)

    def _once(self, method: str, path: str, params: Mapping[str, Any] | None, body: Any) -> Any:
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if content is not None else None
        with self._gate.passing(self._wait_turn) as left:
            with self._counting:
                self.traffic.requests += 1
                self.traffic.writes += method != "GET"
            try:
                response = self._session.request(
                    method,
                    self.api_url + path,
                    params=params,
                    data=content,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                raise self._no_answer(error) from None
        self._reached = True
        if response.status_code in {429, 503}:
            retry_after = _seconds(response.headers.get("Retry-After"))
            with self._counting:
                self.traffic.throttled += 1
            self._gate.throttled(left, retry_after)
        else:
            self._gate.answered(left)
        return self._judge(method, path, response, body)

    def _judge(self, method: str, path: str, response: requests.Response, body: Any) -> Any:
        status = response.status_code
        if status == 429:
            raise UnansweredError("too many requests (429)", handled=False, throttled=True)
        if status in _TRANSIENT:
            raise UnansweredError(f"answered {status}", handled=None, throttled=status == 503)
        if status in {401, 403}:
            raise CredentialsError(_credentials(status, self.host, method, path))
        if 300 <= status < 400:
            raise UnreachableError(f"{self.host} answered with a redirect ({status}): is api_url right?")
        if status == 204:
            return None
        try:
            answer = msgspec.json.decode(response.content) if response.content.strip() else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            if status < 300:
                raise UnansweredError(f"answered {status} with something else than JSON", handled=None) from None
            answer = response.text[:500]
        if status >= 400:
            raise refused(status, answer, _personal(body))
        return answer

    def _no_answer(self, error: requests.RequestException) -> Exception:
        if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
            return UnreachableError("api_url is not a usable address")
        if isinstance(error, requests.exceptions.SSLError):
            return UnreachableError(f"no trusted TLS connection to {self.host}: its certificate could not be verified")
        if isinstance(error, requests.exceptions.ProxyError):
            return UnansweredError("the proxy did not connect", handled=False)
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return UnansweredError("no connection in time", handled=False)
        if isinstance(error, requests.exceptions.Timeout):
            return UnansweredError("no answer in time", handled=None)
        causes = _causes(error)
        if any(isinstance(cause, (NameResolutionError, socket.gaierror)) for cause in causes):
            return UnansweredError("the host name is not known", handled=False)
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            return UnansweredError("the connection was refused", handled=False)
        return UnansweredError("the connection broke", handled=None)


def _causes(error: BaseException) -> list[BaseException]:
    """The exceptions behind one of requests', which keeps urllib3's as an argument."""
    found: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        item = todo.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            todo += [*item.args, item.__cause__, item.__context__, getattr(item, "reason", None)]
    return found


def _credentials(status: int, host: str, method: str, path: str) -> str:
    if status == 401:
        return f"{host} does not know this api_key (401)"
    return f"{host} does not let this api_key do {method} {path} (403): is it a read-only key, or has a trial ended?"


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its date form is not used by ChartMogul and counts as absent."""
    return float(text) if text and text.strip().isdecimal() else None


def _personal(body: Any, *, inside: bool = False) -> Iterator[str]:
    """Texts of a request that may be personal: no message may repeat them."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield from _personal(value, inside=inside or key in _PERSONAL)
    elif isinstance(body, (list, tuple)):
        for value in body:
            yield from _personal(value, inside=inside)
    elif isinstance(body, msgspec.Raw):
        yield from _personal(msgspec.json.decode(body), inside=inside)
    elif inside and isinstance(body, str) and len(body) > 1:
        yield body
