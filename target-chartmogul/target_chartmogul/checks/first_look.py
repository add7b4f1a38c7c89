"""What a run reports about ChartMogul's account before it writes anything (rules §0 a, 1.7)."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.data_source import DataSource
from target_chartmogul.checks import preflight
from target_chartmogul.settings import Settings

logger = logging.getLogger("target-chartmogul")


class Listener(Protocol):
    """The report."""

    def section(self, name: str, content: Any) -> None:
        """A part of the document."""


class FirstLook:
    """Collects findings, and reports them as one section.

    Args:
        client: ChartMogul.
        settings: of the run.
        report: takes the section `preflight`.
    """

    def __init__(self, client: ChartMogulClient, settings: Settings, report: Listener) -> None:
        self._client = client
        self._settings = settings
        self._report = report
        self._account: preflight.AccountSettings | None = None
        self._findings: list[preflight.Finding] = []

    def at_account(self, data_source: DataSource | None) -> None:
        """Check the account's settings, and those of the data source, if there is one.

        Raises:
            RefusedError: `on_churn_setting_mismatch: fail`.
        """
        mapping = self._settings.mapping
        self._account = account = preflight.read_account(self._client)
        self._findings += preflight.examine(
            account, data_source, unpaid_orders=mapping.unpaid_orders, full_refund=mapping.full_refund
        )
        self._tell()
        mismatch = preflight.judge_churn_setting(account, self._settings.on_churn_setting_mismatch)
        if mismatch is not None:
            logger.warning("%s", mismatch)

    def at_new(self, data_source: DataSource) -> None:
        """The settings of a data source that this run created, before its first invoice."""
        mapping = self._settings.mapping
        self._add(
            preflight.examine_source(
                self._client, data_source, unpaid_orders=mapping.unpaid_orders, full_refund=mapping.full_refund
            )
        )

    def elsewhere(self, data_source: DataSource | None, new: list[str]) -> None:
        """Whether other data sources have the same contacts."""
        found = preflight.find_same_contacts(self._client, data_source, new, self._settings.external_id_prefix)
        if found is not None:
            self._add([found])

    def _add(self, findings: list[preflight.Finding]) -> None:
        for each in findings:
            logger.warning("%s", each)
        self._findings += findings
        self._tell()

    def _tell(self) -> None:
        self._report.section("preflight", {"account": self._account, "findings": self._findings})
