"""Requests to Keap's REST API: authenticated, paced, retried, read ahead."""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from queue import Empty, Full, Queue, SimpleQueue
from typing import Any
from urllib.parse import quote, urlencode

import backoff
import msgspec
import requests

from tap_keap.auth import Authenticator
from tap_keap.errors import CredentialsError, RefusedRequestError, ServiceError
from tap_keap.rate_budget import RateBudget
from tap_keap.rows import Page, RowReader
from tap_keap.stopping import StopWatch

MAX_TRIES = 8
LONGEST_WAIT = 60.0
LOOKUP_THREADS = 4
PAGES_AHEAD = 2
CONNECT_TIMEOUT = 10.0

logger = logging.getLogger("tap-keap")


@dataclass(frozen=True)
class Listing:
    """What to list: a path under `/v2`, its query, and who reads it.

    Attributes:
        stream: Stream name, for messages.
        path: Such as `orders`.
        params: Query without page token.
    """

    stream: str
    path: str
    params: Mapping[str, str]


class PageFeed:
    """The pages of one listing in their order, fetched by a thread of its own, a few ahead of the reader.

    Starts at once; may be read later. The thread never keeps the program alive.
    """

    def __init__(self, client: KeapClient, listing: Listing, reader: RowReader) -> None:
        self._client = client
        self._closed = False
        self._queue: Queue[Page | BaseException | None] = Queue(maxsize=PAGES_AHEAD)
        threading.Thread(target=self._fetch, args=(listing, reader), name=f"keap-{listing.stream}", daemon=True).start()

    def __iter__(self) -> Iterator[Page]:
        """The pages.

        Raises:
            TapKeapError: see `KeapClient.fetch`; also when a signal or the clock ends the run.
        """
        while True:
            self._client.stop.check()
            try:
                item = self._queue.get(timeout=0.25)
            except Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """No more pages are wanted."""
        self._closed = True

    def _fetch(self, listing: Listing, reader: RowReader) -> None:
        token, number = None, 1
        try:
            while True:
                page = self._client.fetch(listing, reader, token, number)
                if not self._offer(page):
                    return
                if page.next_token is None:
                    break
                token, number = page.next_token, number + 1
        except BaseException as error:  # noqa: BLE001 - handed to the thread that reads
            self._offer(error)
        else:
            self._offer(None)

    def _offer(self, item: Page | BaseException | None) -> bool:
        """Queue an item; False if nobody wants it any more, while the queue was full."""
        while not (self._closed or self._client.stop.ended):
            try:
                self._queue.put(item, timeout=0.25)
            except Full:
                continue
            return True
        return False


