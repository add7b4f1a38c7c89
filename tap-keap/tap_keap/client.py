"""Requests to Keap's REST API: authenticated, paced, tried again while that can help."""

from __future__ import annotations

import importlib.metadata
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import backoff
import msgspec
import requests

from tap_keap.credentials.auth import Authenticator
from tap_keap.errors import CredentialsError, QuotaSpentError, RefusedRequestError, ServiceError
from tap_keap.rate_budget import RateBudget, header_number
from tap_keap.stopping import StopWatch
from tap_keap.transport import FAILURES, Answer, UnusableAnswerError, cause_of, get, is_slow

MAX_TRIES = 8
LONGEST_WAIT = 60.0
LONGEST_ASKED_WAIT = 600.0
"""Seconds that Keap may ask to wait; for longer waits the run ends and says when to come back."""
UNREACHABLE_AFTER = 7.0
"""Seconds after which a host that has never answered in this run counts as unreachable."""
FIRST_WAITS = 1.5
"""Longest wait between two tries while the host has never answered."""
GRACE = 30.0
"""Seconds behind `request_timeout` after which a request counts as stuck: time to resolve names and to connect."""
SMALLEST_PAGE = 50
T = TypeVar("T")

logger = logging.getLogger("tap-keap")


@dataclass
class PageRequest:
    """One page of a listing; the client may ask for fewer rows where pages take too long.

    Attributes:
        stream: Stream name, for messages.
        path: Path under `/v2`.
        params: Query without page token.
        token: Of this page; None for the first.
        number: Of this page, from 1.
    """

    stream: str
    path: str
    params: dict[str, str]
    token: str | None = None
    number: int = 1

    def __str__(self) -> str:
        return f"GET /v2/{self.path} (stream {self.stream}, page {self.number})"

    def query(self) -> str:
        """The query, encoded as Keap's gateway accepts it."""
        params = {**self.params, "page_token": self.token} if self.token else self.params
        return "?" + urlencode(params, quote_via=quote) if params else ""

    def shrink(self) -> bool:
        """Halve the page, also of all that follow in this listing; False if it is at its smallest."""
        size = int(self.params.get("page_size", 0))
        if size <= SMALLEST_PAGE:
            return False
        self.params["page_size"] = str(max(SMALLEST_PAGE, size // 2))
        return True


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
        self._base = f"{api_url}/v2/"
        self._host = urlsplit(api_url).netloc.rpartition("@")[2]
        self._authenticator = authenticator
        self.budget = budget
        self.stop = stop
        self._timeout = timeout
        self._user_agent = user_agent or f"tap-keap/{importlib.metadata.version('tap-keap')}"
        self._local = threading.local()
        self._answered = False
        self._deadlines: dict[int, tuple[float, PageRequest]] = {}

    def fetch(self, page: PageRequest, read: Callable[[bytes], T]) -> T:
        """What `read` makes of one page, tried again while that can help.

        Args:
            page: What to ask for; its page size is halved where it times out again and again.
            read: Raises `msgspec.DecodeError` if the body is not an answer.

        Raises:
            CredentialsError: Keap refuses the credentials.
            RefusedRequestError: Keap refuses this request for good.
            ServiceError: no good answer after all tries.
            QuotaSpentError: the day's quota is spent, or Keap asks to come back much later.
            PlannedStopError: the run ends.
        """
        waits = backoff.expo(base=2, factor=0.5, max_value=LONGEST_WAIT)
        next(waits)  # the generator's first value is None, by the library's protocol
        started, trouble, timeouts, renewed = time.monotonic(), "", 0, False
        for attempt in range(MAX_TRIES):
            self.stop.check()
            self.budget.acquire()
            headers = {**self._authenticator.headers(), "User-Agent": self._user_agent, "Accept": "application/json"}
            wait, slow = next(waits), False
            try:
                answer = self._get(page, headers)
            except FAILURES as error:
                trouble = str(error) if isinstance(error, UnusableAnswerError) else type(error).__name__
                slow = is_slow(error)
                self._check_reachable(error, started, last=attempt + 1 == MAX_TRIES)
            else:
                self._answered = True
                self.budget.observe(answer.headers)
                if answer.status == 200:
                    try:
                        return read(answer.body)
                    except msgspec.DecodeError:
                        trouble = "an answer that is not understood"
                elif answer.status == 401:
                    if renewed or not self._authenticator.renew(headers):
                        raise CredentialsError(f"Keap refuses the credentials. {self._authenticator.advice}")
                    renewed = True
                    continue
                elif answer.status == 429 or answer.status >= 500:
                    trouble, slow = str(answer.status), answer.status == 504
                    wait = self._wait_after(answer, wait)
                else:
                    self._refuse(page, answer)
            timeouts += slow
            if timeouts > 1 and slow and page.shrink():
                logger.warning(
                    "%s: %s again; asking for pages of %s rows from here on.", page, trouble, page.params["page_size"]
                )
                continue
            if attempt + 1 < MAX_TRIES:
                pause = backoff.full_jitter(wait) if trouble != "429" else wait + backoff.full_jitter(1.0)
                if not self._answered:
                    pause = min(pause, FIRST_WAITS)
                logger.warning("%s: %s; trying again in %.1f s (try %d)", page, trouble, pause, attempt + 2)
                self.stop.sleep(pause)
        advice = " Set a smaller `page_size` or a longer `request_timeout`." if timeouts else ""
        raise ServiceError(f"{page} failed after {MAX_TRIES} tries, last with {trouble}.{advice}")

    def check_stuck(self) -> None:
        """To be asked by whoever waits for a thread: an answer whose headers trickle holds it for ever.

        Raises:
            ServiceError: naming the request.
        """
        now = time.monotonic()
        for deadline, page in list(self._deadlines.values()):
            if now > deadline:
                raise ServiceError(f"{page}: the answer began, but did not come to an end within `request_timeout`.")

    def _get(self, page: PageRequest, headers: Mapping[str, str]) -> Answer:
        thread = threading.get_ident()
        self._deadlines[thread] = (time.monotonic() + self._timeout + GRACE, page)
        try:
            return get(self._session(), self._base + page.path + page.query(), headers, self._timeout)
        finally:
            del self._deadlines[thread]

    def _check_reachable(self, error: Exception, started: float, *, last: bool) -> None:
        """End the run soon where the host has never answered, instead of after all tries.

        Raises:
            ServiceError: naming the host and why it cannot be reached.
        """
        if self._answered or is_slow(error) or not isinstance(error, requests.ConnectionError):
            return
        if last or time.monotonic() - started >= UNREACHABLE_AFTER:
            raise ServiceError(
                f"{self._host} cannot be reached: {cause_of(error)}. Check `api_url` and the network."
            ) from None

    def _refuse(self, page: PageRequest, answer: Answer) -> NoReturn:
        if 300 <= answer.status < 400:
            message = f"{page} was answered with a redirect ({answer.status}): check `api_url`."
        else:
            message = f"Keap refused {page} with status {answer.status}."
        raise RefusedRequestError(message, answer.status)

    def _wait_after(self, answer: Answer, wait: float) -> float:
        """Seconds to wait after a 429 or 5xx, by the answer's headers and Keap's bodies.

        Raises:
            QuotaSpentError: if it is the day's quota, or Keap asks to wait for longer than a run should.
        """
        asked = retry_after(answer.headers, datetime.now(UTC))
        if answer.status == 429 and header_number(answer.headers, "x-keap-product-quota-available") == 0:
            self.budget.day_is_spent(answer.headers)
            self.budget.acquire()
        if asked > LONGEST_ASKED_WAIT:
            back = datetime.now(UTC) + timedelta(seconds=asked)
            raise QuotaSpentError(
                f"Keap answered {answer.status} and asks to wait. Come back after {back:%Y-%m-%dT%H:%M:%SZ}."
            )
        if answer.status != 429:
            return max(asked, wait)
        self.budget.slow_down()
        return max(asked, wait, 0.0 if b"SpikeArrest" in answer.body else 1.0)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session


def retry_after(headers: Mapping[str, Any], now: datetime) -> float:
    """Seconds that `Retry-After` asks for, as a number or a date; 0 where it says nothing usable, at most 10 years."""
    text = str(headers.get("Retry-After", "")).strip()
    longest = timedelta(days=3650).total_seconds()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), longest)
    try:
        moment = parsedate_to_datetime(text)
        return min(max((moment.astimezone(UTC) - now).total_seconds(), 0.0), longest)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
