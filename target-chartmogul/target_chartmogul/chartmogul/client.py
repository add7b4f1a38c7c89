"""ChartMogul's REST API over HTTP: authentication, pace, retries, and answers as JSON or as exceptions.

Reads, PATCH, PUT and DELETE are repeated until they are answered: doing them twice is doing them once. A POST is
repeated only where ChartMogul surely did not take it; otherwise `LostAnswerError` tells the caller to look first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import backoff
import msgspec
import requests

from target_chartmogul.chartmogul import answers, connection
from target_chartmogul.chartmogul.errors import (
    ClosedForLongError,
    CredentialsError,
    LostAnswerError,
    NotUnderstoodError,
    RefusedError,
    StoppedError,
    UnansweredError,
    UnreachableError,
    credentials_text,
    personal_texts,
    refused,
)
from target_chartmogul.chartmogul.gate import LONGEST_RETRY_AFTER, RequestGate
from target_chartmogul.chartmogul.retry_after import instant_after, seconds_of

logger = logging.getLogger(__name__)

API_URL = "https://api.chartmogul.com/v1"
PAGE = 200
"""The largest page that ChartMogul gives."""
TRIES = 9
FIRST_TRIES = 5
"""Tries as long as nothing ever answered: a wrong address should be named within seconds."""
LONGEST_WAIT = 30.0
_SHORT_WAIT = 2.0
_BEFORE_ASKING_AGAIN = 0.5
_TRANSIENT = frozenset({408, 500, 502, 503, 504, 520, 521, 522, 523, 524})


class Traffic(msgspec.Struct):
    """What a run cost (rule 7.1)."""

    requests: int = 0
    writes: int = 0
    retries: int = 0
    throttled: int = 0


def path_of(*parts: str) -> str:
    """A path of these parts, each quoted: an external id may hold a slash, a question mark or anything else.

    Raises:
        RefusedError: a part that no address can hold (`.` and `..` mean other addresses).
    """
    for part in parts:
        if part in {"", ".", ".."}:
            raise RefusedError(400, {"external_id": f"“{part}” cannot be a part of an address"})
    return "".join("/" + quote(part, safe="") for part in parts)


class ChartMogulClient:
    """One account of ChartMogul's; may be used by many threads.

    Args:
        api_key: goes into the Authorization header and nowhere else.
        api_url: base address, without a slash at the end.
        gate: the limits; shared by all clients of the process that use the same account.
        stop: set when the run should end: waiting for another try ends with `StoppedError`.
        connect_timeout: seconds to get a connection.
        read_timeout: seconds without a byte of the answer; twice as long for the whole answer.
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
        self._closed: ClosedForLongError | None = None
        self._session = requests.Session()
        self._session.auth = (api_key, "")
        self._session.headers.update({"Accept": "application/json", "User-Agent": "target-chartmogul"})
        for scheme in ("https://", "http://"):
            self._session.mount(
                scheme,
                connection.BoundedAdapter(
                    2 * read_timeout, pool_connections=1, pool_maxsize=connections, max_retries=0
                ),
            )

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

    def pages(
        self, path: str, key: str, params: Mapping[str, Any] | None = None, *, whole: bool = False
    ) -> Iterator[list[dict[str, Any]]]:
        """All pages of a listing, by cursor; `has_more` alone says whether there is another one.

        Rows that are not objects are logged with their place and left out.

        Args:
            path: of the listing.
            key: under which an answer has its rows.
            params: what to list.
            whole: something is expected: an empty page is asked for once more before it is believed.

        Raises:
            NotUnderstoodError: an answer without a list, or cursors that lead nowhere.
            CredentialsError, RefusedError, UnreachableError, StoppedError: as `get`.
        """
        query = {**(params or {}), "per_page": PAGE}
        seen: set[str] = set()
        number = 1
        while True:
            answer, rows = self._page(path, key, query)
            if whole and not rows:
                self.pause(_BEFORE_ASKING_AGAIN)
                answer, rows = self._page(path, key, query)
            odd = [place for place, row in enumerate(rows) if not isinstance(row, dict)]
            if odd:
                logger.warning("GET %s, page %d: %s[%d] is not an object; it is ignored", path, number, key, odd[0])
            yield [row for row in rows if isinstance(row, dict)] if odd else rows
            if not answer.get("has_more"):
                return
            cursor = answer.get("cursor")
            if not isinstance(cursor, str) or not cursor or cursor in seen:
                raise NotUnderstoodError(
                    f"{self.host}: GET {path}, page {number}, has more pages, but its cursor leads nowhere new"
                )
            query["cursor"] = cursor
            seen.add(cursor)
            number += 1

    def _page(self, path: str, key: str, query: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        answer = self.get(path, query)
        rows = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise NotUnderstoodError(
                f"{self.host} answered GET {path} without a list “{key}”: is `api_url` ChartMogul's API?"
            )
        return answer, rows

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
                most = TRIES if self._reached else FIRST_TRIES
                if tries >= min(most, trouble.most_tries or most):
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
            if self._closed is not None:
                raise self._closed
            with self._counting:
                self.traffic.requests += 1
                self.traffic.writes += method != "GET"
            try:
                with self._session.request(
                    method,
                    self.api_url + path,
                    params=params,
                    data=content,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    answer = answers.read(response)
            except requests.RequestException as error:
                raise connection.trouble(error, self.host) from None
        self._reached = True
        if response.status_code in {429, 503}:
            self._throttled(left, response)
        else:
            self._gate.answered(left)
        return self._judge(method, path, response.status_code, answer, body)

    def _throttled(self, left: float, response: requests.Response) -> None:
        """Slow down, or end the work if ChartMogul asks for a longer pause than a run should wait for."""
        with self._counting:
            self.traffic.throttled += 1
        now = datetime.now(UTC)
        seconds = seconds_of(response.headers.get("Retry-After"), response.headers.get("Date"), now)
        if seconds is not None and seconds > LONGEST_RETRY_AFTER:
            self._closed = self._closed or ClosedForLongError(
                f"{self.host} asks for no requests until {instant_after(now, seconds)} "
                f"({response.status_code}, Retry-After): run again then"
            )
            raise self._closed
        self._gate.throttled(left, seconds)

    def _judge(self, method: str, path: str, status: int, content: bytes, body: Any) -> Any:
        if status == 429:
            raise UnansweredError("too many requests (429)", handled=False)
        if status in _TRANSIENT:
            raise UnansweredError(f"answered {status}", handled=None)
        if status in {401, 403}:
            raise CredentialsError(credentials_text(status, self.host, method, path))
        if status == 304 and method != "GET":
            return None  # the object is as it should be
        if 300 <= status < 400:
            raise UnreachableError(
                f"{self.host} answered {method} {path} with a redirect ({status}), which is not followed: "
                "is `api_url` right?"
            )
        if status == 204:
            return None
        try:
            answer = answers.decode(content)
        except ValueError:
            if status < 300:
                raise UnansweredError(f"answered {status} with something else than JSON", handled=None) from None
            answer = content[:500].decode("utf-8", "replace")
        if status >= 400:
            raise refused(status, answer, personal_texts(body))
        return answer
