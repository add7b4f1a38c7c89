"""The account and its settings, which the API shows but never sets (fact sheet §3.1)."""

from __future__ import annotations

from sandbox.chartmogul import errors
from sandbox.chartmogul.http import Answer, Call
from sandbox.chartmogul.state import State

ALWAYS = ("id", "name", "currency", "time_zone", "week_start_on")
INCLUDABLE = (
    "churn_recognition",
    "churn_when_zero_mrr",
    "auto_churn_subscription",
    "refund_handling",
    "proximate_movement_reclassification",
)


class Account:
    def __init__(self, state: State) -> None:
        self._state = state

    def retrieve(self, call: Call) -> Answer:
        wanted = [name.strip() for name in call.query.get("include", "").split(",") if name.strip()]
        unknown = [name for name in wanted if name not in INCLUDABLE]
        if unknown:
            raise errors.coded(400, f'Invalid value "{unknown[0]}" for parameter "include"', "include")
        account = self._state.settings.account
        return Answer({name: account[name] for name in (*ALWAYS, *wanted)})
