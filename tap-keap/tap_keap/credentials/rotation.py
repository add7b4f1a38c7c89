"""One rotation of the OAuth tokens, in a process of its own.

Between Keap's answer, which kills the old refresh token, and the moment the new pair is stored, nothing must die, or
the user has to log in again. So the rotation runs in a session of its own, deaf to signals: a `kill -9` of the tap, or
of its whole process group, does not reach it.

    python -m tap_keap.credentials.rotation < request.json
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tap_keap.credentials.token_store import TokenPair, open_token_store
from tap_keap.errors import ConfigurationError, CredentialsError, ServiceError, TapKeapError
from tap_keap.exit_codes import ExitCode
from tap_keap.instants import format_instant
from tap_keap.settings import Settings
from tap_keap.transport import cause_of

TRIES = 3
TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and to wait for an answer; all tries together stay well within `token_store.LEASE`."""
LOG_IN_AGAIN = (
    "Keap refuses the refresh token: it was used elsewhere, revoked, or not used for 45 days. "
    "Log in again: tap-keap auth login --config CONFIG."
)
REFUSED_AGAIN = (1.0, 3.0)
"""Seconds before a refused rotation is tried again: now and then Keap refuses a refresh token that is good."""
ERRORS: dict[int, type[TapKeapError]] = {
    error.exit_code: error for error in (ConfigurationError, CredentialsError, ServiceError)
}


def token_digest(token: str | None) -> str | None:
    """A digest by which a refresh token in the settings can be recognised, without keeping it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else None


def rotation_request(settings: Settings) -> dict[str, Any]:
    """What `rotate` needs, as JSON can hold it; `refused` is to be added."""
    return {
        "token_url": settings.token_url,
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "token_path": settings.token_path,
        "refresh_token": settings.refresh_token,
        "seed": token_digest(settings.refresh_token),
    }


def pair_from_answer(answer: Mapping[str, Any], seed: str | None) -> TokenPair:
    """The pair in a good answer of the token address.

    Raises:
        ServiceError: if the answer lacks a token.
    """
    try:
        lifetime = timedelta(seconds=int(answer["expires_in"]))
        return TokenPair(
            str(answer["access_token"]),
            str(answer["refresh_token"]),
            format_instant(datetime.now(UTC) + lifetime),
            seed,
        )
    except (KeyError, TypeError, ValueError):
        raise ServiceError("Keap's token address gave an answer without tokens.") from None


def rotate(request: Mapping[str, Any]) -> None:
    """Under the store's lock: unless somebody else already did, rotate the pair and store the new one.

    Args:
        request: Of `rotation_request`, with `refused`: the access token that must not be used any more, or None.

    Raises:
        CredentialsError: the refresh token is dead.
        ServiceError: Keap's token address cannot be reached.
        ConfigurationError: the store cannot be used.
    """
    store = open_token_store(request["token_path"])
    with store.lock():
        stored = store.load()
        if stored is not None and _set_anew(stored, request):
            stored = None
        if (
            stored is not None
            and stored.access_token != request.get("refused")
            and not stored.expires_within(timedelta(seconds=0))
        ):
            return
        token = stored.refresh_token if stored is not None else request.get("refresh_token")
        if not token:
            raise CredentialsError("No refresh token yet. Log in: tap-keap auth login --config CONFIG.")
        with store.room() as save:
            answer = _ask(
                request["token_url"],
                {"grant_type": "refresh_token", "refresh_token": token},
                (request["client_id"], request["client_secret"]),
            )
            save(pair_from_answer(answer, request.get("seed")))


def _set_anew(stored: TokenPair, request: Mapping[str, Any]) -> bool:
    """Whether the user set another `refresh_token` after the stored pair was obtained."""
    return bool(request.get("seed")) and stored.seed is not None and stored.seed != request["seed"]


def _ask(url: str, form: Mapping[str, str], credentials: tuple[str, str]) -> dict[str, Any]:
    """A good answer of the token address; tried again while that can help, a refusal twice."""
    trouble, refused, failed = "", 0, 0
    while failed < TRIES:
        if failed:
            time.sleep(2.0**failed / 4)
        try:
            response = requests.post(url, data=form, auth=credentials, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            trouble, failed = cause_of(error), failed + 1
            continue
        if response.status_code == 200:
            try:
                answer = response.json()
            except (ValueError, RecursionError):
                answer = None
            if isinstance(answer, dict):
                return answer
            trouble = "an answer that is not understood"
        elif response.status_code in {400, 401, 403}:
            advice = _refusal(response)
            if advice != LOG_IN_AGAIN or refused == len(REFUSED_AGAIN):
                raise CredentialsError(advice)
            time.sleep(REFUSED_AGAIN[refused])
            refused += 1
            continue
        else:
            trouble = str(response.status_code)
        failed += 1
    raise ServiceError(f"Keap's token address failed after {TRIES} tries, last with {trouble}.")


def _refusal(response: requests.Response) -> str:
    """What a refusal means; the body is read for its error code only."""
    try:
        code = str(response.json().get("error"))
    except (ValueError, AttributeError, RecursionError):
        code = ""
    if code in {"invalid_client", "unauthorized_client"} or (response.status_code == 401 and not code):
        return "Keap refuses `client_id` and `client_secret`: check them in your Keap developer account."
    return LOG_IN_AGAIN


def rotate_detached(request: Mapping[str, Any], pause: Callable[[float], None]) -> None:
    """Run `rotate` in a process that survives this one.

    Args:
        request: See `rotate`.
        pause: Waits so many seconds; may raise to give up the wait, not the rotation.

    Raises:
        TapKeapError: what `rotate` raised there.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tap_keap.credentials.rotation"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - PIPE was asked for
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(json.dumps(dict(request)).encode())
    process.stdin.close()
    while process.poll() is None:
        pause(0.05)
    code, message = process.returncode, process.stdout.read().decode()
    process.stdout.close()
    if code != ExitCode.OK:
        raise ERRORS.get(code, TapKeapError)(message or "The rotation of the OAuth tokens failed.")


def main() -> None:
    """Read one request from stdin, rotate, and say what went wrong on stdout."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    code, message = ExitCode.OK, ""
    try:
        rotate(json.load(sys.stdin))
    except TapKeapError as error:
        code, message = error.exit_code, str(error)
    except OSError as error:
        code = ExitCode.CONFIGURATION
        message = f"`token_path` cannot be used: {error.strerror or type(error).__name__}. Nothing was rotated."
    except Exception as error:  # noqa: BLE001 - a traceback could show the tokens
        code, message = ExitCode.UNEXPECTED, f"The rotation failed: {type(error).__name__}."
    try:
        sys.stdout.write(message)
        sys.stdout.flush()
    except OSError:
        pass  # the tap is gone; the pair is stored
    sys.exit(code)


if __name__ == "__main__":
    main()
