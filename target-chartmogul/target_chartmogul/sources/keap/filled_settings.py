"""Settings that Keap's account knows: its currency and its time zone count where the user set none.

`date_timezone` is never taken from there, since another midnight would move every cancellation (rule 6.2), and neither
is `non_cash_payment_types`: Keap lists an account's payment types by name, and does not say which of them are money.
"""

from __future__ import annotations

import msgspec

from target_chartmogul.billing import money
from target_chartmogul.sources.keap.settings import MappingSettings, is_zone
from target_chartmogul.sources.protocol import Filled

_LONGEST = 64


class KeapAccount(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The row of `account`: what Keap's business profile and configuration say of the mapping's settings."""

    id: str | None = None
    currency_code: str | None = None
    time_zone: str | None = None


def filled(settings: MappingSettings, account: KeapAccount) -> Filled:
    """`keap_timezone` for the day of a first order (rule 3.5), and a currency for orders that name none (4.1).

    An order's items know its currency better than the account does: `currency` overrides them, the account's does not.

    Args:
        settings: the user's.
        account: Keap's account.

    Returns:
        The settings in force, which of them are Keap's, and what Keap says that is no currency or time zone.
    """
    taken: dict[str, str] = {}
    account_currency: str | None = None
    ignored: dict[str, str] = {}
    code, zone = (account.currency_code or "").strip(), (account.time_zone or "").strip()
    if settings.currency is None and code:
        if _is_currency(code.upper()):
            taken["currency"] = account_currency = code.upper()
        else:
            ignored["currency"] = code[:_LONGEST]
    if settings.keap_timezone is None and zone:
        if is_zone(zone):
            taken["keap_timezone"] = zone
        else:
            ignored["keap_timezone"] = zone[:_LONGEST]
    in_force = msgspec.structs.replace(
        settings,
        account_currency=account_currency,
        keap_timezone=settings.keap_timezone or taken.get("keap_timezone"),
    )
    return Filled(in_force, taken, ignored)


def _is_currency(code: str) -> bool:
    """Whether ISO 4217 has or had it."""
    try:
        money.minor_units(code)
    except money.UnknownCurrencyError:
        return False
    return True
