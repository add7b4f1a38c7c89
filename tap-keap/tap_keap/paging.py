"""Listings: page after page, in order, each token once, a few pages ahead of the reader."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, Full, Queue

from tap_keap.client import KeapClient, PageRequest
from tap_keap.errors import RefusedRequestError, ServiceError
from tap_keap.rows import Page, RowReader

PAGES_AHEAD = 2
SMALL_PAGE = 100
"""Rows of a page that every account accepts: what Keap gives where nothing is asked for."""
EMPTY_PAGES = 100
"""So many pages without a row, each with the token of another, are not a listing."""

logger = logging.getLogger("tap-keap")


@dataclass(frozen=True)
class Listing:
    """What to list, and who reads it.

    Attributes:
        stream: Stream name, for messages.
        path: Path under `/v2`, such as `orders`.
        params: Query without page token.
    """

    stream: str
    path: str
    params: Mapping[str, str]


def pages(client: KeapClient, listing: Listing, reader: RowReader) -> Iterator[Page]:
    """The pages of a listing.

    Raises:
        TapKeapError: see `KeapClient.fetch`; also if Keap sends a page token twice, or never an end.
    """
    request = PageRequest(listing.stream, listing.path, dict(listing.params))
    asked: set[str] = set()
    empty = 0
    while True:
        page = _first(client, request, reader) if request.number == 1 else client.fetch(request, reader.read)
        token = page.next_token
        empty = empty + 1 if not page.rows and not page.rejected else 0
        if token in asked:
            if not empty:
                raise ServiceError(
                    f"Keap sent a page token of {listing.stream} for the second time (page {request.number} of "
                    f"/v2/{listing.path}): the listing has no end. Run again, and report it to Keap if it stays."
                )
            token = None
        yield page
        if token is None:
            return
        if empty >= EMPTY_PAGES:
            raise ServiceError(f"Keap sent {empty} empty pages of {listing.stream} in a row, each with another token.")
        asked.add(token)
        request.token, request.number = token, request.number + 1


def _first(client: KeapClient, request: PageRequest, reader: RowReader) -> Page:
    """The first page; without the list of `fields`, or with fewer rows, where the account does not accept it (400)."""
    try:
        return client.fetch(request, reader.read)
    except RefusedRequestError as error:
        if error.status != 400:
            raise
        refusal = error
    asked = request.params
    for params in _simpler(asked):
        request.params = params
        try:
            page = client.fetch(request, reader.read)
        except RefusedRequestError as error:
            if error.status != 400:
                raise
            continue
        _say_what_was_refused(request, asked, page)
        return page
    raise refusal


def _simpler(params: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same query without what an account may refuse."""
    without_fields = {name: value for name, value in params.items() if name != "fields"}
    small = {"page_size": str(SMALL_PAGE)} if int(params.get("page_size", 0)) > SMALL_PAGE else {}
    if "fields" in params:
        yield without_fields
    if small:
        yield {**params, **small}
    if "fields" in params and small:
        yield {**without_fields, **small}


def _say_what_was_refused(request: PageRequest, asked: Mapping[str, str], page: Page) -> None:
    if "fields" in asked and "fields" not in request.params:
        missing = [name for name in asked["fields"].split(",") if not any(name in row for row in page.rows)]
        logger.warning(
            "This Keap account refuses the list of fields of %s; reading it without. Missing in its first page: %s.",
            request.stream,
            ", ".join(missing) or "none",
        )
    if asked.get("page_size") != request.params.get("page_size"):
        logger.warning(
            "This Keap account refuses pages of %s rows of %s; reading pages of %d. Set a smaller `page_size`.",
            asked["page_size"],
            request.stream,
            SMALL_PAGE,
        )


class PageFeed:
    """The pages of one listing, fetched by a thread of its own, a few ahead of the reader.

    Starts at once; may be read later. The thread never keeps the program alive.
    """

    def __init__(self, client: KeapClient, listing: Listing, reader: RowReader) -> None:
        self._client = client
        self._stop = client.stop
        self._closed = False
        self._queue: Queue[Page | BaseException | None] = Queue(maxsize=PAGES_AHEAD)
        work = pages(client, listing, reader)
        threading.Thread(target=self._fetch, args=(work,), name=f"keap-{listing.stream}", daemon=True).start()

    def __iter__(self) -> Iterator[Page]:
        """The pages.

        Raises:
            TapKeapError: see `pages`; also when a signal or the clock ends the run.
        """
        while True:
            self._stop.check()
            try:
                item = self._queue.get(timeout=0.25)
            except Empty:
                self._client.check_stuck()
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """No more pages are wanted."""
        self._closed = True

    def _fetch(self, work: Iterator[Page]) -> None:
        try:
            for page in work:
                if not self._offer(page):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that reads
            self._offer(error)
        else:
            self._offer(None)

    def _offer(self, item: Page | BaseException | None) -> bool:
        """Queue an item; False if nobody wants it any more, while the queue was full."""
        while not (self._closed or self._stop.ended):
            try:
                self._queue.put(item, timeout=0.25)
            except Full:
                continue
            return True
        return False
