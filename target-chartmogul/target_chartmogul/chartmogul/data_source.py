"""The data source that is written to: found by name or uuid, created by name."""

from __future__ import annotations

from typing import Any

import msgspec

from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.creation import create
from target_chartmogul.chartmogul.errors import RefusedError

_SETTINGS = {
    "with_auto_churn_subscription_setting": "true",
    "with_invoice_handling_setting": "true",
}


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """A data source and those of its settings that bend the figures (None: this account does not tell)."""

    uuid: str
    name: str
    auto_churn_days: int | None = None
    """Days after which ChartMogul itself churns an overdue subscription; None if it does not."""
    invoice_handling: dict[str, dict[str, Any]] = {}
    """For `manual` and `automatic` collection: from which status on an invoice makes or changes a subscription."""


def find_data_source(client: ChartMogulClient, *, name: str, uuid: str | None = None) -> DataSource | None:
    """The data source with this uuid, else with this name; None if there is none of this name.

    Raises:
        RefusedError: 404, there is none with this uuid.
        CredentialsError, UnreachableError: see `ChartMogulClient.get`.
    """
    if uuid is not None:
        return _read(client.get(f"/data_sources/{uuid}", _SETTINGS))
    answer = client.get("/data_sources", {"name": name, **_SETTINGS})
    rows = answer.get("data_sources") or () if isinstance(answer, dict) else ()
    return next((_read(row) for row in rows if row.get("name") == name), None)


def create_data_source(client: ChartMogulClient, name: str) -> DataSource:
    """Create a data source, or find the one that a lost answer or another run has created meanwhile.

    Raises:
        RefusedError: ChartMogul does not take the name, or one of this name is just being deleted.
        CredentialsError, UnreachableError: see `ChartMogulClient.post`.
    """
    try:
        row, found = create(client, "/data_sources", {"name": name}, lambda: find_data_source(client, name=name))
    except RefusedError as refusal:
        if (there := find_data_source(client, name=name)) is not None:
            return there
        raise RefusedError(refusal.status, {"data_source_name": refusal.reason}) from None
    if found is None:
        assert row is not None  # noqa: S101  create gives one of both
        return DataSource(uuid=row["uuid"], name=name)
    return found


def same_contacts_elsewhere(client: ChartMogulClient, own_uuid: str, external_ids: list[str]) -> dict[str, int]:
    """Names of other data sources that hold customers with these external ids, and how many of them (rule 1.7).

    One request per id: give a handful.
    """
    counts: dict[str, int] = {}
    for external_id in external_ids:
        for rows in client.pages("/customers", "entries", {"external_id": external_id}):
            others = {source for row in rows for source in _sources(row) if source != own_uuid}
            for source in others:
                counts[source] = counts.get(source, 0) + 1
    if not counts:
        return {}
    answer = client.get("/data_sources")
    names = {row["uuid"]: row.get("name") or row["uuid"] for row in answer.get("data_sources") or ()}
    return {names.get(uuid, uuid): count for uuid, count in sorted(counts.items())}


def _sources(row: dict[str, Any]) -> list[str]:
    return list(row.get("data_source_uuids") or filter(None, [row.get("data_source_uuid")]))


def _read(row: dict[str, Any]) -> DataSource:
    auto_churn = row.get("auto_churn_subscription_setting") or {}
    return DataSource(
        uuid=row["uuid"],
        name=row.get("name") or "",
        auto_churn_days=(auto_churn.get("interval") or 0) if auto_churn.get("enabled") else None,
        invoice_handling=row.get("invoice_handling_setting") or {},
    )
