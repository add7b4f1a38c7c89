"""Answers that are whole but odd: instead of the true one, or made of it, by a table of kinds.

Statuses and headers stand here, what is done to a page of rows in ``odd_pages.py``. Every kind can be a line of a
fault script.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sandbox.limits import Headers

MEBIBYTE = 1 << 20
LARGE = 80 * MEBIBYTE  # unpacked; more than a client should take
DEPTH = 1_000
YEAR = "31536000"
NEXT_YEAR = "Wed, 24 Nov 2027 08:00:00 GMT"
_SPACES = b" " * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; ``place`` is the page token or cursor that its request asked with."""

    status: int
    headers: Headers
    body: bytes
    place: str | None = None

    def with_header(self, name: str, value: str) -> Answer:
        """Return it with a header set."""
        key = name.encode()
        others = [(known, old) for known, old in self.headers if known != key]
        return replace(self, headers=[*others, (key, value.encode("latin-1"))])

    def with_json(self, content: object, status: int | None = None) -> Answer:
        """Return it with another JSON body, which may hold what JSON cannot: NaN, and halves of characters."""
        found = replace(self, body=json.dumps(content).encode(), status=status or self.status)
        return found.with_header("content-type", "application/json")


Oddity = Callable[[Answer], Answer]


def _refused(status: int, message: str) -> Oddity:
    body = {"code": status, "message": message, "status": message.upper().replace(" ", "_"), "details": []}
    return lambda answer: answer.with_json(body, status)


def _page(status: int, title: str) -> Oddity:
    html = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
    return lambda answer: replace(answer, status=status, body=html).with_header("content-type", "text/html")


def _empty(status: int) -> Oddity:
    return lambda answer: replace(answer, status=status, body=b"")


def _wait(status: int, retry_after: str) -> Oddity:
    refused = _refused(status, "Too Many Requests" if status == 429 else "Service Unavailable")
    return lambda answer: refused(answer).with_header("retry-after", retry_after)


def _redirect(status: int, location: str) -> Oddity:
    return lambda answer: _empty(status)(answer).with_header("location", location)


def _packed(answer: Answer, body: bytes) -> Answer:
    return replace(answer, body=body).with_header("content-encoding", "gzip")


def _bad_gzip(answer: Answer) -> Answer:
    whole = gzip.compress(answer.body, mtime=0)
    return _packed(answer, whole[: len(whole) // 2] + b"\x00\xff\x00\xff" + whole[len(whole) // 2 + 4 :])


def _gzip_bomb(answer: Answer) -> Answer:
    """The true answer and blanks behind it: good JSON, small on the line, large in memory."""
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(answer.body), *(packer.compress(_SPACES) for _ in range(LARGE // MEBIBYTE))]
    return _packed(answer, b"".join((*parts, packer.flush())))


def _large(answer: Answer) -> Answer:
    return replace(answer, body=answer.body + _SPACES * (LARGE // MEBIBYTE))


def _not_utf8(answer: Answer) -> Answer:
    """Bytes of another encoding within the first text."""
    return replace(answer, body=answer.body.replace(b'"', b'"caf\xe9 ', 1))


def _deep(answer: Answer) -> Answer:
    body = b"[" * DEPTH + b"]" * DEPTH
    return replace(answer, body=body).with_header("content-type", "application/json")


def _deep_error(answer: Answer) -> Answer:
    return replace(_deep(answer), status=422)


def _token_numbers(answer: Answer) -> Answer:
    """An OAuth answer whose tokens are numbers, and whose lifetime is a text."""
    found = json.loads(answer.body)
    numbers = {name: 7 for name in ("access_token", "refresh_token") if name in found}
    return answer.with_json({**found, **numbers, "expires_in": "soon"})


def _odd_quota_headers(answer: Answer) -> Answer:
    """What the headers say of quotas is no number, or no instant that can be."""
    odd = {
        "x-keap-product-quota-limit": "many", "x-keap-product-quota-available": "NaN",
        "x-keap-product-quota-expiry-time": "99999999999999999999", "x-keap-product-throttle-available": "\xb2",
        "x-keap-product-throttle-limit": "-1", "x-keap-tenant-throttle-available": "|||",
        "x-ratelimit-limit": "many", "x-ratelimit-remaining": "-1", "x-ratelimit-reset": "1e400",
        "retry-after": "\xb2",
    }  # fmt: skip
    for name, value in odd.items():
        answer = answer.with_header(name, value)
    return answer


# Instead of the true answer: nothing was done.
REFUSALS: Mapping[str, Oddity] = {
    "304": _empty(304),
    "403": _refused(403, "Forbidden"),
    "404": _refused(404, "Not Found"),
    "404_html": _page(404, "Not Found"),
    "422_deep": _deep_error,
    "429_date": _wait(429, NEXT_YEAR),
    "429_empty": _empty(429),
    "429_html": _page(429, "Too Many Requests"),
    "429_odd": _wait(429, "\xb2"),
    "429_second": _wait(429, "1"),
    "429_year": _wait(429, YEAR),
    "503_year": _wait(503, YEAR),
    "invalid_grant": lambda answer: answer.with_json({"error": "invalid_grant"}, 400),
    "redirect": _redirect(302, "/elsewhere"),
    "redirect_to_itself": _redirect(308, "?"),
}
# Made of the true answer: what was asked for is done.
ANSWERS: Mapping[str, Oddity] = {
    "bad_gzip": _bad_gzip,
    "deep": _deep,
    "empty_200": _empty(200),
    "gzip_bomb": _gzip_bomb,
    "large": _large,
    "not_utf8": _not_utf8,
    "odd_quota_headers": _odd_quota_headers,
    "token_numbers": _token_numbers,
}
