"""`tap-keap auth login`: from the user's consent to the first stored pair of OAuth tokens."""

from __future__ import annotations

import json
import secrets
import webbrowser
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import click
import requests

from tap_keap.errors import ConfigurationError, CredentialsError, ServiceError
from tap_keap.oauth import token_digest
from tap_keap.rotation import TIMEOUT, pair_from_answer
from tap_keap.settings import AUTHORIZE_URL, TOKEN_URL, check_settings
from tap_keap.token_store import open_token_store


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
    config = _read_config(config_path)
    state = secrets.token_urlsafe(24)
    if redirect_uri:
        _show(config, redirect_uri, state, browser=browser)
        answer = click.prompt("Paste the address that Keap sent you to", hide_input=True)
        code = _code(answer, state)
    else:
        with _CallbackServer(("127.0.0.1", port), _Callback) as server:
            server.timeout = timeout
            redirect_uri = f"http://127.0.0.1:{server.server_address[1]}/callback"
            _show(config, redirect_uri, state, browser=browser)
            code = _code(server.wait(), state)
    response = _exchange(config, code, redirect_uri)
    pair = pair_from_answer(response, token_digest(config.get("refresh_token")))
    store = open_token_store(config["token_path"])
    with store.lock():
        store.save(pair)
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
            raise CredentialsError("Nobody gave consent in time; nothing was stored.")
        return self.answer

    def handle_timeout(self) -> None:
        """No redirect within `timeout`."""
        self._timed_out = True


def _read_config(path: str) -> Mapping[str, Any]:
    if path == "ENV":
        from tap_keap.tap import TapKeap  # noqa: PLC0415 - only here is the SDK needed

        config = dict(TapKeap._env_var_config)  # noqa: SLF001 - the SDK's reader of environment variables
    else:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
    check_settings(config, whole=True)
    missing = [name for name in ("client_id", "client_secret", "token_path") if not config.get(name)]
    if missing:
        raise ConfigurationError(f"Login needs the settings {', '.join(missing)}.")
    return config


def _show(config: Mapping[str, Any], redirect_uri: str, state: str, *, browser: bool) -> None:
    query = {
        "client_id": config["client_id"],
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "full",
        "state": state,
    }
    address = f"{config.get('authorize_url') or AUTHORIZE_URL}?{urlencode(query)}"
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


def _exchange(config: Mapping[str, Any], code: str, redirect_uri: str) -> dict[str, Any]:
    """Change the code for tokens. Keap wants the client's credentials in the body here, without Authorization."""
    form = {
        "grant_type": "authorization_code",
        "client_id": config["client_id"],
        "client_secret": config["client_secret"],
        "code": code,
        "redirect_uri": redirect_uri,
    }
    try:
        response = requests.post(
            config.get("token_url") or TOKEN_URL, data=form, timeout=TIMEOUT, allow_redirects=False
        )
    except requests.RequestException as error:
        raise ServiceError(f"Keap's token address cannot be reached ({type(error).__name__}).") from None
    if response.status_code != 200:
        raise CredentialsError(f"Keap refused the login with status {response.status_code}; nothing was stored.")
    try:
        answer: dict[str, Any] = response.json()
    except ValueError:
        raise ServiceError("Keap's token address gave an answer that is not JSON.") from None
    return answer
