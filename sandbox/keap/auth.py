"""Who is asking: service keys, personal access tokens, and OAuth tokens that rotate and expire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.types import Scope

from sandbox import credentials
from sandbox.clock import Clock, format_instant
from sandbox.keap.errors import fault

ACCESS_LIFETIME = timedelta(seconds=86_400)
REFRESH_LIFETIME = timedelta(days=45)
NEVER = datetime.max.replace(tzinfo=UTC)
CODE_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential that is in order. ``kind``: service or oauth; quotas differ."""

    credential: str
    kind: str


@dataclass(slots=True)
class Token:
    """An OAuth token or code. ``fate``: live, used, revoked or expired."""

    kind: str
    value: str
    number: int
    issued: datetime
    expires: datetime
    fate: str = "live"
    redirect_uri: str | None = None


class Tokens:
    """All OAuth tokens ever issued."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.access_lifetime = ACCESS_LIFETIME
        self.reset()

    def reset(self) -> None:
        """Return to the one refresh token that the sandbox is started with."""
        self._number = 0
        self.access_lifetime = ACCESS_LIFETIME
        self._tokens: dict[str, Token] = {}
        now = self._clock.now()
        first = Token("refresh", credentials.KEAP_REFRESH_TOKEN, 0, now, NEVER)
        self._tokens[first.value] = first

    def issue(self, kind: str, lifetime: timedelta, redirect_uri: str | None = None) -> Token:
        """Make a new token. Its value follows from its number, so that runs are alike."""
        self._number += 1
        value = hashlib.sha256(f"{kind}:{self._number}".encode()).hexdigest()[:32]
        now = self._clock.now()
        token = Token(kind, value, self._number, now, now + lifetime, redirect_uri=redirect_uri)
        self._tokens[value] = token
        return token

    def find(self, kind: str, value: str) -> Token | None:
        """Return the token, whatever has become of it; one that is out of date is marked so."""
        token = self._tokens.get(value)
        if token is None or token.kind != kind:
            return None
        if token.fate == "live" and token.expires <= self._clock.now():
            token.fate = "expired"
        return token

    def expire_access(self) -> int:
        """Expire all access tokens now; return how many there were."""
        live = [token for token in self._tokens.values() if token.kind == "access" and token.fate == "live"]
        for token in live:
            token.fate = "expired"
        return len(live)

    def revoke(self, kind: str) -> int:
        """Revoke all live tokens of a kind; return how many there were."""
        live = [token for token in self._tokens.values() if token.kind == kind and token.fate == "live"]
        for token in live:
            token.fate = "revoked"
        return len(live)

    def as_list(self) -> list[dict[str, Any]]:
        """Return all tokens in the order in which they were issued."""
        for token in list(self._tokens.values()):
            self.find(token.kind, token.value)
        return [
            {
                "kind": token.kind,
                "value": token.value,
                "number": token.number,
                "issued": format_instant(token.issued),
                "expires": None if token.expires == NEVER else format_instant(token.expires),
                "fate": token.fate,
            }
            for token in self._tokens.values()
        ]


def presented(scope: Scope) -> str | None:
    """Return the credential of a request: Bearer, else ``X-Keap-API-Key``; None without either."""
    key: str | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            return rest.strip() if scheme.lower() == "bearer" and rest.strip() else None
        if name == b"x-keap-api-key":
            key = value.decode("latin-1").strip()
    return key or None


class Gateway:
    """Tells callers from strangers."""

    def __init__(self, tokens: Tokens, accepts: Callable[[], bool]) -> None:
        self._tokens = tokens
        self._accepts = accepts

    def identify(self, scope: Scope) -> Caller | Response:
        """Return the caller, or the 401 that a stranger gets."""
        value = presented(scope)
        if value is None or not self._accepts():
            return fault(401, "Invalid access token", "oauth.v2.InvalidAccessToken")
        if value in {credentials.KEAP_API_KEY, credentials.KEAP_PERSONAL_ACCESS_TOKEN}:
            return Caller(value, "service")
        token = self._tokens.find("access", value)
        if token is None:
            return fault(401, "Invalid Access Token", "keymanagement.service.invalid_access_token")
        if token.fate == "expired":
            return fault(401, "Access Token expired", "keymanagement.service.access_token_expired")
        if token.fate != "live":
            return fault(401, "Access Token not approved", "keymanagement.service.access_token_not_approved")
        return Caller(credentials.KEAP_CLIENT_ID, "oauth")