class KeapClient:
    """One per run, shared by all streams and threads.

    Args:
        api_url: Address without version, such as `https://api.infusionsoft.com/crm/rest`.
        authenticator: Who asks.
        budget: How fast.
        stop: When to end.
        timeout: Seconds to wait for an answer.
        user_agent: User-Agent header.
    """

    def __init__(
        self,
        api_url: str,
        authenticator: Authenticator,
        budget: RateBudget,
        stop: StopWatch,
        *,
        timeout: float,
        user_agent: str | None = None,
    ) -> None:
        self._base = api_url.rstrip("/") + "/v2/"
        self._authenticator = authenticator
        self.budget = budget
        self.stop = stop
        self._timeout = (min(CONNECT_TIMEOUT, timeout), timeout)
        self._user_agent = user_agent or f"tap-keap/{importlib.metadata.version('tap-keap')}"
        self._local = threading.local()
        self._jobs: SimpleQueue[tuple[Future[Any], Any, tuple[Any, ...]]] = SimpleQueue()
        self._threads = 0
        self.retries = 0

    def pages(self, listing: Listing, reader: RowReader) -> PageFeed:
        """All pages of a listing, read ahead while the caller works on them."""
        return PageFeed(self, listing, reader)

    def all_pages(self, listing: Listing, reader: RowReader) -> list[Page]:
        """All pages of a short listing at once; for background threads."""
        pages = [self.fetch(listing, reader, None, 1)]
        while pages[-1].next_token:
            pages.append(self.fetch(listing, reader, pages[-1].next_token, len(pages) + 1))
        return pages

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        """Run `work(*arguments)` on a background thread, which never keeps the program alive."""
        if self._threads < LOOKUP_THREADS:
            self._threads += 1
            threading.Thread(target=self._work, name=f"keap-{self._threads}", daemon=True).start()
        future: Future[Any] = Future()
        self._jobs.put((future, work, arguments))
        return future

    def wait(self, future: Future[Any]) -> Any:
        """Result of background work; a signal or the end of the run's time ends the wait."""
        while True:
            try:
                return future.result(timeout=0.25)
            except FutureTimeoutError:
                if future.done():
                    raise
                self.stop.check()

    def _work(self) -> None:
        while True:
            future, work, arguments = self._jobs.get()
            try:
                future.set_result(work(*arguments))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                future.set_exception(error)

    def fetch(self, listing: Listing, reader: RowReader, token: str | None, number: int) -> Page:
        """One page, tried again while that can help.

        Raises:
            CredentialsError: Keap refuses the credentials.
            RefusedRequestError: Keap refuses this request for good.
            ServiceError: no good answer after all tries.
            QuotaSpentError: the day's quota is spent.
            PlannedStopError: the run ends.
        """
        params = dict(listing.params)
        if token:
            params["page_token"] = token
        url = self._base + listing.path
        if params:
            url += "?" + urlencode(params, quote_via=quote)
        where = f"GET /v2/{listing.path} (stream {listing.stream}, page {number})"
        waits = backoff.expo(base=2, factor=0.5, max_value=LONGEST_WAIT)
        next(waits)  # the generator's first value is None, by the library's protocol
        trouble = ""
        renewed = False
        for attempt in range(MAX_TRIES):
            if attempt:
                self.retries += 1
            self.stop.check()
            self.budget.acquire()
            headers = {**self._authenticator.headers(), "User-Agent": self._user_agent, "Accept": "application/json"}
            wait = next(waits)
            try:
                response = self._session().get(url, headers=headers, timeout=self._timeout, allow_redirects=False)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                trouble = type(error).__name__
            else:
                self.budget.observe(response.headers)
                if response.status_code == 200:
                    try:
                        return reader.read(response.content)
                    except msgspec.DecodeError:
                        trouble = "an answer that is not JSON"
                elif response.status_code == 401:
                    if renewed or not self._authenticator.renew(headers):
                        raise CredentialsError(f"Keap refuses the credentials. {self._authenticator.advice}")
                    renewed = True
                    continue
                elif response.status_code == 429:
                    trouble, wait = "429", self._after_429(response, wait)
                elif response.status_code >= 500:
                    trouble = str(response.status_code)
                else:
                    raise RefusedRequestError(
                        f"Keap refused {where} with status {response.status_code}.", response.status_code
                    )
            if attempt + 1 < MAX_TRIES:
                pause = backoff.full_jitter(wait) if trouble != "429" else wait + backoff.full_jitter(1.0)
                logger.warning("%s: %s; trying again in %.1f s (try %d)", where, trouble, pause, attempt + 2)
                self.stop.sleep(pause)
        raise ServiceError(f"{where} failed after {MAX_TRIES} tries, last with {trouble}.")

    def _after_429(self, response: requests.Response, wait: float) -> float:
        """Seconds to wait after a 429, by Keap's three bodies for it.

        Raises:
            QuotaSpentError: through the budget, if it is the day's quota.
        """
        after = response.headers.get("Retry-After", "")
        seconds = min(float(after), LONGEST_WAIT) if after.isdigit() else 0.0
        body = response.content
        if b"SpikeArrest" in body:
            self.budget.slow_down()
            return max(seconds, wait)
        if response.headers.get("x-keap-product-quota-available") == "0":
            self.budget.day_is_spent(response.headers)
            self.budget.acquire()
        self.budget.throttled += 1
        return max(seconds, wait, 1.0)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session

    def close(self) -> None:
        """End all waits of background threads."""
        self.stop.end()
