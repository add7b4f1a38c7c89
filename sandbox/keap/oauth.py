"""Consent and tokens: OAuth 2 with an authorization code, and refresh tokens that rotate.

The token endpoint takes forms only. A code is exchanged with the client's id and secret in the form and without an
``Authorization`` header; a refresh wants them in a Basic header. Every refresh gives a new refresh token, and the old
one is dead from then on.
"""

from __future__ import annotations

import base64
import binascii
from html import escape
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox import credentials
from sandbox.keap.auth import CODE_LIFETIME, REFRESH_LIFETIME, Token, Tokens

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Allow access</title></head><body>
<h1>Allow access to {tenant}?</h1><p>An application asks to read and change this account.</p>
<form method="get">{fields}<button type="submit" name="auto" value="1">Allow</button></form></body></html>"""


class OAuth:
    """Keap's OAuth endpoints."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def routes(self) -> list[Route]:
        """Return the routes of both endpoints."""
        return [
            Route("/app/oauth/authorize", self._authorize, methods=["GET"]),
            Route("/token", self._token, methods=["POST"]),
        ]

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        redirect = query.get("redirect_uri", "")
        if query.get("client_id") != credentials.KEAP_CLIENT_ID or not redirect:
            return HTMLResponse("<!doctype html><h1>Unknown application</h1>", 400)
        if query.get("response_type") != "code":
            return _back(redirect, error="unsupported_response_type", state=query.get("state"))
        if query.get("deny") == "1":
            return _back(redirect, error="access_denied", state=query.get("state"))
        if query.get("auto") != "1":
            hidden = "".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in query.items()
            )
            return HTMLResponse(_PAGE.format(tenant=credentials.KEAP_TENANT, fields=hidden))
        code = self._tokens.issue("code", CODE_LIFETIME, redirect_uri=redirect)
        scope = f"full|{credentials.KEAP_TENANT}.infusionsoft.com"
        return _back(redirect, code=code.value, scope=scope, state=query.get("state"))

    async def _token(self, request: Request) -> Response:
        form = _form(await request.body(), request.headers.get("content-type", ""))
        match form.get("grant_type"):
            case "authorization_code":
                return self._exchange(form, request.headers.get("authorization"))
            case "refresh_token":
                return self._refresh(form, request.headers.get("authorization"))
            case None:
                return _refused("response_type or grant_type is required")
            case _:
                return _refused("Unsupported grant_type", "unsupported_grant_type")

    def _exchange(self, form: dict[str, str], authorization: str | None) -> Response:
        if authorization is not None:
            return _refused("The Authorization header is not allowed here")
        client = (form.get("client_id"), form.get("client_secret"))
        if client != (credentials.KEAP_CLIENT_ID, credentials.KEAP_CLIENT_SECRET):
            return _refused("Invalid client", "invalid_client", 401)
        code = self._tokens.find("code", form.get("code", ""))
        if code is None or code.fate != "live" or code.redirect_uri != form.get("redirect_uri"):
            return _refused("Invalid Authorization Code", "invalid_grant")
        code.fate = "used"
        return self._issue()

    def _refresh(self, form: dict[str, str], authorization: str | None) -> Response:
        if _basic(authorization) != (credentials.KEAP_CLIENT_ID, credentials.KEAP_CLIENT_SECRET):
            return _refused("Invalid client", "invalid_client", 401)
        token = self._tokens.find("refresh", form.get("refresh_token", ""))
        if token is None or token.fate != "live":
            return _refused("Invalid Refresh Token")
        token.fate = "used"
        return self._issue()

    def _issue(self) -> Response:
        access: Token = self._tokens.issue("access", self._tokens.access_lifetime)
        refresh: Token = self._tokens.issue("refresh", REFRESH_LIFETIME)
        return JSONResponse(
            {
                "access_token": access.value,
                "token_type": "bearer",
                "expires_in": int(self._tokens.access_lifetime.total_seconds()),
                "refresh_token": refresh.value,
                "scope": f"full|{credentials.KEAP_TENANT}.infusionsoft.com",
            }
        )


def _form(body: bytes, content_type: str) -> dict[str, str]:
    if not content_type.startswith("application/x-www-form-urlencoded"):
        return {}
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _basic(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


def _refused(description: str, error: str = "invalid_request", status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)


def _back(redirect_uri: str, **answer: str | None) -> Response:
    query = urlencode({name: value for name, value in answer.items() if value is not None})
    return RedirectResponse(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}", 302)
