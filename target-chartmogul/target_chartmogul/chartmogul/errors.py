"""What can go wrong with ChartMogul, as exceptions that carry no body, no key and no personal data.

ChartMogul refuses in seven shapes (three generations of its API and the gateways before it): `refused` reads them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from target_chartmogul import failures

_LONGEST_REASON = 200
_EMAIL = re.compile(r"[^\s\"'<>(),;:]+@[^\s\"'<>(),;:]+")
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')
_TAKEN = re.compile(
    r"already (?:exists|been taken)|identifier already|\btaken\b|\bnot unique\b|duplicate", re.IGNORECASE
)
_PERSONAL = frozenset({"name", "company", "email", "city", "zip", "description", "custom", "tags", "value"})
_HTML = re.compile(r"\s*<", re.DOTALL)


class ChartMogulError(Exception):
    """Anything that ChartMogul or the way to it answers; the text is fit for logs and reports."""


class CredentialsError(ChartMogulError, failures.CredentialsError):
    """The API key is unknown (401), or may not do this (403): a read-only key, or an expired trial."""


class UnreachableError(ChartMogulError, failures.ServiceError):
    """No usable answer within all tries, or none at all at this address."""


class NotUnderstoodError(UnreachableError):
    """An answer that is not of the form ChartMogul documents; the text names the path and the place in the answer."""


class ClosedForLongError(UnreachableError):
    """ChartMogul asks for a longer pause than a run should wait for (`Retry-After`); the text says until when."""


class NoMoreFilesError(UnreachableError):
    """This machine opens no more connections for this program: no object's fault, so it ends the run."""


class StoppedError(ChartMogulError):
    """The run was asked to stop while a request waited for its next try."""

    def __init__(self) -> None:
        super().__init__("stopped while waiting to try again")


class UnansweredError(ChartMogulError):
    """One try without an answer that counts.

    `handled` is False where ChartMogul surely did not do it (no connection, 429), None where that is unknown (reset,
    timeout, 5xx, cut-off or foreign body).
    """

    def __init__(self, text: str, *, handled: bool | None, most_tries: int | None = None) -> None:
        super().__init__(text)
        self.handled = handled
        self.most_tries = most_tries
        """Where the same is to be expected again: after how many tries to give up."""


class LostAnswerError(ChartMogulError):
    """A POST may or may not have been carried out: look the object up by external id before sending it again."""


class RefusedError(ChartMogulError):
    """A 4xx that will not change by trying again.

    `fields` maps the refused fields, in ChartMogul's names, to its words without quoted values and addresses; `field`
    and `reason` are the first of them.
    """

    def __init__(self, status: int, fields: Mapping[str, str]) -> None:
        self.status = status
        self.fields = dict(fields)
        self.field, self.reason = next(iter(self.fields.items()), ("", "no reason given"))
        where = f"{self.field}: " if self.field else ""
        super().__init__(f"ChartMogul refused ({status}): {where}{self.reason}")

    @property
    def duplicate(self) -> bool:
        """Whether it says that the object itself, not only a part of it, is there already."""
        return self.status == 422 and bool(_TAKEN.search(self.fields.get("external_id", "")))

    @property
    def duplicate_part(self) -> bool:
        """Whether a line or transaction of the invoice is there already, under whichever invoice."""
        return self.status == 422 and any(
            name != "external_id" and name.endswith("external_id") and _TAKEN.search(text)
            for name, text in self.fields.items()
        )

    @property
    def about_email(self) -> bool:
        """Whether the e-mail address is what it does not take (rule 3.3)."""
        return self.status in {400, 422} and any(name.rpartition(".")[2] == "email" for name in self.fields)

    @property
    def missing(self) -> bool:
        """Whether the object is not there (any more)."""
        return self.status == 404


def refused(status: int, body: Any, hidden: Iterable[str] = ()) -> RefusedError:
    """Read a refusal in any of ChartMogul's shapes.

    Args:
        status: the HTTP status.
        body: decoded JSON, or the text of a gateway.
        hidden: texts of the request that no message may repeat (names, addresses).
    """
    hide = sorted({text for text in hidden if text}, key=len, reverse=True)
    fields: dict[str, str] = {}
    for field, text in _complaints(body):
        fields.setdefault(printable(field), _clean(text, hide))
    return RefusedError(status, fields or {"": "no reason given"})


def _complaints(body: Any) -> Iterator[tuple[str, str]]:
    """(field, text) pairs; the field is empty where the shape names none."""
    if isinstance(body, str):
        yield "", "" if _HTML.match(body) else body.strip().partition("\n")[0]
        return
    if not isinstance(body, dict):
        return
    if isinstance(invoices := body.get("invoices"), list):
        for invoice in invoices:
            if isinstance(invoice, dict):
                yield from _by_field(invoice.get("errors"))
        return
    details = body.get("error_details")
    if isinstance(details, list):
        for detail in details:
            if isinstance(detail, dict):
                yield str(detail.get("param") or ""), str(detail.get("message") or detail.get("code") or "")
    if isinstance(body.get("errors"), (dict, list, str)):
        yield from _by_field(body["errors"])
    elif "message" in body:
        yield str(body.get("param") or ""), str(body["message"])
    elif "error" in body:
        yield "", str(body["error"])
    elif not details:
        yield from _by_field({name: text for name, text in body.items() if isinstance(text, (list, str))})


def _by_field(errors: Any) -> Iterator[tuple[str, str]]:
    if isinstance(errors, dict):
        for field, texts in errors.items():
            yield str(field), ", ".join(map(str, texts)) if isinstance(texts, list) else str(texts)
    elif isinstance(errors, list):
        for text in errors:
            yield "", str(text)
    elif isinstance(errors, str):
        yield "", errors


def _clean(text: str, hide: list[str]) -> str:
    for value in hide:
        text = text.replace(value, "…")
    return printable(_QUOTED.sub("“…”", _EMAIL.sub("…", text)))


def printable(value: Any, longest: int = _LONGEST_REASON) -> str:
    """A foreign value as text for a log or a report: one line, without control characters, not too long."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def credentials_text(status: int, host: str, method: str, path: str) -> str:
    """What a 401 or 403 means."""
    if status == 401:
        return f"{host} does not know this api_key (401)"
    return f"{host} does not let this api_key do {method} {path} (403): is it a read-only key, or has a trial ended?"


def personal_texts(body: Any, *, inside: bool = False) -> Iterator[str]:
    """Texts of a request that may be personal: no message may repeat them."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield from personal_texts(value, inside=inside or key in _PERSONAL)
    elif isinstance(body, (list, tuple)):
        for value in body:
            yield from personal_texts(value, inside=inside)
    elif isinstance(body, msgspec.Raw):
        yield from personal_texts(msgspec.json.decode(body), inside=inside)
    elif inside and isinstance(body, str) and len(body) > 1:
        yield body
