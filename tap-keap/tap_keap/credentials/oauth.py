"""OAuth with Keap's rotating refresh tokens: one authenticator for all threads of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from tap_keap.credentials.rotation import LOG_IN_AGAIN, rotate_detached, rotation_request
from tap_keap.credentials.token_store import TokenPair, open_token_store
from tap_keap.rate_budget import OAUTH_LIMITS
from tap_keap.settings import Settings

EARLY = timedelta(minutes=5)
"""Rotate so long before the access token expires."""


class OAuthAuthenticator:
    """Access tokens from the token store, rotated when they expire or are refused.

    Args:
        settings: Of the tap, with client id, client secret and token path.
        pause: Waits so many seconds; may raise to end the run.
    """

    limits = OAUTH_LIMITS
    advice = LOG_IN_AGAIN

    def __init__(self, settings: Settings, pause: Callable[[float], None]) -> None:
        self._request = rotation_request(settings)
        self._store = open_token_store(self._request["token_path"])
        self._pause = pause
        self._lock = threading.Lock()
        self._pair: TokenPair | None = None

    def headers(self) -> dict[str, str]:
        """The access token as Bearer; rotates it first if it is missing or about to expire.

        Raises:
            TapKeapError: see `rotation.rotate`.
        """
        with self._lock:
            if self._pair is None:
                self._pair = self._store.load()
                seed = self._request["seed"]
                if self._pair is not None and seed and self._pair.seed and self._pair.seed != seed:
                    self._pair = None
            if self._pair is None or self._pair.expires_within(EARLY):
                self._rotate(None if self._pair is None else self._pair.access_token)
            assert self._pair is not None  # noqa: S101 - _rotate raises otherwise
            return {"Authorization": f"Bearer {self._pair.access_token}"}

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After a 401: another thread's or process's new token, or one more rotation."""
        token = refused.get("Authorization", "").removeprefix("Bearer ")
        with self._lock:
            if self._pair is None or self._pair.access_token == token:
                self._rotate(token)
            return self._pair is not None and self._pair.access_token != token

    def _rotate(self, refused: str | None) -> None:
        rotate_detached({**self._request, "refused": refused}, self._pause)
        self._pair = self._store.load()
