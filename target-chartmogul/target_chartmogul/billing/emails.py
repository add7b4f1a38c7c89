"""E-mail addresses: which are sent, and what is remembered of one that ChartMogul refused (rules 3.3, 9.9)."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email


def email_fingerprint(address: str) -> str:
    """What is remembered of an address that ChartMogul refused: the address itself is nowhere kept (rule 9.9)."""
    return hashlib.sha256(address.strip().casefold().encode()).hexdigest()[:24]


@lru_cache(maxsize=65_536)
def is_valid_email(address: str) -> bool:
    """Rule 3.3: syntax and reserved names by email-validator; no DNS."""
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
