"""What an account's owner sets in ChartMogul's pages; the API only shows it. The sandbox sets it by control."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

CHURN_RECOGNITIONS = ("churn_at_time_of_cancelation", "churn_at_period_end", "churn_at_click")


def default_handling() -> dict[str, Any]:
    """Every invoice counts but voided and written-off ones (fact sheet §3.2)."""
    half = {
        "create_subscription_when_invoice_is": "open",
        "update_subscription_when_invoice_is": "open",
        "prevent_subscription_for_invoice_voided": True,
        "prevent_subscription_for_invoice_refunded": False,
        "prevent_subscription_for_invoice_written_off": True,
    }
    return {"manual": dict(half), "automatic": dict(half)}


def default_account() -> dict[str, Any]:
    return {
        "id": "acc_5a1d90b0-0000-4000-8000-000000000001",
        "name": "Sandbox Company",
        "currency": "USD",
        "time_zone": "UTC",
        "week_start_on": "monday",
        "churn_recognition": "churn_at_time_of_cancelation",
        "churn_when_zero_mrr": False,
        "auto_churn_subscription": False,
        "refund_handling": "refund_ignore",
        "proximate_movement_reclassification": "reclassification_off",
    }


@dataclass
class Settings:
    """`exchange_rates`: units of the account's currency per unit of another one, 1 where none is given.

    `processing_delay`, `deletion_delay`, `import_queued`, `import_processing`: seconds of the machine's clock.
    `import_failures`: external ids of invoices, line items and transactions that a bulk import stores as invalid.
    """

    account: dict[str, Any] = field(default_factory=default_account)
    invoice_handling_setting: dict[str, Any] = field(default_factory=default_handling)
    auto_churn_subscription_setting: dict[str, Any] = field(
        default_factory=lambda: {"enabled": False, "interval": None}
    )
    exchange_rates: dict[str, str] = field(default_factory=dict)
    processing_delay: float = 0
    deletion_delay: float = 0
    import_queued: float = 0.05
    import_processing: float = 0.1
    import_failures: list[str] = field(default_factory=list)

    def change(self, changes: dict[str, Any]) -> None:
        """Merge changes; raises ValueError naming an unknown setting or value."""
        for name, value in changes.items():
            if name not in self.__dataclass_fields__:
                raise ValueError(f"unknown setting {name!r}")
            current = getattr(self, name)
            if isinstance(current, dict) != isinstance(value, dict):
                raise ValueError(f"setting {name!r} has another form")
            if isinstance(current, dict):
                _merge(current, value, open_keys=name == "exchange_rates")
            elif isinstance(current, list):
                self.import_failures = [str(item) for item in value]
            else:
                setattr(self, name, float(value))
        if self.account["churn_recognition"] not in CHURN_RECOGNITIONS:
            raise ValueError("churn_recognition is one of " + ", ".join(CHURN_RECOGNITIONS))

    def rate(self, currency: str) -> Decimal:
        return Decimal(self.exchange_rates.get(currency, "1"))


def _merge(current: dict[str, Any], changes: dict[str, Any], *, open_keys: bool) -> None:
    for name, value in changes.items():
        if name not in current and not open_keys:
            raise ValueError(f"unknown setting {name!r}")
        if isinstance(current.get(name), dict) and isinstance(value, dict):
            _merge(current[name], value, open_keys=open_keys)
        else:
            current[name] = value
