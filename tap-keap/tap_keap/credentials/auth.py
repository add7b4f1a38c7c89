"""How a request proves who asks: a key, or an OAuth access token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tap_keap.errors import ConfigurationError
from tap_keap.rate_budget import SERVICE_KEY_LIMITS, KeapLimits
from tap_keap.settings import Settings


class Authenticator(Protocol):
    """Gives the headers of a request, and a second chance after a 401."""

    limits: KeapLimits
    advice: str

    def headers(self) -> dict[str, str]:
        """Headers for the next request."""

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After a 401 to a request with the headers `refused`: True if other credentials are at hand now."""


class KeyAuthenticator:
    """A service account key or personal access token (Keap developer guide, "PAT and SAK")."""

    limits = SERVICE_KEY_LIMITS
    advice = "Check `api_key`: Keap shows keys under Settings, API, and a deleted key stops working at once."

    def __init__(self, key: str, header: str) -> None:
        self._headers = {"X-Keap-API-Key": key} if header == "x-keap-api-key" else {"Authorization": f"Bearer {key}"}

    def headers(self) -> dict[str, str]:
        """The key, in the header of the setting `api_key_header`."""
        return self._headers

    def renew(self, refused: Mapping[str, str]) -> bool:
        """A key cannot be renewed."""
        del refused
        return False


def authenticator_for(settings: Settings, pause: Callable[[float], None]) -> Authenticator:
    """The authenticator that the settings ask for.

    Args:
        settings: Of the tap.
        pause: Waits so many seconds; may raise to end the run.

    Raises:
        ConfigurationError: if the credentials are incomplete.
    """
    if settings.api_key:
        return KeyAuthenticator(settings.api_key, settings.api_key_header)
    missing = [name for name in ("client_id", "client_secret", "token_path") if not getattr(settings, name)]
    if missing:
        raise ConfigurationError(
            "No credentials: set `api_key`, or `client_id`, `client_secret` and `token_path` for OAuth. "
            f"Missing: {', '.join(missing)}."
        )
    from tap_keap.credentials.oauth import OAuthAuthenticator  # noqa: PLC0415 - most runs use a key

    return OAuthAuthenticator(settings, pause)
