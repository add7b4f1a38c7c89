"""Countries and states: what ChartMogul keeps of them, and their full names."""

from __future__ import annotations

from functools import cache, lru_cache

import pycountry


@lru_cache(maxsize=512)
def is_country(code: object) -> bool:
    return isinstance(code, str) and len(code) == 2 and pycountry.countries.get(alpha_2=code) is not None


@lru_cache(maxsize=512)
def country_name(code: str | None) -> str | None:
    found = pycountry.countries.get(alpha_2=code) if code else None
    return str(found.name) if found else None


@cache
def _states(country: str) -> dict[str, tuple[str, str]]:
    """`CA`, `US-CA` and `california` → (`CA`, `California`)."""
    found: dict[str, tuple[str, str]] = {}
    for part in pycountry.subdivisions.get(country_code=country) or ():  # type: ignore[no-untyped-call]
        entry = (part.code.partition("-")[2], part.name)
        found |= {entry[0].lower(): entry, part.code.lower(): entry, part.name.lower(): entry}
    return found


def state_code(country: str | None, state: str | None) -> str | None:
    """The part of ISO 3166-2 behind the country; None where the country has no such state."""
    if not country or not state:
        return None
    found = _states(country).get(state.lower())
    return found[0] if found else None


def state_name(country: str | None, state: str | None) -> str | None:
    if not country or not state:
        return None
    found = _states(country).get(state.lower())
    return found[1] if found else state
