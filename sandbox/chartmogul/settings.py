"""What an account's owner sets in ChartMogul's pages; the API only shows it. The sandbox sets it by control."""

from __future__ import annotations

from collections.abc import Iterable
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


REPLACED = ("import_statuses", "source_fields")
# What nobody could look up, and the answers it may have: the first one is assumed.
CHOICES = {
    "bulk_duplicates": ("kept", "updated"),
    "bulk_imports": ("offered", "absent"),
    "cancellation_stores": ("one", "two"),
    "churn_recognition_acts": ("on_all", "on_billing_systems"),
    "churn_within_a_second": ("counts", "ignored"),
    "deleted_ids": ("free", "taken"),
    "duplicates": ("texts", "codes"),
    "event_order": ("decides", "ignored"),
    "future_cancellations": ("refused", "accepted"),
    "invalid_email": ("refused", "dropped"),
    "key": ("write", "read", "none"),
    "months_of_days": ("30.4375", "30"),
    "state_form": ("code", "prefixed", "name"),
    "unchanged_patch": ("200", "304"),
    "unedited_summary": ("empty", "values_changed", "null"),
    "write_offs": ("accepted", "refused"),
    "zero_decimal_amounts": ("hundredths", "units"),
}


@dataclass
class Settings:
    """`exchange_rates`: units of the account's currency per unit of another one, 1 where none is given.

    `processing_delay`, `deletion_delay`, `import_queued`, `import_processing`, `validation_delay`: seconds of the
    machine's clock. `clock_ahead`: by how many seconds the header `Date` differs from the clock.
    `import_failures`: external ids of invoices, line items and transactions that a bulk import stores as invalid;
    `late_failures`: of those that it stores as good, and that are found invalid `validation_delay` after it, once;
    `*`: every invoice.
    `import_statuses`: what a status of an import is called instead.
    `source_fields`: shown of every data source instead of the true ones; `hidden_source_fields`: never shown.
    `choices`: see `CHOICES`; a choice is set by its own name, as if it were a setting.
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
    validation_delay: float = 0.2
    late_failures: list[str] = field(default_factory=list)
    import_statuses: dict[str, str] = field(default_factory=dict)
    source_fields: dict[str, Any] = field(default_factory=dict)
    hidden_source_fields: list[str] = field(default_factory=list)
    clock_ahead: float = 0
    choices: dict[str, str] = field(default_factory=lambda: {name: values[0] for name, values in CHOICES.items()})

    def change(self, changes: dict[str, Any]) -> None:
        """Merge changes; raises ValueError naming an unknown setting or value."""
        for name, value in changes.items():
            if name in CHOICES:
                if value not in CHOICES[name]:
                    raise ValueError(f"{name} is one of " + ", ".join(CHOICES[name]))
                self.choices[name] = value
                continue
            if name not in self.__dataclass_fields__ or name == "choices":
                raise ValueError(f"unknown setting {name!r}")
            current = getattr(self, name)
            if isinstance(current, dict) != isinstance(value, dict):
                raise ValueError(f"setting {name!r} has another form")
            if name in REPLACED:
                setattr(self, name, dict(value))
            elif isinstance(current, dict):
                _merge(current, value, open_keys=name == "exchange_rates")
            elif isinstance(current, list):
                setattr(self, name, [str(item) for item in value])
            else:
                setattr(self, name, float(value))
        if self.account["churn_recognition"] not in CHURN_RECOGNITIONS:
            raise ValueError("churn_recognition is one of " + ", ".join(CHURN_RECOGNITIONS))

    def take_back(self, names: Iterable[str]) -> None:
        """Return these settings to what they usually are."""
        usual = Settings()
        for name in names:
            if name in CHOICES:
                self.choices[name] = CHOICES[name][0]
            else:
                setattr(self, name, getattr(usual, name))

    def chose(self, name: str, value: str) -> bool:
        """Whether this is how it is."""
        return self.choices[name] == value

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
