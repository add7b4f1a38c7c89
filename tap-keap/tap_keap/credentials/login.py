"""`tap-keap auth login`: from the user's consent to the first stored pair of OAuth tokens."""

from __future__ import annotations

import json
import secrets
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import click
import requests

from tap_keap.credentials.rotation import TIMEOUT, pair_from_answer, token_digest
from tap_keap.credentials.token_store import open_token_store
from tap_keap.errors import ConfigurationError, CredentialsError, ServiceError
from tap_keap.settings import Settings, read_settings
from tap_keap.transport import OwnHeaders, cause_of


@click.group(name="auth")
def auth_command() -> None:
    """Credentials of Keap."""


@auth_command.command()
@click.option("--config", "config_path", required=True, help="Configuration file with the OAuth settings, or ENV.")
@click.option("--port", default=8391, show_default=True, help="Loopback port for Keap's answer; 0 takes a free one.")
@click.option(
    "--redirect-uri",
    help="Address registered in your Keap app, if it is not the loopback one; then you paste the answer.",
)
@click.option("--browser/--no-browser", default=True, help="Open the consent page.")
@click.option("--timeout", default=300, show_default=True, help="Seconds to wait for the consent.")
def login(config_path: str, port: int, redirect_uri: str | None, timeout: int, *, browser: bool) -> None:
    """Log in to Keap once and store the first tokens at `token_path`."""
    settings = _read_settings(config_path)
    store = open_token_store(str(settings.token_path))
    state = secrets.token_urlsafe(24)
    if redirect_uri:
        _show(settings, redirect_uri, state, browser=browser)
        answer = click.prompt("Paste the address that Keap sent you to", hide_input=True)
        code = _code(answer, state)
    else:
        with _CallbackServer(("127.0.0.1", port), _Callback) as server:
            server.timeout = timeout
            redirect_uri = f"http://127.0.0.1:{server.server_address[1]}/callback"
            _show(settings, redirect_uri, state, browser=browser)
            code = _code(server.wait(), state)
    with store.lock(), store.room() as save:
        response = _exchange(settings, code, redirect_uri)
        save(pair_from_answer(response, token_digest(settings.refresh_token)))
    click.echo("Logged in; the tokens are stored at token_path.", err=True)


class _Callback(BaseHTTPRequestHandler):
    """Takes Keap's redirect."""

    server: _CallbackServer

    def do_GET(self) -> None:
        """Remember the address, tell the person to go back to the terminal."""
        if urlsplit(self.path).path != "/callback":
            self.send_error(404)
            return
        self.server.answer = self.path
        body = (
            b"<!doctype html><title>tap-keap</title><p>Done. You can close this page and go back to the terminal.</p>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Nothing: the address holds the code."""


class _CallbackServer(HTTPServer):
    """Waits for one redirect."""

    answer: str | None = None
    _timed_out = False

    def wait(self) -> str:
        """The address of the redirect.

        Raises:
            CredentialsError: if none came in time.
        """
        while self.answer is None and not self._timed_out:
            self.handle_request()
        if self.answer is None:
            raise CredentialsError("Login timed out waiting for your consent; nothing was stored.")
        return self.answer

    def handle_timeout(self) -> None:
        """No redirect within `timeout`."""
        self._timed_out = True


def _read_settings(path: str) -> Settings:
    if path == "ENV":
        from tap_keap.tap import TapKeap  # noqa: PLC0415 - only here is the SDK needed

        config = TapKeap.environment_config()
    else:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
    settings = read_settings(config)
    missing = [name for name in ("client_id", "client_secret", "token_path") if not getattr(settings, name)]
    if missing:
        raise ConfigurationError(f"Login needs the settings {', '.join(missing)}.")
    return settings


def _show(settings: Settings, redirect_uri: str, state: str, *, browser: bool) -> None:
    query = {
        "client_id": settings.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "full",
        "state": state,
    }
    address = f"{settings.authorize_url}?{urlencode(query)}"
    click.echo(f"Open this address, choose your Keap account and allow the access:\n\n  {address}\n", err=True)
    if browser:
        webbrowser.open(address)


def _code(answer: str, state: str) -> str:
    """The code in Keap's redirect.

    Raises:
        CredentialsError: if it is not the answer to our question, or a refusal.
    """
    query = parse_qs(urlsplit(answer).query)
    if query.get("state") != [state]:
        raise CredentialsError("The answer does not belong to this login (wrong state); nothing was stored.")
    if "code" not in query:
        raise CredentialsError("Keap did not give access; nothing was stored.")
    return query["code"][0]


def _exchange(settings: Settings, code: str, redirect_uri: str) -> dict[str, Any]:
    """Change the code for tokens. Keap wants the client's credentials in the body here, without Authorization."""
    form = {
        "grant_type": "authorization_code",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "code": code,
        "redirect_uri": redirect_uri,
    }
    try:
        response = requests.post(
            settings.token_url, data=form, auth=OwnHeaders(), timeout=TIMEOUT, allow_redirects=False
        )
    except requests.RequestException as error:
        raise ServiceError(f"Keap's token address cannot be reached: {cause_of(error)}.") from None
    if response.status_code != 200:
        raise CredentialsError(f"Keap refused the login with status {response.status_code}; nothing was stored.")
    try:
        answer: dict[str, Any] = response.json()
    except (ValueError, RecursionError):
        raise ServiceError("Keap's token address gave an answer that is not JSON.") from None
    return answer
