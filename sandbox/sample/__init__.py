"""The sample account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.sample.showcase import showcase_account

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def sample_account() -> dict[str, Any]:
    """Return the account, streams by name. Every call makes the same."""
    return showcase_account()
